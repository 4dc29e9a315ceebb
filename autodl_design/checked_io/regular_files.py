"""Opens a file for reading, or to append to it, only where it is a regular file.

    with open_regular(path) as file:
        content = file.read()

A FIFO or a terminal in place of a file would let its reader wait for ever, and merely opening a device can
do something. All of them are refused at once.
"""

import errno
import os
import stat
from typing import BinaryIO, cast

_FLAGS = {"rb": os.O_RDONLY, "ab": os.O_WRONLY | os.O_APPEND | os.O_CREAT}


def open_regular(path: str | os.PathLike, mode: str = "rb") -> BinaryIO:
    """Open `path` (links are followed) to read bytes, or with mode "ab" to append bytes to it, which makes
    the file where there is none. Never waits for another process.

    Raises OSError with `strerror` and `filename` set: "is not a regular file" for a FIFO, a socket or a
    device, IsADirectoryError for a directory, else what the system says (FileNotFoundError, ...).
    """
    try:
        check_regular(path)
    except FileNotFoundError:
        if mode != "ab":
            raise
    # Another file may have taken its place since, so without waiting, and with a second look.
    descriptor = os.open(path, _FLAGS[mode] | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
    try:
        _check_mode(os.fstat(descriptor).st_mode, path)
        return cast(BinaryIO, open(descriptor, mode))
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: str | os.PathLike) -> None:
    """Raises OSError as `open_regular` does; opens nothing."""
    _check_mode(os.stat(path).st_mode, path)


def _check_mode(mode: int, path: str | os.PathLike) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
