"""scikit-learn's handwritten digits as images in CIFAR-10's form, for machines without CIFAR-10."""

import numpy as np

from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.source import Source, parts

OWN_SIZE = 8  # pixels a side, as scikit-learn has them


def load_digits(size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 digits -> images uint8 [1797, 3 * size**2], labels int64 [1797].

    The 8x8 grey values 0..16 become squares of pixels 0..255, the same in all three colours. Raises
    DatasetError where squares of one size do not fill the image.
    """
    if size % OWN_SIZE:
        raise DatasetError(f"--image_size={size}: of the digits it must be a multiple of {OWN_SIZE}")
    from sklearn import datasets

    digits = datasets.load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # [n, 8, 8]
    grey = grey.repeat(size // OWN_SIZE, axis=1).repeat(size // OWN_SIZE, axis=2)  # [n, size, size]
    images = np.stack([grey] * 3, axis=1).reshape(len(grey), -1)
    return images, digits.target.astype(np.int64)


def digits_source(size: int | None = None) -> Source:
    """size: pixels a side, by default those of CIFAR-10. Raises DatasetError."""
    size = size or 32
    images, labels = load_digits(size)
    names = tuple("0123456789")
    return Source(
        "digits", "scikit-learn's digits", images, labels, parts(len(images)), names, size, mirror=False
    )
