"""Images with labels and names of classes, whatever they come from.

source = open_source("shapes", size=48)    # pictures in folders, or batches
source = digits_source()                   # scikit-learn's digits
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.image_data.batch import image_size
from autodl_design.image_data.cifar import list_batches, load_cifar
from autodl_design.image_data.class_names import load_class_names, numbered_classes
from autodl_design.image_data.digits import load_digits
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.picture_folders import PictureFolders, list_class_folders

DEFAULT_SIZE = 32  # pixels a side to which pictures are scaled


class Source(NamedTuple):
    kind: str
    images: Sequence[np.ndarray]  # uint8 [3 * image_size**2] each; pictures are read when asked for
    labels: np.ndarray  # int64 [n]
    class_names: tuple[str, ...]
    image_size: int  # pixels a side

    def all_images(self) -> np.ndarray:
        """uint8 [n, 3 * image_size**2]. Raises DatasetError where a picture cannot be read."""
        images = self.images
        return images if isinstance(images, np.ndarray) else np.stack(list(images))


def holds_pictures(input_dir: Path) -> bool:
    """Whether the directory has folders of pictures. Raises DatasetError where it holds something else than
    those or batches."""
    if len(list_class_folders(input_dir)) > 1 and not any(input_dir.glob("data_batch_*")):
        return True
    list_batches(input_dir)
    return False


def open_source(input_dir: Path, size: int | None = None) -> Source:
    """The images of a directory, for which CIFAR-10 is fetched where it is missing or empty.

    size: pixels a side to which pictures are scaled; batches must have images of this size.
    Raises DatasetError, and CifarUnavailableError where CIFAR-10 cannot be had.
    """
    if holds_pictures(input_dir):
        pictures = PictureFolders(input_dir, size or DEFAULT_SIZE)
        return Source("pictures", pictures, pictures.labels, pictures.class_names, pictures.size)
    images, labels = load_cifar(input_dir)
    found = image_size(images.shape[1])
    if size not in (None, found):
        raise DatasetError(f"--image_size={size}: the images in {input_dir} have {found} pixels a side")
    names = load_class_names(input_dir) or numbered_classes(labels, f"--input_dir={input_dir}")
    return Source("cifar", images, labels, names, found)


def digits_source() -> Source:
    images, labels = load_digits()
    return Source("digits", images, labels, numbered_classes(labels, "digits"), image_size(images.shape[1]))
