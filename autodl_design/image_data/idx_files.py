"""Reads images in IDX files, plain or packed by gzip, as MNIST and its relatives come:

train-images-idx3-ubyte.gz  train-labels-idx1-ubyte.gz  t10k-images-idx3-ubyte.gz  t10k-labels-idx1-ubyte.gz

source = read(Path("mnist"), size=None)    # the directory of these files
"""

import math
import re
import struct
from pathlib import Path

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.arrays import MAX_ARRAY_BYTES, arrays_source
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.gunzip import Gunzip
from autodl_design.image_data.places import shown, visible_names
from autodl_design.image_data.source import TEST, TRAIN, Source

NAME = re.compile(r"(?:.*-)?(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(?:\.gz)?")
PARTS = {"train": TRAIN, "t10k": TEST, "test": TEST}
BYTES = 8  # IDX's word for uint8


def matches(path: Path, names: list[str]) -> bool:
    return any(NAME.fullmatch(name) for name in names)


def read(path: Path, size: int | None) -> Source:
    """Raises DatasetError where a file is missing, damaged, or not the only one of its kind."""
    files: dict[tuple[int, str], str] = {}
    for name in visible_names(path):
        if match := NAME.fullmatch(name):
            key = PARTS[match[1]], match[2]
            if key in files and name.removesuffix(".gz") != files[key].removesuffix(".gz"):
                raise DatasetError(f"{path} holds two data sets: {shown([files[key], name])}")
            files.setdefault(key, name)  # the plain one of two, which comes first
    of_parts = {}
    for part in (TRAIN, TEST):
        images, labels = files.get((part, "images")), files.get((part, "labels"))
        if images and labels:
            of_parts[part] = read_idx(path / images, 3), read_idx(path / labels, 1)
        elif images or labels or part == TRAIN:
            raise DatasetError(
                f"{path} holds {shown(sorted(files.values()))}: images or labels are missing"
            )
    return arrays_source(path, of_parts, size)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """uint8, of so many dimensions. Raises DatasetError."""
    try:
        with open_regular(path) as file:
            content = Gunzip(file, 2 * MAX_ARRAY_BYTES) if path.suffix == ".gz" else file
            zeros, kind, found = struct.unpack(">HBB", content.read(4))
            if (zeros, kind, found) != (0, BYTES, dimensions):
                raise ValueError("it does not begin as such")
            shape = struct.unpack(f">{dimensions}I", content.read(4 * dimensions))
            size = math.prod(shape)
            if size > MAX_ARRAY_BYTES:
                raise ValueError(f"it says that it has {size:,} bytes, more than {MAX_ARRAY_BYTES:,}")
            data = content.read(size)
            if len(data) != size or content.read(1):
                raise ValueError("its length is not what it says")
            return np.frombuffer(data, np.uint8).reshape(shape)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except MemoryError:
        raise
    except Exception as error:  # what a damaged file may raise is up to struct and zlib too
        raise DatasetError(f"{path} is no IDX file or is damaged ({quoted(str(error))})") from error
