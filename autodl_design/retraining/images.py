"""The images of a training, and the names of their classes.

images = load_images(RetrainConfig(data_path="cifar/pickle-cifar-10"))
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.image_data.batch import load_batch
from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.source import open_source
from autodl_design.image_data.subset import TEST_NAME, Subset, load_subset, load_test_images
from autodl_design.retraining.config import RetrainConfig, RetrainError

TEST_BATCH = "test_batch"
VALIDATION_SHARE = 10  # of all images of a directory, one in this many is held out


class Images(NamedTuple):
    subset: Subset
    test: tuple[np.ndarray, np.ndarray] | None
    class_names: tuple[str, ...]


def load_images(config: RetrainConfig) -> Images:
    """The test images are read here, before the training, since a damaged file would cost all of it later.

    Raises DatasetError, or RetrainError where --classes or --input_dir cannot be used.
    """
    if config.input_dir:
        subset = _all_images(config.input_dir, config.image_size, config.seed)
        path = Path(config.input_dir, TEST_BATCH)
        test = load_batch(path) if os.path.lexists(path) else None
    else:
        subset = load_subset(config.data_path, config.chunk_size)
        path, test = Path(config.data_path, TEST_NAME), load_test_images(config.data_path)
    if test:
        _check_test_images(path, *test, subset)
    names = subset.class_names if config.classes is None else _names(config.classes, subset.num_classes)
    return Images(subset, test, names)


def _all_images(input_dir: str, size: int | None, seed: int) -> Subset:
    """Nine tenths of the images to train on and the others to validate on."""
    source = open_source(Path(input_dir), size)
    images, labels = source.all_images(), source.labels
    order = np.random.default_rng(seed).permutation(len(images))
    held_out, train = np.split(order, [len(order) // VALIDATION_SHARE])
    if not len(held_out):
        raise RetrainError(f"--input_dir={input_dir} has {len(images)} images, which are too few")
    return Subset(images[train], labels[train], images[held_out], labels[held_out], source.class_names)


def _check_test_images(path: Path, images: np.ndarray, labels: np.ndarray, subset: Subset) -> None:
    """Raises DatasetError where they are not of the subset's size and classes."""
    if images.shape[1] != subset.train_images.shape[1]:
        raise DatasetError(f"{path} holds images of another size than the batches beside it")
    if labels.max() >= subset.num_classes:
        raise DatasetError(f"{path}: a label lies outside 0 to {subset.num_classes - 1}")


def _names(classes: str, num_classes: int) -> tuple[str, ...]:
    names = [name.strip() for name in _decoded(classes).split(",")]
    return check_class_names(names, num_classes, "--classes")


def _decoded(text: str) -> str:
    """A flag's text as Unicode, which Python's does not hold where LC_ALL is C and the text not ASCII."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(text).decode()
    except UnicodeDecodeError as error:
        raise RetrainError("--classes is not UTF-8") from error
