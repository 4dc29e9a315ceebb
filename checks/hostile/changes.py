"""Counts this process's calls that change files, and has one of them fail or end the process.

    watch(stop_at=7, stop_by="half_write")
    ...
    calls       # ["create", "write", "fsync", "replace", ...]

Watched is what Python's `open`, `os` and `pathlib` call (pathlib from Python 3.11 on): one call of the
system each. Native code that writes files of its own is not seen.
"""

import builtins
import errno
import functools
import io
import os
import signal
from collections.abc import Callable
from typing import Any

WAYS = ("kill_before", "kill_after", "half_write", "full_disk", "io_error")
NEED_SPACE = {"create", "write", "mkdir"}
RENAMED = {"remove": "unlink", "rename": "replace", "ftruncate": "truncate"}

calls: list[str] = []
_stop_at = -1
_stop_by: str | None = None
_really_open = builtins.open
_really_open_descriptor = os.open


def watch(stop_at: int, stop_by: str | None) -> None:
    """From now on, for the rest of this process. Without `stop_by` the calls are counted only."""
    global _stop_at, _stop_by
    _stop_at, _stop_by = stop_at, stop_by
    for name in ("mkdir", "replace", "rename", "unlink", "remove", "fsync", "truncate", "ftruncate"):
        setattr(os, name, functools.partial(_change, RENAMED.get(name, name), getattr(os, name)))
    os.open = _open_descriptor
    builtins.open = io.open = _open


def _change(name: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    number = len(calls)
    calls.append(name)
    if _stop_by == "full_disk" and number >= _stop_at and name in NEED_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if number != _stop_at or _stop_by is None or _stop_by == "full_disk":
        return function(*arguments, **options)
    if _stop_by == "io_error":
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    if _stop_by == "half_write" and name == "write":
        (content,) = arguments
        function(bytes(content)[: len(content) // 2])
    elif _stop_by == "kill_after":
        function(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)


def _open_descriptor(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
    if flags & os.O_CREAT and not os.path.exists(path):
        return _change("create", _really_open_descriptor, path, flags, *arguments, **options)
    return _really_open_descriptor(path, flags, *arguments, **options)


class _File(io.FileIO):
    def write(self, content: Any) -> int:
        return _change("write", super().write, content)

    def truncate(self, size: int | None = None) -> int:
        return _change("truncate", super().truncate, size)


def _open(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
    if "b" not in mode or "+" in mode or "r" in mode:
        return _really_open(file, mode, *arguments, **options)
    make = functools.partial(_File, file, mode.replace("b", ""))
    creates = not isinstance(file, int) and not os.path.exists(file)
    return io.BufferedWriter(_change("create", make) if creates else make())
