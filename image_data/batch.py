"""Reads one batch of images in CIFAR-10's format.

A batch is a pickled dict: b'data' uint8 [n, 3072] and b'labels', n integers. Further entries are ignored.
"""

import os
from typing import Any

import numpy as np

from checked_io.regular_files import open_regular
from image_data.batch_pickle import BatchPickleError, read_pickle
from image_data.errors import DatasetError

NUM_CLASSES = 10
IMAGE_BYTES = 3 * 32 * 32  # the red plane, then green, then blue, each row by row
MAX_BATCH_BYTES = 2**30  # CIFAR-10's own batches have 31 MB


def load_batch(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch in CIFAR-10's format -> images uint8 [n, 3072], labels int64 [n].

    Nothing in the file is executed, whatever it says. For any file, time is linear in its size, and memory
    below 3 times its size + 64 MB. Raises DatasetError naming the file where it cannot be read or does not
    hold what it should.
    """
    return _images_and_labels(_read(path), path)


def parse_batch(content: bytes, origin: str) -> tuple[np.ndarray, np.ndarray]:
    """`load_batch` for a file's content; `origin` names it in a DatasetError."""
    return _images_and_labels(parse_pickle(content, origin), origin)


def parse_pickle(content: bytes, origin: str | os.PathLike) -> Any:
    """What `batch_pickle.read_pickle` returns. Raises DatasetError."""
    try:
        return read_pickle(content)
    except BatchPickleError as error:
        raise DatasetError(f"{origin} is not a CIFAR-10 batch or is damaged: it {error}") from error


def _read(path: str | os.PathLike) -> Any:
    """The parsed file. Its content is out of memory by then, before the images are copied."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BATCH_BYTES:
                raise DatasetError(f"{path} is not a CIFAR-10 batch: it has {size} bytes")
            content = file.read(size)  # and no more: some files in /proc never end
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    return parse_pickle(content, path)


def _images_and_labels(batch: Any, origin: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    if type(batch) is not dict or b"data" not in batch or b"labels" not in batch:
        raise DatasetError(f"{origin} is not a CIFAR-10 batch: no dict with b'data' and b'labels'")
    images, labels = batch[b"data"], batch[b"labels"]
    if type(images) is not np.ndarray or images.dtype != np.uint8 or images.shape[1:] != (IMAGE_BYTES,):
        is_array = type(images) is np.ndarray
        found = f"{images.dtype} {list(images.shape)}" if is_array else type(images).__name__
        raise DatasetError(f"{origin}: b'data' is {found}, not uint8 [n, {IMAGE_BYTES}]")
    if len(images) == 0:
        raise DatasetError(f"{origin} holds no images")
    is_list = type(labels) is list and all(type(label) is int for label in labels)
    if not (is_list and len(labels) == len(images)) and not (
        type(labels) is np.ndarray and labels.shape == (len(images),)
    ):
        raise DatasetError(f"{origin}: b'labels' is not an array or list of {len(images)} integers")
    if min(labels) < 0 or max(labels) >= NUM_CLASSES:
        raise DatasetError(f"{origin}: a label lies outside 0 to {NUM_CLASSES - 1}")
    return np.array(images, order="C"), np.array(labels, np.int64)
