"""Reads images in NumPy's .npz: `x` and `y`, or x_train, y_train and x_test, y_test as Keras calls them.

source = read(Path("mnist.npz"), size=None)
"""

import math
import os
import struct
import zipfile
from pathlib import Path

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.arrays import MAX_ARRAY_BYTES, arrays_source
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.places import shown
from autodl_design.image_data.source import TEST, TRAIN, VALIDATION, Source

NAMES = {
    TRAIN: (("x_train", "y_train"), ("x", "y")),
    VALIDATION: (("x_val", "y_val"),),
    TEST: (("x_test", "y_test"),),
}
MAX_FILE_BYTES = 2**31
MAX_DIRECTORY_BYTES = 2**20  # of the zip file's list of its members
END = struct.Struct("<4s8xI6x")  # of a zip file: its sign, and the length of the list
END_OF_LARGE = b"PK\x06\x07"


def matches(path: Path, names: list[str]) -> bool:
    return path.suffix.lower() == ".npz" and not path.is_dir()


def read(path: Path, size: int | None) -> Source:
    """Nothing in the file is executed. Raises DatasetError."""
    try:
        file = open_regular(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        try:
            _check_list(file)
            with zipfile.ZipFile(file) as members:
                of_parts = _arrays(members, path)
        except (DatasetError, MemoryError):
            raise
        except Exception as error:  # what a damaged file may raise is up to NumPy, zipfile and zlib
            raise DatasetError(f"{path} is no .npz file or is damaged ({quoted(str(error))})") from error
    return arrays_source(path, of_parts, size)


def _check_list(file) -> None:
    """zipfile reads all of the list of members, however long it says that it is. Raises ValueError."""
    size = os.fstat(file.fileno()).st_size
    if not 42 <= size <= MAX_FILE_BYTES:
        raise ValueError(f"it has {size:,} bytes")
    file.seek(-42, os.SEEK_END)
    tail = file.read(42)
    sign, length = END.unpack(tail[20:])
    if sign != b"PK\x05\x06" or tail.startswith(END_OF_LARGE) or length > MAX_DIRECTORY_BYTES:
        raise ValueError("its list of arrays is of an unusual kind")


def _arrays(members: zipfile.ZipFile, path: Path) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    found = {name.removesuffix(".npy") for name in members.namelist()}
    of_parts = {}
    for part, pairs in NAMES.items():
        for x, y in pairs:
            if x in found and y in found:
                of_parts[part] = _array(members, x, "u"), _array(members, y, "iu")
                break
    if TRAIN not in of_parts:
        raise DatasetError(
            f"{path} holds {shown(sorted(found), 5) or 'nothing'}, not x and y nor x_train and y_train"
        )
    return of_parts


def _array(members: zipfile.ZipFile, name: str, kinds: str) -> np.ndarray:
    """Raises ValueError before it reads an array that is too large or would be a pickle."""
    info = members.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in an unusual way")
    with members.open(info) as file:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(file)]
        try:
            shape, is_fortran, dtype = read_header(file)
        except MemoryError as error:  # what Python's parser raises for what is nested too deeply
            raise ValueError(f"{name} is damaged") from error
        if dtype.kind not in kinds or dtype.hasobject:
            raise ValueError(f"{name} is {dtype}, and images are uint8 and labels whole numbers")
        size = math.prod(shape) * dtype.itemsize
        if not 0 <= size <= MAX_ARRAY_BYTES:
            raise ValueError(f"{name} has more than {MAX_ARRAY_BYTES:,} bytes")
        content = file.read(size + 1)  # one more: the end, where zipfile compares the checksum
    return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
