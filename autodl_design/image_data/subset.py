"""The subset of images on which child networks are trained, as dataset_maker.py writes it.

    subset = load_subset("cifar/pickle-cifar-10")

Its test images are read apart from it, so that no search sees them: `load_test_images`.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.image_data.batch import MAX_CLASSES, image_size, load_batch
from autodl_design.image_data.class_names import load_class_names, numbered_classes
from autodl_design.image_data.errors import DatasetError

NUM_CHUNKS = 10
CHUNK_NAMES = tuple(f"data_batch_{k}.pkl" for k in range(NUM_CHUNKS))
VALIDATION_NAME = "validation.pkl"
TEST_NAME = "test.pkl"


class Subset(NamedTuple):
    """Images of S x S pixels as uint8 [n, 3 * S * S] in CIFAR-10's order, labels as int64 [n]."""

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_size(self) -> int:
        """S, pixels a side."""
        return image_size(self.train_images.shape[1])

    def sha256(self) -> str:
        """Tells the images and labels of one subset from those of another."""
        *arrays, _ = self
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def load_subset(data_path: str | os.PathLike, chunk_size: int | None = None) -> Subset:
    """Read what `python dataset_maker.py` wrote to the directory `data_path`.

    Chunks 0 to 8 are the training images. The validation images are those of validation.pkl or,
    where there is none, of chunk 9. Classes without names are called by their numbers. Raises DatasetError
    where a file is missing or malformed, or where a chunk does not hold as many images as the first one,
    or as `chunk_size` says.
    """
    directory = Path(data_path)
    names = load_class_names(directory)
    batches = {}
    for name in CHUNK_NAMES:
        path = directory / name
        if not os.path.lexists(path):
            raise DatasetError(f"{path} is missing: run `python dataset_maker.py`")
        batches[path] = images, _ = load_batch(path, len(names) if names else MAX_CLASSES)
        if chunk_size is None:
            chunk_size = len(images)
        if len(images) != chunk_size:
            raise DatasetError(
                f"{path} holds {len(images)} images and not the chunk size {chunk_size}: "
                f"run `python dataset_maker.py --chunk_size={chunk_size}`"
            )
    held_out = directory / VALIDATION_NAME
    if os.path.lexists(held_out):
        batches[held_out] = load_batch(held_out, len(names) if names else MAX_CLASSES)
    (first, (images, _)), *others = batches.items()
    for path, (other_images, _) in others:
        if other_images.shape[1] != images.shape[1]:
            raise DatasetError(f"{path} holds images of another size than {first}")
    if names is None:
        names = numbered_classes(np.concatenate([labels for _, labels in batches.values()]), directory)
    *train, validation = list(batches.values())[:NUM_CHUNKS]
    train_images, train_labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return Subset(train_images, train_labels, *batches.get(held_out, validation), names)


def load_test_images(data_path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray] | None:
    """Images uint8 [n, 3 * S * S] and labels int64 [n] of test.pkl, or None where there is no such file.

    They are for measuring what a search or a training ended with, and for no choice. Raises DatasetError
    where the file is malformed.
    """
    path = Path(data_path, TEST_NAME)
    if not os.path.lexists(path):
        return None
    names = load_class_names(path.parent)
    return load_batch(path, len(names) if names else MAX_CLASSES)
