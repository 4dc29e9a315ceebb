"""Reads one batch of images in the format of CIFAR-10 and CIFAR-100.

A batch is a pickled dict: b'data' uint8 [n, 3 * S * S], of images of S x S pixels, and b'labels', n
integers (b'fine_labels' in CIFAR-100). Further entries are ignored. Tools that save batches anew write keys
that are texts, labels [n, 1], and images [n, 3, S, S] or [n, S, S, 3]; these are read as well.
"""

import math
import os
from typing import Any

import numpy as np

from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.batch_pickle import BatchPickleError, read_pickle
from autodl_design.image_data.errors import DatasetError

MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 8, 224  # pixels a side
MIN_CLASSES, MAX_CLASSES = 2, 1000
MAX_BATCH_BYTES = 2**30  # CIFAR-10's own batches have 31 MB


def load_batch(path: str | os.PathLike, num_classes: int = MAX_CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch -> images uint8 [n, 3 * S * S] (the red plane, then green, then blue, each row by
    row), labels int64 [n], less than num_classes.

    Nothing in the file is executed, whatever it says. For any file, time is linear in its size, and memory
    below 3 times its size + 64 MB. Raises DatasetError naming the file where it cannot be read or does not
    hold what it should.
    """
    return _images_and_labels(load_pickle(path), path, num_classes)


def parse_batch(
    content: bytes, origin: str, num_classes: int = MAX_CLASSES
) -> tuple[np.ndarray, np.ndarray]:
    """`load_batch` for a file's content; `origin` names it in a DatasetError."""
    return _images_and_labels(parse_pickle(content, origin), origin, num_classes)


def parse_pickle(content: bytes, origin: str | os.PathLike) -> Any:
    """What `batch_pickle.read_pickle` returns. Raises DatasetError."""
    try:
        return read_pickle(content)
    except BatchPickleError as error:
        raise DatasetError(f"{origin} is not a CIFAR-10 batch or is damaged: it {error}") from error


def load_pickle(path: str | os.PathLike) -> Any:
    """`parse_pickle` for a file. Its content is out of memory at the end, before images are copied."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BATCH_BYTES:
                raise DatasetError(f"{path} is not a CIFAR-10 batch: it has {size} bytes")
            content = file.read(size)  # and no more: some files in /proc never end
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    return parse_pickle(content, path)


def image_size(row_length: int) -> int:
    """Pixels a side of images that take `row_length` bytes each; 0 if no image does."""
    size = math.isqrt(row_length // 3)
    fits = 3 * size**2 == row_length and MIN_IMAGE_SIZE <= size <= MAX_IMAGE_SIZE
    return size if fits else 0


def _images_and_labels(
    batch: Any, origin: str | os.PathLike, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    key, labels = _entry(batch, b"labels", b"fine_labels")
    _, images = _entry(batch, b"data")
    if images is None or labels is None:
        raise DatasetError(f"{origin} is not a CIFAR-10 batch: no dict with b'data' and b'labels'")
    is_array = type(images) is np.ndarray
    if is_array and images.ndim == 4:
        images = _rows(images)
    if not is_array or images.dtype != np.uint8 or images.ndim != 2 or not image_size(images.shape[1]):
        found = f"{images.dtype} {list(images.shape)}" if is_array else type(images).__name__
        raise DatasetError(
            f"{origin}: b'data' is {found}, not uint8 [n, 3 * S * S] of images of S x S pixels, S from "
            f"{MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}"
        )
    if len(images) == 0:
        raise DatasetError(f"{origin} holds no images")
    if type(labels) is np.ndarray and labels.shape == (len(images), 1):
        labels = labels[:, 0]
    is_list = type(labels) is list and all(type(label) is int for label in labels)
    if not (is_list and len(labels) == len(images)) and not (
        type(labels) is np.ndarray and labels.shape == (len(images),)
    ):
        raise DatasetError(f"{origin}: {key!r} is not an array or list of {len(images)} integers")
    if min(labels) < 0 or max(labels) >= num_classes:
        raise DatasetError(f"{origin}: a label lies outside 0 to {num_classes - 1}")
    return np.array(images, order="C"), np.array(labels, np.int64)


def _entry(batch: Any, *keys: bytes) -> tuple[bytes, Any]:
    """The first of these entries that is there, by its key as bytes or as a text; else the first key and
    None."""
    for key in keys if type(batch) is dict else ():
        for form in (key, key.decode()):
            if form in batch:
                return key, batch[form]
    return keys[0], None


def _rows(images: np.ndarray) -> np.ndarray:
    """[n, 3 * S * S] of images [n, 3, S, S] or [n, S, S, 3]; others as they are."""
    n, a, b, c = images.shape
    if a == b and c == 3 != a:
        images = images.transpose(0, 3, 1, 2)
    elif not (a == 3 and b == c):
        return images
    return images.reshape(n, 3 * b * b) if n else images
