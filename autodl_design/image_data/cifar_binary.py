"""Reads the binary version of CIFAR-10, data_batch_1.bin to test_batch.bin, and of CIFAR-100, train.bin and
test.bin.

    source = read(Path("cifar-10-batches-bin"), size=None)

A record is the label, of CIFAR-100 the coarse and the fine label, one byte each, and the image.
"""

import os
from pathlib import Path

import numpy as np

from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.batch import MAX_BATCH_BYTES
from autodl_design.image_data.cifar import cifar_source
from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.places import visible_names
from autodl_design.image_data.source import Source

PIXELS = 3 * 32 * 32
NAMES_OF = {1: "batches.meta.txt", 2: "fine_label_names.txt"}  # by the number of labels in a record
MAX_NAMES_BYTES = 2**20


def matches(path: Path, names: list[str]) -> bool:
    return bool(_batches(names)) or "train.bin" in names


def read(path: Path, size: int | None) -> Source:
    """Raises DatasetError."""
    names = visible_names(path)
    batches, test, num_labels = _batches(names), "test_batch.bin", 1
    if not batches:
        batches, test, num_labels = ["train.bin"], "test.bin", 2
    training = [_records(path / name, num_labels) for name in batches]
    held_out = [_records(path / test, num_labels)] if test in names else []
    return cifar_source(path, training, held_out, _class_names(path, num_labels), size)


def _batches(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("data_batch_") and name.endswith(".bin")]


def _records(path: Path, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    content = _content(path, MAX_BATCH_BYTES)
    if not content or len(content) % (num_labels + PIXELS):
        raise DatasetError(f"{path} is no binary CIFAR batch or is damaged: it has {len(content)} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, num_labels + PIXELS)
    return records[:, num_labels:], records[:, num_labels - 1].astype(np.int64)


def _class_names(path: Path, num_labels: int) -> tuple[str, ...] | None:
    names = path / NAMES_OF[num_labels]
    if not os.path.lexists(names):
        return None
    lines = _content(names, MAX_NAMES_BYTES).decode(errors="replace").split("\n")
    found = [line.strip() for line in lines if line.strip()]
    return check_class_names(found, len(found), names)


def _content(path: Path, most: int) -> bytes:
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise DatasetError(f"{path} has {size:,} bytes, more than {most:,}")
            return file.read(size)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
