"""Reads a directory with one folder for each class, in which the pictures of the class lie.

    pictures = PictureFolders("shapes", size=32)    # shapes/circle/1.png, shapes/square/a.jpg, ...
    pictures.class_names, pictures.labels           # ("circle", "square"), array([0, 1, ...])
    pictures[0]                                     # uint8 [3 * 32 * 32]

Files and folders whose names begin with a dot are left out, and so are files beside the folders.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.picture import load_picture


def list_class_folders(input_dir: Path) -> list[Path]:
    """The folders by their names; none where the directory does not exist. Raises DatasetError where it
    cannot be read."""
    try:
        with os.scandir(input_dir) as entries:
            names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DatasetError(f"--input_dir={input_dir} cannot be read: {error.strerror}") from error
    return [input_dir / name for name in names]


class PictureFolders(Sequence):
    """The pictures as rows of CIFAR-10's form, each read when it is asked for, and once. `labels` has the
    class of each, int64 [n].

    Raises DatasetError, which names the folder or the file: at the start where a folder is empty, holds
    something else than files or has a name that no class can have; later where a file is no picture.
    """

    def __init__(self, input_dir: str | os.PathLike, size: int):
        folders = list_class_folders(Path(input_dir))
        names = [folder.name for folder in folders]
        self.class_names = check_class_names(names, len(names), f"--input_dir={input_dir}")
        of_classes = [_pictures_in(folder) for folder in folders]
        self.paths = [path for paths in of_classes for path in paths]
        self.labels = np.repeat(np.arange(len(folders)), [len(paths) for paths in of_classes])
        self.size = size
        self._rows: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        if index not in self._rows:
            self._rows[index] = load_picture(self.paths[index], self.size).ravel()
        return self._rows[index]


def _pictures_in(folder: Path) -> list[Path]:
    paths = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_file():
                    raise DatasetError(
                        f"{quoted(entry.path)} is not a file: a class's folder must hold pictures only"
                    )
                paths.append(folder / entry.name)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read: {error.strerror}") from error
    if not paths:
        raise DatasetError(f"{folder} holds no pictures: fill the folder or remove it")
    return sorted(paths)
