"""Images with labels and names of classes, whatever they come from; readers.py opens them."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

TRAIN, VALIDATION, TEST = range(3)  # parts of a data set


class Rows(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class Source:
    """kind: "cifar", "digits", "pictures" or "arrays". origin: as a message calls it.

    images: uint8 [3 * image_size**2] each, in CIFAR-10's order; a picture is read when it is asked for, and
    raises PictureError where it cannot be.
    labels: int64 [n]. part: uint8 [n], for what the data set itself says that each image is.
    mirror: whether a mirrored image is still one of its class; letters and digits are not.
    remarks: what was found beside the images, for the user.
    """

    kind: str
    origin: str
    images: Rows
    labels: np.ndarray
    part: np.ndarray
    class_names: tuple[str, ...]
    image_size: int  # pixels a side
    mirror: bool = True
    remarks: tuple[str, ...] = ()

    def of_part(self, part: int) -> np.ndarray:
        """The indices of its images."""
        return np.flatnonzero(self.part == part)

    def stack(self, indices: np.ndarray) -> np.ndarray:
        """uint8 [n, 3 * image_size**2]"""
        rows = [self.images[index] for index in indices]
        return np.stack(rows) if rows else np.empty((0, 3 * self.image_size**2), np.uint8)


def parts(train: int, validation: int = 0, test: int = 0) -> np.ndarray:
    """`Source.part` of so many images in this order."""
    return np.repeat(np.array([TRAIN, VALIDATION, TEST], np.uint8), [train, validation, test])


def is_alphabet(class_names: Sequence[str]) -> bool:
    """Whether each class is called by one letter or digit, so that its images are probably characters."""
    return all(len(name) == 1 and name.isalnum() for name in class_names)
