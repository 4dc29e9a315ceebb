"""The images of a training, and the names of their classes.

images = load_images(RetrainSettings(), read_architecture("log/best.json").images)
"""

import dataclasses
import os
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.split import load_split
from autodl_design.image_data.subset import DEFAULT_PATH, TEST_NAME, Subset, load_subset, load_test_images
from autodl_design.retraining.settings import RetrainError, RetrainSettings
from autodl_design.search_space.image_origin import ImageOrigin, named


class Images(NamedTuple):
    subset: Subset
    test: tuple[np.ndarray, np.ndarray] | None
    origin: ImageOrigin  # with the names that the classes have in this training


def load_images(config: RetrainSettings, before: ImageOrigin | None) -> Images:
    """before: the images of the search, or of the training that goes on, which are taken where the
    configuration names none.

    The test images are read here, before the training, since a damaged file would cost all of it later.

    Raises DatasetError, or RetrainError where --classes or --input_dir cannot be used or the images of
    before are not there.
    """
    flag, path = _place(config, before)
    if flag == "input_dir":
        test_path = Path(path)
        subset, test = load_split(path, config.image_size, config.seed)
    else:
        subset = load_subset(path, config.chunk_size)
        test_path, test = Path(path, TEST_NAME), load_test_images(path)
    if test:
        _check_test_images(test_path, *test, subset)
    names = subset.class_names if config.classes is None else _names(config.classes, subset.num_classes)
    origin = dataclasses.replace(ImageOrigin.of(flag, path, subset), class_names=names)
    return Images(subset, test, origin)


def check_same(config: RetrainSettings, before: ImageOrigin | None, images: Images) -> None:
    """Raises RetrainError where other images than those of the search would be taken though the
    configuration does not name them."""
    if before is None or before.sha256 == images.origin.sha256:
        return
    if not config.input_dir and not config.data_path:
        path = images.origin.path
        raise RetrainError(
            f"{path} no longer holds the images of the search ({named(before.class_names)}): to train on "
            f"those that are there ({named(images.origin.class_names)}) say "
            f"--{before.flag}={shlex.quote(path)}"
        )
    print(f"not the images of the search, which had {named(before.class_names)}")


def _place(config: RetrainSettings, before: ImageOrigin | None) -> tuple[str, str]:
    """Flag and path. Raises RetrainError."""
    if config.input_dir:
        return "input_dir", config.input_dir
    if config.data_path:
        return "data_path", config.data_path
    try:
        return (before.flag, before.find()) if before else ("data_path", DEFAULT_PATH)
    except FileNotFoundError as error:
        raise RetrainError(str(error)) from error


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
