"""The subset of images on which child networks are trained, as dataset_maker.py writes it.

    subset = load_subset("cifar/pickle-cifar-10", chunk_size=100)
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from image_data.batch import load_batch
from image_data.errors import DatasetError

NUM_CHUNKS = 10
CHUNK_NAMES = tuple(f"data_batch_{k}.pkl" for k in range(NUM_CHUNKS))
VALIDATION_NAME = "validation.pkl"


class Subset(NamedTuple):
    """Images as uint8 [n, 3072] in CIFAR-10's order, labels as int64 [n]."""

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray

    def sha256(self) -> str:
        """Tells one subset from another."""
        return hashlib.sha256(b"".join(array.tobytes() for array in self)).hexdigest()


def load_subset(data_path: str | os.PathLike, chunk_size: int) -> Subset:
    """Read what `python dataset_maker.py` wrote to the directory `data_path`.

    Chunks 0 to 8 are the training images. The validation images are those of validation.pkl or,
    where there is none, of chunk 9. Raises DatasetError where a file is missing or malformed, or
    where a chunk does not hold `chunk_size` images.
    """
    directory = Path(data_path)
    chunks = []
    for name in CHUNK_NAMES:
        path = directory / name
        if not os.path.lexists(path):
            raise DatasetError(f"{path} is missing: run `python dataset_maker.py`")
        images, labels = load_batch(path)
        if len(images) != chunk_size:
            raise DatasetError(
                f"{path} holds {len(images)} images and not the chunk size {chunk_size}: "
                f"run `python dataset_maker.py --chunk_size={chunk_size}`"
            )
        chunks.append((images, labels))
    *train, validation = chunks
    held_out = directory / VALIDATION_NAME
    if os.path.lexists(held_out):
        validation = load_batch(held_out)
    train_images, train_labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return Subset(train_images, train_labels, *validation)
