"""Which images to train on, to validate on and to test on: `split` decides it for all images of a source.

    subset, test = load_split("shapes", size=48, seed=0)

dataset_maker.py and retrain.py split alike: the same images and seed give the same parts.
"""

import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.picture import PictureError
from autodl_design.image_data.places import user_path
from autodl_design.image_data.readers import open_source
from autodl_design.image_data.source import TEST, TRAIN, VALIDATION, Source
from autodl_design.image_data.subset import Subset

SHARE = 10  # of each class, one image in this many is for validation
LEAST = 2  # but at least this many
MAX_BYTES = 2 * 10**9  # of pixels; as floats, which trainers hold, they take four times as much
MAX_COUNT = 2_000_000  # images
SKIP = "dataset_maker.py --skip_bad"
MAX_SHOWN = 5  # pictures that cannot be read, in a message


class Split(NamedTuple):
    """Indices of images."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class UsableImages:
    """Goes through images and leaves out copies of earlier ones and pictures that cannot be read."""

    def __init__(self, source: Source):
        self.source = source
        self.seen: set[bytes] = set()
        self.copies = 0
        self.unreadable: list[str] = []  # what is wrong with each

    def among(self, indices: Iterable[int], keep_copies: bool = False) -> Iterator[int]:
        for index in indices:
            try:
                image = self.source.images[index]
            except PictureError as error:
                self.unreadable.append(str(error))
                continue
            key = blake2b(image.tobytes(), digest_size=16).digest()
            if key in self.seen and not keep_copies:
                self.copies += 1
                continue
            self.seen.add(key)
            yield index

    def check(self, skip_bad: bool) -> None:
        """Raises DatasetError, which names the pictures that cannot be read, unless they may be skipped."""
        if not self.unreadable or skip_bad:
            return
        count, first = len(self.unreadable), "; ".join(self.unreadable[:MAX_SHOWN])
        if count == 1:
            raise DatasetError(f"{first}; mend or remove it, or leave it out by {SKIP}")
        more = f"; and {count - MAX_SHOWN:,} more" if count > MAX_SHOWN else ""
        raise DatasetError(
            f"{count:,} pictures cannot be read: {first}{more}; mend or remove them, or leave them out by "
            f"{SKIP}"
        )


def split(
    source: Source,
    seed: int,
    validation_per_class: int = 0,
    test_per_class: int = 0,
    skip_bad: bool = False,
) -> tuple[Split, UsableImages]:
    """All images, each once: no copy of one is in another part, or twice in the training images.

    Where the source has no validation images of its own, they are validation_per_class of each class, or by
    default a tenth, at least two. Also returns what was left out. Raises DatasetError where a class has too
    few images or, without skip_bad, where pictures cannot be read.
    """
    check_size(len(source.labels), source.image_size)
    rng = np.random.RandomState(seed)  # its numbers are the same in every version of NumPy
    images = UsableImages(source)
    test = [np.array([*images.among(source.of_part(TEST), keep_copies=True)], np.int64)]
    validation = [np.array([*images.among(source.of_part(VALIDATION), keep_copies=True)], np.int64)]
    has_validation = len(validation[0]) > 0
    train, too_few = [], {}
    for label, name in enumerate(source.class_names):
        of_class = source.of_part(TRAIN)[source.labels[source.of_part(TRAIN)] == label]
        usable = np.array([*images.among(rng.permutation(of_class))], np.int64)
        held_out = 0 if has_validation else validation_per_class or max(LEAST, (len(usable) + 5) // SHARE)
        if len(usable) <= held_out + test_per_class:
            too_few[name] = len(usable), held_out + test_per_class + 1
        validation.append(usable[:held_out])
        test.append(usable[held_out : held_out + test_per_class])
        train.append(usable[held_out + test_per_class :])
    images.check(skip_bad)
    if too_few:
        raise _too_few(too_few)
    return Split(*(rng.permutation(np.concatenate(parts)) for parts in (train, validation, test))), images


def _too_few(classes: dict[str, tuple[int, int]]) -> DatasetError:
    name, (count, needed) = next(iter(classes.items()))
    others = f", and {len(classes) - 1} more classes have too few" if len(classes) > 1 else ""
    return DatasetError(
        f"class {name} has {count} distinct images and {needed} are needed, to train and validate{others}; "
        "add images, or remove the class"
    )


def check_size(count: int, size: int) -> None:
    """Raises DatasetError, before they are read, where so many images take too much memory."""
    total = count * 3 * size**2
    if count > MAX_COUNT:
        raise DatasetError(
            f"{count:,} images are more than {MAX_COUNT:,}: draw some of them by dataset_maker.py "
            "--per_class"
        )
    if total > MAX_BYTES:
        raise DatasetError(
            f"{count:,} images of {size} x {size} pixels take {total / 1e9:.1f} GB, more than "
            f"{MAX_BYTES / 1e9:.0f} GB: lower --image_size, or draw fewer by dataset_maker.py --per_class"
        )


def load_split(
    input_dir: str | os.PathLike, size: int | None, seed: int
) -> tuple[Subset, tuple[np.ndarray, np.ndarray] | None]:
    """All images of a directory or file to train and to validate on, and those for the test, images and
    labels, where it has such. Raises DatasetError."""
    source = open_source(user_path(input_dir), size)
    indices, _ = split(source, seed)
    train, validation, test = ((source.stack(part), source.labels[part]) for part in indices)
    return Subset(*train, *validation, source.class_names, source.mirror), test if len(
        indices.test
    ) else None
