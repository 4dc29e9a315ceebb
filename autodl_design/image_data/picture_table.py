"""Reads a CSV file of pictures: path,label in each line, paths as seen from the file's own folder.

source = read(Path("pictures/labels.csv"), size=32)
"""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.pictures import DEFAULT_SIZE, Pictures
from autodl_design.image_data.source import Source, is_alphabet, parts

HEADER = ["path", "label"]  # the first line may say so
MAX_TABLE_BYTES = 2**26
MAX_PICTURES = 1_000_000  # each takes some hundred bytes of memory before it is read


def matches(path: Path, names: list[str]) -> bool:
    return path.suffix.lower() == ".csv" and not path.is_dir()


def read(path: Path, size: int | None) -> Source:
    """Raises DatasetError, which names the line where one is no path and label."""
    rows = list(rows_of(path))
    paths, names = zip(*rows, strict=True) if rows else ((), ())
    values = sorted(set(names))
    class_names = check_class_names(values, len(values), path)
    index_of = {name: label for label, name in enumerate(class_names)}
    pictures = Pictures([path.parent / place for place in paths], size or DEFAULT_SIZE)
    return Source(
        "pictures",
        f"the pictures in {path}",
        pictures,
        np.array([index_of[name] for name in names], np.int64),
        parts(len(rows)),
        class_names,
        pictures.size,
        not is_alphabet(class_names),
    )


def rows_of(path: Path) -> Iterator[tuple[str, str]]:
    """Path, as the file has it, and label of each line. Raises DatasetError."""
    lines = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    first, count = True, 0
    try:
        for row in lines:
            cells = [cell.strip() for cell in row]
            if first and [cell.lower() for cell in cells] == HEADER:
                first = False
                continue
            first = False
            if not any(cells):
                continue
            if len(cells) != 2 or not all(cells) or "\0" in cells[0]:
                raise DatasetError(f"{path}: line {lines.line_num} is not path,label")
            count += 1
            if count > MAX_PICTURES:
                raise DatasetError(f"{path} names more than {MAX_PICTURES:,} pictures")
            yield cells[0], cells[1]
    except csv.Error as error:
        raise DatasetError(f"{path}: line {lines.line_num} is damaged ({error})") from error


def _text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_TABLE_BYTES:
                raise DatasetError(f"{path} has {size:,} bytes, more than {MAX_TABLE_BYTES:,}")
            return file.read(size).decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: save it as such") from error
