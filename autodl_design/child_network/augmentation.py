"""From uint8 images to what a training update is fed.

All training images lie on the device once, padded, one pixel a row of a table. An update is fed numbers of
rows only: a crop or a flip is a choice of rows, so the host does integer arithmetic and copies no image.

    image -> crop and flip -> rows of the table -> gather, in the program -> image
"""

import math

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.child_network.layers import Variable
from autodl_design.image_data.batch import image_size
from autodl_design.search_space.child import ChildSettings, crop_padding


def standardise(images: np.ndarray) -> np.ndarray:
    """uint8 [n, 3 * S * S] -> float32 [n, 3, S, S]: each image minus its mean, divided by
    max(its standard deviation, 1/sqrt(3 * S * S)); the floor keeps a flat image finite."""
    x = images.astype(np.float32)
    std = np.maximum(x.std(axis=1, keepdims=True), 1 / math.sqrt(x.shape[1]))
    standardised = (x - x.mean(axis=1, keepdims=True)) / std
    return standardised.reshape(-1, 3, *2 * (image_size(x.shape[1]),))


def pixel_table(images: np.ndarray) -> np.ndarray:
    """float32 [n, 3, S, S] -> [n * P * P, 3]: the pixels of the images, padded by zeros to P x P pixels,
    one a row, so that a crop or a flip is a choice of rows."""
    n, _, size, _ = images.shape
    padding = crop_padding(size)
    table = np.zeros([n, size + 2 * padding, size + 2 * padding, 3], np.float32)
    table[:, padding : padding + size, padding : padding + size] = images.transpose(0, 2, 3, 1)
    return table.reshape(-1, 3)


def augmented_rows(
    image_indices: np.ndarray, size: int, random_flip: bool, rng: np.random.Generator
) -> np.ndarray:
    """Rows of the pixel table, int64 [n, size * size], of a random crop of each padded image to the size
    that it had before, flipped left to right with probability 1/2 if `random_flip`."""
    padding = crop_padding(size)
    padded = size + 2 * padding
    n = len(image_indices)
    top, left = rng.integers(0, 2 * padding + 1, size=(2, n, 1))
    line = np.arange(size)
    y, x = top + line, left + line
    if random_flip:
        flipped = rng.random((n, 1)) < 0.5
        x = np.where(flipped, x[:, ::-1], x)
    rows = image_indices[:, None, None] * padded**2 + y[:, :, None] * padded + x[:, None, :]
    return rows.reshape(n, -1)


def pack_batch(rows: np.ndarray, labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """All that an update is fed in one array, since a GPU waits for each: int32 [B, S * S + 1 + C].

    rows: [B, S * S], of the pixel table. labels: [B]. kept: bool [B, C], False where dropout takes the
    feature away.
    """
    return np.concatenate([rows, labels[:, None], kept], axis=1, dtype=np.int32, casting="unsafe")


def unpack_batch(batch: Variable, config: ChildSettings) -> tuple[Variable, Variable, Variable]:
    """What `pack_batch` packed, within a program: rows int32 [B, S * S], labels int64 [B, 1] and the
    dropout mask [B, C], which is 0 or 1 / (1 - dropout_rate)."""
    num_pixels = batch.shape[1] - 1 - config.features
    rows, labels, kept = paddle.split(batch, [num_pixels, 1, config.features], axis=1)
    mask = paddle.cast(kept, "float32") / (1 - config.dropout_rate)
    return rows, paddle.cast(labels, "int64"), mask
