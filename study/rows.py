"""Tables of a study's results: a named tuple a row, in a .csv.gz file; and the names that a flag lists.

write_rows(path, Result, results)
results = read_rows(path, Result)
names = chosen("agent", "reinforce,random", AGENTS)
"""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from autodl_design.checked_io.files import write_whole
from autodl_design.checked_io.messages import quoted
from autodl_design.record.history import RecordError
from autodl_design.settings.fields import SettingsError
from study.records import DAMAGED

Row = TypeVar("Row", bound=tuple[Any, ...])  # a NamedTuple of texts, ints and floats


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Raises RecordError where the file is not one of `write_rows`."""
    try:
        rows = csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))
        return [
            kind(**{name: convert(row[name]) for name, convert in kind.__annotations__.items()})
            for row in rows
        ]
    except (*DAMAGED, KeyError) as error:
        raise RecordError(f"{path} cannot be read: {error}") from error


def write_rows(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """In their order, so that the same rows make the same file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(kind.__annotations__)
    for row in sorted(rows):
        writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in row)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, gzip.compress(text.getvalue().encode(), mtime=0))


def chosen(flag: str, text: str, names: Sequence[str]) -> list[str]:
    """What a flag lists, "all" being all. Raises SettingsError where there is no such name."""
    listed = list(names) if text == "all" else text.split(",")
    for name in listed:
        if name not in names:
            raise SettingsError(f"--{flag}={quoted(text)}: there are {', '.join(names)}, and all")
    return listed
