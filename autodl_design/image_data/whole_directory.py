"""Writes a directory of files whole or not at all."""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.errors import DatasetError


def write_directory(directory: Path, files: dict[str, bytes], replaceable: Collection[str] = ()) -> None:
    """Write `files` as the whole content of `directory`, which on failure is left as it was.

    An existing directory is replaced only where `check_replaceable` allows it. Raises DatasetError.
    """
    check_replaceable(directory, replaceable)
    directory = directory.resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{directory.name}-", dir=directory.parent, ignore_cleanup_errors=True
        ) as aside:
            new, old = Path(aside, "new"), Path(aside, "old")
            new.mkdir()
            for name, content in files.items():
                with open(new / name, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            try:
                if directory.exists():
                    directory.rename(old)
                new.rename(directory)
            except BaseException:
                if old.exists() and not directory.exists():
                    old.rename(directory)
                raise
    except OSError as error:
        raise DatasetError(f"{directory} cannot be written: {error.strerror}") from error


def check_replaceable(directory: Path, replaceable: Collection[str]) -> None:
    """Raises DatasetError unless `directory` is free or holds nothing but regular files so named."""
    try:
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
