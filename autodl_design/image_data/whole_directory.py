"""Writes a directory of files whole or not at all."""

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

from autodl_design.checked_io.files import sync_directory, write_to_disk
from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.errors import DatasetError

OLD = "old"  # in the hidden directory aside
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux


def write_directory(
    directory: Path, files: Iterable[tuple[str, bytes]], replaceable: Collection[str] = ()
) -> None:
    """Write `files`, names and contents, as all that `directory` holds. On failure it is left as it was.

    An existing directory is replaced only where `check_replaceable` allows it. Raises DatasetError.
    """
    check_replaceable(directory, replaceable)
    directory = directory.resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{directory.name}-", dir=directory.parent, ignore_cleanup_errors=True
        ) as aside:
            new = Path(aside, "new")
            new.mkdir()
            for name, content in files:
                with open(new / name, "wb") as file:
                    write_to_disk(file, content)
            sync_directory(new)
            _put_in_place(new, directory, Path(aside, OLD))
            sync_directory(directory.parent)
    except OSError as error:
        raise DatasetError(f"{directory} cannot be written: {error.strerror}") from error


def _put_in_place(new: Path, directory: Path, old: Path) -> None:
    """A process that is killed leaves the one or the other in its place."""
    if not directory.exists():
        new.rename(directory)
    elif not _exchange(new, directory):
        # Between the two renames the directory is not in its place; `_put_back` finds it.
        directory.rename(old)
        try:
            new.rename(directory)
        except BaseException:
            old.rename(directory)
            raise


def _exchange(one: Path, other: Path) -> bool:
    """Let two directories change places in one step; False where the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # a C library that does not know it
        return False
    return renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def check_replaceable(directory: Path, replaceable: Collection[str]) -> None:
    """Raises DatasetError unless `directory` is free or holds nothing but regular files so named."""
    try:
        if not os.path.lexists(directory):
            _put_back(directory.resolve())
        with os.scandir(directory) as entries:
            foreign = sorted(
                entry.name
                for entry in entries
                if entry.name not in replaceable or not entry.is_file(follow_symlinks=False)
            )
    except FileNotFoundError:
        return
    except OSError as error:
        raise DatasetError(f"{directory} cannot be written: {error.strerror}") from error
    if foreign:
        raise DatasetError(
            f"{directory} holds something else ({quoted(foreign[0])}): name another directory"
        )


def _put_back(directory: Path) -> None:
    """Where a process was killed between the two renames of `_put_in_place`, undo the first one."""
    with contextlib.suppress(PermissionError):  # a parent that may not be listed
        for aside in directory.parent.iterdir():
            if aside.name.startswith(f".{directory.name}-") and (aside / OLD).is_dir():
                (aside / OLD).rename(directory)
                return
