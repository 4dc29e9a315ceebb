"""Opens images in any of the forms in which data sets come: open_source(Path("shapes"), size=48).

To add a form, write a module with `matches` and `read` as the others have, and put it into READERS.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from autodl_design.image_data import (
    cifar,
    cifar_binary,
    idx_files,
    npz_file,
    picture_folders,
    picture_table,
)
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.places import visible_names
from autodl_design.image_data.source import Source


class Reader(NamedTuple):
    """matches: whether a path, a directory with these visible names or a file, has the form.
    read: with the pixels a side that the user asked for, or None."""

    form: str
    matches: Callable[[Path, list[str]], bool]
    read: Callable[[Path, int | None], Source]


READERS = (  # the first that matches
    Reader("NumPy's .npz", npz_file.matches, npz_file.read),
    Reader("a CSV file of path,label", picture_table.matches, picture_table.read),
    Reader("MNIST's IDX files", idx_files.matches, idx_files.read),
    Reader("CIFAR's binary version", cifar_binary.matches, cifar_binary.read),
    Reader("CIFAR's batches data_batch_*", cifar.matches, cifar.read),
    Reader(
        "two or more folders of pictures, one for each class", picture_folders.matches, picture_folders.read
    ),
)


def find_reader(path: Path) -> Reader | None:
    """Raises DatasetError where the path is not there or cannot be read."""
    names = visible_names(path)
    return next((reader for reader in READERS if reader.matches(path, names)), None)


def reader_of(path: Path) -> Reader:
    """`find_reader`, which raises DatasetError also where the images have no known form."""
    if reader := find_reader(path):
        return reader
    if path.is_dir() and not visible_names(path):
        raise DatasetError(f"--input_dir={path} is empty")
    forms = "; ".join(reader.form for reader in READERS)
    raise DatasetError(f"--input_dir={path} holds no images in a known form, which are: {forms}")


def open_source(path: Path, size: int | None = None) -> Source:
    """size: pixels a side to which pictures and arrays are scaled; batches must have images of this size.
    Raises DatasetError."""
    return reader_of(path).read(path, size)
