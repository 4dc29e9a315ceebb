"""Files of JSON objects, one a line, that grow as things become known.

A crash can tear the last line; it is left out when a file is read and cut off when it is opened to grow.
"""

import json
import os
from pathlib import Path
from typing import Any


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
