"""The subset of images on which child networks are trained, as dataset_maker.py writes it.

    subset = load_subset("cifar/pickle-cifar-10")

A directory of batches in CIFAR-10's format: data_batch_0.pkl to data_batch_8.pkl are for training,
data_batch_9.pkl for validation, or validation.pkl where there is one. batches.meta has what they have in
common. test.pkl is read apart from them, so that no search sees its images: `load_test_images`.
"""

import hashlib
import os
import shlex
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.image_data import picture_folders
from autodl_design.image_data.batch import MAX_CLASSES, image_size, load_batch, load_pickle
from autodl_design.image_data.class_names import META_NAME, load_class_names, numbered_classes
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.places import user_path
from autodl_design.image_data.readers import Reader, find_reader

NUM_CHUNKS = 10
CHUNK_NAMES = tuple(f"data_batch_{k}.pkl" for k in range(NUM_CHUNKS))
VALIDATION_NAME = "validation.pkl"
TEST_NAME = "test.pkl"
SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}  # most pictures have one
DEFAULT_PATH = "cifar/pickle-cifar-10"
SIZES, MIRROR = b"num_cases_per_batch", b"mirror"  # entries of batches.meta beside those of CIFAR-10


class Subset(NamedTuple):
    """Images of S x S pixels as uint8 [n, 3 * S * S] in CIFAR-10's order, labels as int64 [n]."""

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    class_names: tuple[str, ...]
    mirror: bool = (
        True  # whether a mirrored image is still one of its class; of letters and digits it is not
    )

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_size(self) -> int:
        """S, pixels a side."""
        return image_size(self.train_images.shape[1])

    @property
    def train_counts(self) -> np.ndarray:
        """Training images of each class, int64 [num_classes]."""
        return np.bincount(self.train_labels, minlength=self.num_classes)

    @property
    def validation_counts(self) -> np.ndarray:
        """Validation images of each class, int64 [num_classes]."""
        return np.bincount(self.validation_labels, minlength=self.num_classes)

    @property
    def balanced(self) -> bool:
        """Whether all classes have as many validation images, so that accuracy over all of them is balanced
        accuracy, the mean over the classes, too."""
        return len(set(self.validation_counts.tolist())) == 1

    def sha256(self) -> str:
        """Tells the images and labels of one subset from those of another."""
        arrays = self[:4]
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def meta(names: Sequence[str], sizes: int | list[int], row_length: int, mirror: bool) -> dict[bytes, Any]:
    """What batches.meta holds, in CIFAR-10's form. sizes: images in each of the ten files."""
    return {
        SIZES: sizes,
        b"label_names": [name.encode() for name in names],
        b"num_vis": row_length,
        MIRROR: int(mirror),
    }


def load_subset(data_path: str | os.PathLike, chunk_size: int | None = None) -> Subset:
    """Read what `python dataset_maker.py` wrote to the directory `data_path`.

    Classes without names are called by their numbers. Raises DatasetError where a file is missing or
    malformed, or where one of the ten files does not hold as many images as batches.meta says, or else as
    the first one, or as `chunk_size` says.
    """
    directory = user_path(data_path)
    names = load_class_names(directory)
    sizes, mirror = _sizes_and_mirror(directory)
    if chunk_size is not None:
        sizes = [chunk_size] * NUM_CHUNKS
    batches = {}
    for number, name in enumerate(CHUNK_NAMES):
        path = directory / name
        if not os.path.lexists(path):
            raise _missing(path)
        batches[path] = images, _ = load_batch(path, len(names) if names else MAX_CLASSES)
        sizes = sizes or [len(images)] * NUM_CHUNKS
        if len(images) != sizes[number]:
            raise DatasetError(
                f"{path} holds {len(images)} images and not the chunk size {sizes[number]}: "
                f"run `{_command(directory)}" + (f" --chunk_size={chunk_size}`" if chunk_size else "`")
            )
    held_out = directory / VALIDATION_NAME
    if os.path.lexists(held_out):
        batches[held_out] = load_batch(held_out, len(names) if names else MAX_CLASSES)
    (first, (images, _)), *others = batches.items()
    for path, (other_images, _) in others:
        if other_images.shape[1] != images.shape[1]:
            raise DatasetError(f"{path} holds images of another size than {first}")
    if names is None:
        names = numbered_classes(np.concatenate([labels for _, labels in batches.values()]), directory)
    *train, validation = list(batches.values())[:NUM_CHUNKS]
    train_images, train_labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return Subset(train_images, train_labels, *batches.get(held_out, validation), names, mirror)


def load_test_images(data_path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray] | None:
    """Images uint8 [n, 3 * S * S] and labels int64 [n] of test.pkl, or None where there is no such file.

    They are for measuring what a search or a training ended with, and for no choice. Raises DatasetError
    where the file is malformed.
    """
    path = user_path(data_path) / TEST_NAME
    if not os.path.lexists(path):
        return None
    names = load_class_names(path.parent)
    return load_batch(path, len(names) if names else MAX_CLASSES)


def _sizes_and_mirror(directory: Path) -> tuple[list[int] | None, bool]:
    """What batches.meta says of the ten files, if it lists their sizes, and of mirroring, which subsets of
    earlier versions do not know. `load_class_names` has read the file before. Raises DatasetError."""
    path = directory / META_NAME
    if not os.path.lexists(path):
        return None, True
    content = load_pickle(path)
    sizes, mirror = content.get(SIZES), content.get(MIRROR, 1)
    if type(sizes) is not list:
        sizes = None
    elif len(sizes) != NUM_CHUNKS or any(type(size) is not int for size in sizes):
        raise DatasetError(f"{path}: {SIZES!r} is no list of {NUM_CHUNKS} numbers")
    if type(mirror) is not int or mirror not in (0, 1):
        raise DatasetError(f"{path}: {MIRROR!r} is neither 0 nor 1")
    return sizes, bool(mirror)


def _command(directory: Path) -> str:
    elsewhere = (
        f" --data_path={shlex.quote(os.fspath(directory))}" if os.fspath(directory) != DEFAULT_PATH else ""
    )
    return f"python dataset_maker.py{elsewhere}"


def _missing(path: Path) -> DatasetError:
    directory = path.parent
    begun = any(os.path.lexists(directory / name) for name in CHUNK_NAMES)
    if not begun and (reader := _reader_of(directory)):
        source, made = (shlex.quote(f"{directory}{more}") for more in ("", "-subset"))
        return DatasetError(
            f"--data_path={directory} is no subset but {reader.form}: run `python dataset_maker.py "
            f"--input_dir={source} --data_path={made}` and say --data_path={made}"
        )
    return DatasetError(f"{path} is missing: run `{_command(directory)}`")


def _reader_of(directory: Path) -> Reader | None:
    """That of the data set in the place of a subset; None unless it surely is one."""
    try:
        reader = find_reader(directory)
    except DatasetError:
        return None
    if reader and reader.read is picture_folders.read:
        deep = (path for pattern in ("*/*", "*/*/*") for path in islice(directory.glob(pattern), 1000))
        return reader if any(path.suffix.lower() in SUFFIXES for path in deep) else None
    return reader
