"""Pictures that are read when they are asked for: Pictures(paths, size=32)[0], uint8 [3 * 32 * 32]."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autodl_design.image_data.picture import load_picture

DEFAULT_SIZE = 32  # pixels a side to which pictures are scaled


class Pictures:
    """As rows of CIFAR-10's form, each read once. Raises PictureError where one cannot be read."""

    def __init__(self, paths: Sequence[Path], size: int):
        self.paths, self.size = paths, size
        self._rows: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        if index not in self._rows:
            self._rows[index] = load_picture(self.paths[index], self.size).ravel()
        return self._rows[index]
