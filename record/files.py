"""Files that a crash cannot spoil: written whole or not at all, or grown line by line.

A crash can tear the last line of the latter; it is left out when a file is read and cut off when it is
opened to grow.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np


def write_whole(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}")
    with open(aside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def write_arrays(path: Path, numbers: Any, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file of arrays, and of numbers or whatever else JSON holds."""
    buffer = io.BytesIO()
    np.savez(buffer, numbers=json.dumps(numbers), names=sorted(arrays), **arrays)
    write_whole(path, buffer.getvalue())


def read_arrays(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """What `write_arrays` wrote. Raises ValueError where the file is damaged."""
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content) as file:
            arrays = dict(file)  # reads all of it, so that checksums are compared
        numbers, names = json.loads(str(arrays.pop("numbers"))), arrays.pop("names")
        if sorted(arrays) != names.tolist():  # a damaged table of contents may leave some out
            raise ValueError("arrays are missing")
        return numbers, arrays
    except Exception as error:  # what a damaged file may raise is up to NumPy and zipfile
        raise ValueError(f"{path} is damaged") from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of the whole lines. Raises ValueError, naming the line, where one is not an object."""
    records = []
    for number, line in enumerate(_whole_lines(path).splitlines(), 1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise ValueError(f"{path}: line {number} is damaged; mend or remove it")
        records.append(record)
    return records


def _whole_lines(path: Path) -> bytes:
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


class JsonLinesWriter:
    """Appends to a file, which is made if need be."""

    def __init__(self, path: Path):
        self.path = path
        if path.exists():
            os.truncate(path, len(_whole_lines(path)))
        self.file = open(path, "a", encoding="utf-8")

    def append(self, record: dict[str, Any]) -> None:
        self.file.write(json.dumps(record) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
