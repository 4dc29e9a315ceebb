"""Reads CIFAR-10's archive, cifar-10-python.tar.gz, without unpacking it to disk.

files = read_archive(Path("cifar/cifar-10-python.tar.gz"))  # {"data_batch_1": bytes, ...}
"""

import re
import tarfile
from pathlib import Path
from typing import BinaryIO

from autodl_design.checked_io.messages import quoted
from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.batch import parse_batch, parse_pickle
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.gunzip import Gunzip

ARCHIVE_NAME = "cifar-10-python.tar.gz"
ARCHIVE_FOLDER = "cifar-10-batches-py"
TRAINING_BATCHES = tuple(f"data_batch_{k}" for k in range(1, 6))
META_NAME = "batches.meta"
FILE_NAME = re.compile(r"data_batch_[1-5]|test_batch|batches\.meta")

MAX_MEMBER_BYTES = 32_000_000  # CIFAR-10's batches have 31 million
MAX_HEADER_BYTES = 16_384  # from the end of a member to the next one's start, or to the archive's end
MAX_OUTSIDE_BYTES = 65_536  # in all; CIFAR-10's archive has 20,000
MAX_ARCHIVE_BYTES = 256_000_000  # unpacked; CIFAR-10's has 186 million


def read_archive(path: Path) -> dict[str, bytes]:
    """The batches in CIFAR-10's archive, by file name; each is one that `load_batch` reads.

    Nothing is written, so an archive cannot choose where anything goes. Raises DatasetError where the
    archive is damaged anywhere, holds something other than a regular file in a batch's place, two files of
    one name, a file larger than MAX_MEMBER_BYTES, a name that leads out of its folder, a damaged batch, or
    no training batch. Whether fewer than five will do is for the caller to decide.
    """
    try:
        with open_regular(path) as compressed:
            files = _members(_Unpacked(compressed), path)
    except (DatasetError, MemoryError):
        raise
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # damaged archives raise tar, zlib, EOF, recursion and other errors
        raise _damaged(path, error) from error
    if not any(name in files for name in TRAINING_BATCHES):
        raise DatasetError(f"{path} is not CIFAR-10's archive: no {ARCHIVE_FOLDER}/data_batch_1..5")
    for name, content in files.items():
        if name == META_NAME:
            parse_pickle(content, f"{path}: {name}")
        else:
            parse_batch(content, f"{path}: {name}")
    return files


def _damaged(path: Path, error: Exception) -> DatasetError:
    reason = quoted(str(error)) or type(error).__name__
    return DatasetError(f"{path} is no .tar.gz archive or is damaged ({reason}): delete it and run again")


class _Unpacked:
    """What the gzip file holds: the files of the archive, and few bytes outside them, since the time that
    tarfile takes grows with the square of a header's length (CVE-2024-6232)."""

    def __init__(self, compressed: BinaryIO):
        self.stream = Gunzip(compressed, MAX_ARCHIVE_BYTES)
        self.left_outside = MAX_OUTSIDE_BYTES
        self.left_to_next_member = MAX_HEADER_BYTES

    def start_member(self, size: int) -> None:
        self.left_outside += size
        self.left_to_next_member = size + MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left_outside -= len(data)
        self.left_to_next_member -= len(data)
        if min(self.left_outside, self.left_to_next_member) < 0:
            raise ValueError(f"more than {MAX_HEADER_BYTES} bytes outside its files")
        return data


class _StrictHeader(tarfile.TarInfo):
    """tarfile takes every damaged header but the first for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_StrictHeader":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the block of zeros that ends an archive
            raise
        except tarfile.HeaderError as error:
            raise ValueError(f"{error} at byte {archive.offset}") from error


def _members(unpacked: _Unpacked, path: Path) -> dict[str, bytes]:
    files = {}
    # The mode for pipes never seeks, so a header cannot lead to a place already read; and it reads single
    # blocks, so that nothing after the archive's end is lost in a buffer.
    with tarfile.open(  # type: ignore[call-overload]  # it needs only to read from it
        fileobj=unpacked, mode="r|", bufsize=tarfile.BLOCKSIZE, tarinfo=_StrictHeader
    ) as archive:
        for member in archive:
            folder, _, name = member.name.partition("/")
            if folder != ARCHIVE_FOLDER or ".." in name.split("/"):
                raise DatasetError(f"{path} is not CIFAR-10's archive: it has {quoted(member.name)}")
            if not 0 <= member.size <= MAX_MEMBER_BYTES:
                raise DatasetError(
                    f"{path}: {quoted(member.name)} has {quoted(str(member.size))} bytes and a CIFAR-10 "
                    f"batch has at most {MAX_MEMBER_BYTES}; refused"
                )
            unpacked.start_member(member.size)
            if not FILE_NAME.fullmatch(name):
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                raise DatasetError(f"{path}: {member.name} is not a regular file; refused")
            if name in files:
                raise DatasetError(f"{path} has {member.name} twice; refused")
            files[name] = archive.extractfile(member).read()
            if len(files[name]) != member.size:
                raise EOFError(f"{member.name} ends too early")
    # To the end, where gzip compares its checksum. What stands behind a zeroed header is found here.
    while rest := unpacked.read(1 << 16):
        if rest.strip(b"\0"):
            raise ValueError("something follows its end")
    return files
