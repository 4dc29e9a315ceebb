"""The names of the classes, which stand beside the batches: in batches.meta, or in CIFAR-100's meta.

names = load_class_names("cifar/cifar-10-batches-py")    # ("airplane", "automobile", ...)
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.batch import MAX_CLASSES, MIN_CLASSES, load_pickle
from autodl_design.image_data.errors import DatasetError

META_NAME = "batches.meta"
MAX_NAME = 255  # characters, as many as a folder's name may have
KEYS = {META_NAME: b"label_names", "meta": b"fine_label_names"}


def load_class_names(directory: str | os.PathLike) -> tuple[str, ...] | None:
    """The names in the order of the labels, None where the directory has no file of them. Raises
    DatasetError where that file cannot be used."""
    for file_name, key in KEYS.items():
        path = Path(directory, file_name)
        if os.path.lexists(path):
            content = load_pickle(path)
            names = content.get(key, content.get(key.decode())) if type(content) is dict else None
            if type(names) is not list:
                raise DatasetError(f"{path} has no list {key!r} of the names of the classes")
            return check_class_names(names, len(names), path)
    return None


def numbered_classes(labels: np.ndarray, origin: str | os.PathLike) -> tuple[str, ...]:
    """Names for the classes from 0 to the largest label."""
    num_classes = int(labels.max()) + 1
    return check_class_names(tuple(map(str, range(num_classes))), num_classes, origin)


def check_class_names(names: Sequence[Any], num_classes: int, origin: str | os.PathLike) -> tuple[str, ...]:
    """The names, of which some may be UTF-8 as bytes, as a tuple of texts. Raises DatasetError where they
    cannot be the classes'; `origin` says whose they are."""
    if not MIN_CLASSES <= num_classes <= MAX_CLASSES:
        raise DatasetError(
            f"{origin}: there must be {MIN_CLASSES} to {MAX_CLASSES:,} classes, not {num_classes:,}"
        )
    if len(names) != num_classes:
        raise DatasetError(f"{origin} has {len(names)} names, and there are {num_classes} classes")
    texts = tuple(_text(name, origin) for name in names)
    if len(set(texts)) < len(texts):
        raise DatasetError(f"{origin} names two classes alike")
    return texts


def _text(name: Any, origin: str | os.PathLike) -> str:
    """Shows no name but a text: what a small file makes of lists in lists may have any size and depth."""
    if type(name) not in (str, bytes):
        raise DatasetError(
            f"{origin}: something of type {type(name).__name__} cannot be the name of a class"
        )
    if len(name) > MAX_NAME:
        raise DatasetError(
            f"{origin}: the name of a class has {len(name):,} characters, more than {MAX_NAME}"
        )
    text = name.decode(errors="replace") if type(name) is bytes else name
    if not text.isprintable() or not text.strip():
        raise DatasetError(f"{origin}: {quoted(repr(text))} cannot be the name of a class")
    return text
