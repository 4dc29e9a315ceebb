"""Images that come as arrays of any layout, with numbers as labels: what .npz and IDX files hold.

source = arrays_source("x.npz", {TRAIN: (images, labels)}, size=None)
"""

import math
import os

import numpy as np
from PIL import Image

from autodl_design.image_data.batch import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, image_size
from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.pictures import DEFAULT_SIZE
from autodl_design.image_data.places import shown
from autodl_design.image_data.source import TEST, TRAIN, VALIDATION, Source, parts

MAX_ARRAY_BYTES = 2**29
DIGITS_SHAPE = (28, 28, 1)  # MNIST and its relatives, which are characters


class ArrayImages:
    """Rows of CIFAR-10's form of images uint8 [n, H, W, 1 or 3], each scaled when it is asked for."""

    def __init__(self, arrays: list[np.ndarray], size: int):
        self.arrays, self.size = arrays, size
        self.starts = np.cumsum([0, *map(len, arrays)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> np.ndarray:
        which = int(np.searchsorted(self.starts, index, side="right")) - 1
        pixels = np.broadcast_to(
            image := self.arrays[which][index - self.starts[which]], (*image.shape[:2], 3)
        )
        if pixels.shape[:2] != (self.size, self.size):
            picture = Image.fromarray(np.ascontiguousarray(pixels))
            pixels = np.asarray(picture.resize((self.size, self.size), Image.Resampling.BOX))
        return pixels.transpose(2, 0, 1).ravel()


def arrays_source(
    origin: str | os.PathLike, of_parts: dict[int, tuple[np.ndarray, np.ndarray]], size: int | None
) -> Source:
    """of_parts: images and labels by part. Classes are called by the numbers that are their labels. Raises
    DatasetError where these are no images or no labels."""
    images = {part: _pictures(array, origin) for part, (array, _) in of_parts.items()}
    labels = {part: _numbers(of_parts[part][1], len(images[part]), origin) for part in of_parts}
    values = np.unique(labels[TRAIN])
    names = check_class_names([str(value) for value in values], len(values), origin)
    for part in of_parts:
        unknown = np.setdiff1d(labels[part], values)
        if len(unknown):
            raise DatasetError(
                f"{origin}: no image to train on has the label {shown([*map(str, unknown)])}"
            )
    order = [part for part in (TRAIN, VALIDATION, TEST) if part in of_parts]
    height, width, colours = images[TRAIN].shape[1:]
    own_size = height if height == width and MIN_IMAGE_SIZE <= height <= MAX_IMAGE_SIZE else DEFAULT_SIZE
    rows = ArrayImages([images[part] for part in order], size or own_size)
    return Source(
        "arrays",
        f"the images in {origin}",
        rows,
        np.searchsorted(values, np.concatenate([labels[part] for part in order])),
        parts(*(len(images.get(part, ())) for part in (TRAIN, VALIDATION, TEST))),
        names,
        rows.size,
        (height, width, colours) != DIGITS_SHAPE,
    )


def _pictures(array: np.ndarray, origin: str | os.PathLike) -> np.ndarray:
    """uint8 [n, H, W, 1 or 3] of any of the layouts that tools use."""
    shape = array.shape
    if array.dtype == np.uint8 and shape and all(shape):
        if array.ndim == 2 and (side := image_size(shape[1])):
            return array.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)
        if array.ndim == 2 and (side := math.isqrt(shape[1])) ** 2 == shape[1] and side >= MIN_IMAGE_SIZE:
            return array.reshape(-1, side, side, 1)
        if array.ndim == 3:
            return array[..., None]
        if array.ndim == 4 and shape[3] in (1, 3):
            return array
        if array.ndim == 4 and shape[1] in (1, 3):
            return array.transpose(0, 2, 3, 1)
    raise DatasetError(
        f"{origin}: images are {array.dtype} {list(shape)}, not uint8 [n, H, W], [n, H, W, 3], [n, 3, H, W]"
        " or rows of one image each, with values from 0 to 255"
    )


def _numbers(labels: np.ndarray, count: int, origin: str | os.PathLike) -> np.ndarray:
    if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)) or labels.min() < 0:
        raise DatasetError(
            f"{origin}: labels are {labels.dtype} {list(labels.shape)}, not {count} numbers from 0 on"
        )
    return labels.reshape(-1).astype(np.int64)
