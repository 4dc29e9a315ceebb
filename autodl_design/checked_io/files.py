"""Files that a crash cannot spoil: written whole or not at all, or grown line by line.

A crash can tear the last line of the latter; it is left out when a file is read, and cut off when it is
opened to grow, where it can be nothing else. Only regular files are opened, and a file costs no more memory
than about twice its size, whatever it says of itself. Several processes may write one file: each writes all
of it, and the last one that is done wins.
"""

import errno
import io
import json
import os
import re
import secrets
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from autodl_design.checked_io.regular_files import check_regular, open_regular

MAX_TEXT = 2**24  # bytes of a JSON file or of a line, far more than a search ever writes
MAX_TORN = 2**18  # bytes of a torn line; the longest record of a model has half of them
BLOCK = 2**16


ASIDE = re.compile(r"\.written-[0-9a-f]{16}\.tmp", re.ASCII)  # a file that is not yet in its place
ABANDONED = 3600.0  # seconds after which a file aside is that of a process that died


def write_whole(path: Path, content: bytes) -> None:
    """Raises OSError, which names a file, and leaves what was there, where not all of it could be written
    or `path` is something else than a file."""
    if path.exists():
        check_regular(path)
    aside = path.with_name(f".written-{secrets.token_hex(8)}.tmp")  # no other process has this name
    try:
        with open(aside, "xb") as file:
            write_to_disk(file, content)
        aside.replace(path)
    except OSError as error:  # a full disk names no file, and others name the one aside
        aside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
    with suppress(OSError):  # a directory that may be written and not read
        _remove_abandoned(path.parent)


def sync_directory(directory: Path) -> None:
    """Returns when the names of its files are on the disk; before that a power loss can undo a renaming."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:  # a directory that cannot be read, and file systems that do not offer it
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):
            raise


def _remove_abandoned(directory: Path) -> None:
    """What processes that were killed amid `write_whole` left there."""
    for path in directory.iterdir():
        if ASIDE.fullmatch(path.name):
            with suppress(OSError):  # another process may remove it too
                if time.time() - path.lstat().st_mtime > ABANDONED:
                    path.unlink()


def write_to_disk(file: BinaryIO, content: bytes) -> None:
    """Returns when it is there. Raises OSError on a full disk."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


# --- JSON -----------------------------------------------------------------------------------------


def read_json(path: Path) -> Any:
    """Raises ValueError where the file is not JSON, OSError where it cannot be read."""
    with open_regular(path) as file:
        return _parse(file.read(MAX_TEXT + 1))


def _parse(text: bytes) -> Any:
    """JSON; raises ValueError for anything that it cannot be, also for what is nested too deeply."""
    if len(text) > MAX_TEXT:
        raise ValueError("too long")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of the whole lines. Raises ValueError, naming the line, where one is not an object."""
    for number, line in enumerate(whole_lines(path), 1):
        try:
            content = _parse(line)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ValueError(f"{path}: line {number} is damaged; mend or remove it")
        yield content


def whole_lines(path: Path) -> Iterator[bytes]:
    """Without a last one that has no end. Parts of one that is too long come as lines of their own, too
    long as well."""
    with open_regular(path) as file:
        while line := file.readline(MAX_TEXT + 1):
            if line.endswith(b"\n") or len(line) > MAX_TEXT:
                yield line


class GrowingFile:
    """To append lines to; a torn last one is cut off, and a copy of it stays in NAME.torn. The file is made
    where there is none.

    is_start: whether bytes can be the start of a line of such a file, so that another file, or what
        somebody wrote into it, is never taken for a torn line.

    Raises OSError, which names a file, where it cannot be opened, where its end is no torn line, and where
    it cannot be written.
    """

    def __init__(self, path: Path, is_start: Callable[[bytes], bool]):
        self.path = path
        made = not path.exists()
        with ExitStack() as stack:
            self._file = stack.enter_context(open_regular(path, "ab"))
            if made:
                sync_directory(path.parent)
            elif torn := torn_line(path, is_start):
                with open_regular(path.with_name(f"{path.name}.torn"), "ab") as copy:
                    write_to_disk(copy, torn + b"\n")
                self._file.truncate(os.fstat(self._file.fileno()).st_size - len(torn))
            with open_regular(path) as reader:
                self._content = bytearray(reader.read())  # what the file holds, whatever becomes of it
            stack.pop_all()  # stays open

    def append(self, line: bytes) -> None:
        write_to_disk(self._file, line)
        self._content += line
        self.check()

    def check(self) -> None:
        """Raises OSError where the name belongs to another file by now, or where something else wrote into
        the file; no line is lost then, and the text says where all of them are."""
        own = os.fstat(self._file.fileno())
        is_whole = own.st_size == len(self._content)
        with suppress(FileNotFoundError):
            if is_whole and os.path.samestat(own, os.stat(self.path)):
                return
        what = "replaced or moved" if is_whole else "changed by another program"
        place = "the file that had this name before: give it its name back"
        if own.st_nlink == 0 or not is_whole:
            kept = self.path.with_name(f"{self.path.name}.kept")
            write_whole(kept, bytes(self._content))
            place = f"{kept.name}: give it the name {self.path.name}"
        raise OSError(
            errno.ESTALE,
            f"was {what} while it was written to, as some editors and sed -i do; all lines are "
            f"in {place}, and --resume goes on",
            os.fspath(self.path),
        )

    def close(self) -> None:
        with suppress(OSError):  # of what a full disk did not take, which is known already
            self._file.close()


def torn_line(path: Path, is_start: Callable[[bytes], bool]) -> bytes:
    """What stands behind the last line end. A crash may leave a part of a line there, and zeros. Raises
    OSError where it is anything else."""
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(_end_of_whole_lines(path))
        torn = file.read(MAX_TORN + 1) if file.tell() < size else b""
    if len(torn) > MAX_TORN or not is_start(torn.rstrip(b"\0")):
        raise OSError(
            errno.EINVAL,
            "what stands behind its last line end is not the start of a line of such a file; take it out",
            os.fspath(path),
        )
    return torn


def _end_of_whole_lines(path: Path) -> int:
    with open_regular(path) as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


# --- Arrays ---------------------------------------------------------------------------------------


def write_arrays(path: Path, numbers: Any, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file of arrays, and of numbers or whatever else JSON holds."""
    buffer = io.BytesIO()
    numbers = json.dumps(numbers, default=_python_number)
    members: dict[str, Any] = {"numbers": numbers, "names": sorted(arrays), **arrays}
    np.savez(buffer, **members)
    write_whole(path, buffer.getvalue())


def _python_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"JSON holds no {type(value).__name__}")


def read_arrays(path: Path, like: dict[str, np.ndarray] | None = None) -> tuple[Any, dict[str, np.ndarray]]:
    """What `write_arrays` wrote: the numbers, and arrays of integers, floats or truth values.

    like: the arrays have to be those of these names, with these shapes and dtypes.

    Raises ValueError, naming the file, where it is damaged or has other arrays, and OSError where it cannot
    be read.
    """
    with open_regular(path) as file:
        try:
            arrays = _read_members(file)
            numbers, names = _parse(str(arrays.pop("numbers")).encode()), arrays.pop("names")
            if sorted(arrays) != names.tolist():  # a damaged table of contents may leave some out
                raise ValueError("arrays are missing")
            for name, array in arrays.items():
                if array.dtype.kind not in "biuf":
                    raise ValueError(f"{name} holds no numbers")
        except Exception as error:  # what a damaged file may raise is up to NumPy and zipfile
            raise ValueError(f"{path} is damaged") from error
    if like is not None:
        try:
            check_arrays(arrays, like)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return numbers, arrays


def _read_members(file: BinaryIO) -> dict[str, np.ndarray]:
    """The arrays of an uncompressed .npz file. A pickled one is refused."""
    size = file.seek(0, os.SEEK_END)
    arrays = {}
    with zipfile.ZipFile(file) as members:
        infos = members.infolist()
        # A small file can unpack to any size where its members are compressed or share their bytes.
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise ValueError("compressed")
        if sum(info.file_size for info in infos) > size:
            raise ValueError("larger than the file")
        for info in infos:
            content = io.BytesIO(members.read(info))  # compares the checksum
            arrays[info.filename.removesuffix(".npy")] = np.lib.format.read_array(content)
    return arrays


def check_arrays(arrays: dict[str, np.ndarray], like: dict[str, np.ndarray]) -> None:
    """Raises ValueError where `arrays` has not the names, the shapes and the dtypes of `like`."""
    if arrays.keys() != like.keys():
        missing, others = sorted(like.keys() - arrays.keys()), sorted(arrays.keys() - like.keys())
        raise ValueError(f"array {missing[0]} is missing" if missing else f"unknown array {others[0]!r}")
    for name, expected in like.items():
        array = arrays[name]
        if array.shape != expected.shape or array.dtype != expected.dtype:
            raise ValueError(
                f"array {name} is {array.dtype} {list(array.shape)}, not "
                f"{expected.dtype} {list(expected.shape)}"
            )
