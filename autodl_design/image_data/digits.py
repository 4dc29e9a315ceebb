"""scikit-learn's handwritten digits as images in CIFAR-10's form, for machines without CIFAR-10."""

import numpy as np

from autodl_design.image_data.source import Source, parts


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 digits -> images uint8 [1797, 3072], labels int64 [1797].

    The 8x8 grey values 0..16 become 32x32 pixels 0..255, the same in all three colours.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # [n, 8, 8]
    grey = grey.repeat(4, axis=1).repeat(4, axis=2)  # [n, 32, 32]
    images = np.stack([grey] * 3, axis=1).reshape(len(grey), -1)
    return images, digits.target.astype(np.int64)


def digits_source() -> Source:
    images, labels = load_digits()
    names = tuple("0123456789")
    return Source(
        "digits", "scikit-learn's digits", images, labels, parts(len(images)), names, 32, mirror=False
    )
