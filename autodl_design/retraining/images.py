"""The images of a training, and the names of their classes.

images = load_images(RetrainConfig(data_path="cifar/pickle-cifar-10"))
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.split import load_split
from autodl_design.image_data.subset import TEST_NAME, Subset, load_subset, load_test_images
from autodl_design.retraining.config import RetrainConfig, RetrainError


class Images(NamedTuple):
    subset: Subset
    test: tuple[np.ndarray, np.ndarray] | None
    class_names: tuple[str, ...]


def load_images(config: RetrainConfig) -> Images:
    """The test images are read here, before the training, since a damaged file would cost all of it later.

    Raises DatasetError, or RetrainError where --classes or --input_dir cannot be used.
    """
    if config.input_dir:
        path = Path(config.input_dir)
        subset, test = load_split(config.input_dir, config.image_size, config.seed)
    else:
        subset = load_subset(config.data_path, config.chunk_size)
        path, test = Path(config.data_path, TEST_NAME), load_test_images(config.data_path)
    if test:
        _check_test_images(path, *test, subset)
    names = subset.class_names if config.classes is None else _names(config.classes, subset.num_classes)
    return Images(subset, test, names)


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
