"""LOG_DIR/steps.csv: one row a step of a search, for people and for reports.

    rows = read_steps(Path("log/steps.csv"))

Needs neither Paddle nor PARL.
"""

import csv
import io
import math
import reprlib
from collections.abc import Iterable
from pathlib import Path

from autodl_design.checked_io.files import GrowingFile, torn_line, whole_lines, write_whole
from autodl_design.record.history import RecordError

FIELDS = (
    "step",
    "mean_accuracy",  # of the models that could be trained, as the next two
    "best_accuracy",
    "accuracy_spread",  # standard deviation within the step
    "mean_reward",
    "baseline",
    "loss",
    "token_entropy",  # nats an architecture
    "edge_entropy",
    "gradient_norm",
    "seconds",
    "cached",  # models
    "failed",
)
LEARNED = {"baseline", "loss", "token_entropy", "edge_entropy", "gradient_norm"}  # random search has none


def read_steps(path: Path) -> list[dict[str, float]]:
    """Rows by FIELDS, of which those of LEARNED may be missing. A last row that is torn is left out.

    Raises RecordError, naming the file and the line, where it is not as `StepsWriter` makes it.
    """
    return [row for _, row in _read(path)]


class StepsWriter:
    """Goes on at `first_step`: later rows, of steps that are to be repeated, are dropped. The file is made
    where there is none. Raises RecordError as `read_steps` does, and on a full disk."""

    def __init__(self, path: Path, first_step: int):
        self.path = path
        rows = _read(path) if path.exists() else []
        kept = [line for line, row in rows if row["step"] < first_step]
        try:
            if path.exists():
                torn_line(path, _is_start)  # refuses what is none, before the file is written anew
            write_whole(path, b"".join([_line(FIELDS), *kept]))
            self.file = GrowingFile(path, _is_start)
        except OSError as error:
            raise RecordError(f"{error.filename}: {error.strerror}") from error

    def add(self, row: dict[str, float]) -> None:
        """row: FIELDS, of which those of LEARNED may be missing."""
        try:
            self.file.append(_line([row.get(name, "") for name in FIELDS]))
        except OSError as error:
            raise RecordError(f"{self.path}: {error.strerror}") from error

    def close(self) -> None:
        self.file.close()


def _is_start(line: bytes) -> bool:
    """Of a row of numbers, or of the header."""
    return _line(FIELDS).startswith(line) or not line.strip(b"0123456789.,e+-naif\r")


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _read(path: Path) -> list[tuple[bytes, dict[str, float]]]:
    """The rows as they stand there and as numbers."""
    rows = []
    try:
        for number, line in enumerate(whole_lines(path), 1):
            try:
                cells = next(csv.reader([line.decode()]), [])
                if number > 1:
                    rows.append((line, _row(cells)))
                elif tuple(cells) != FIELDS:
                    raise ValueError("is not the header of a search's steps")
            except (ValueError, csv.Error) as error:
                raise RecordError(
                    f"{path}: line {number} is damaged ({error}); mend it, or remove the file, which no "
                    "search needs"
                ) from error
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    return rows


def _row(cells: list[str]) -> dict[str, float]:
    if len(cells) != len(FIELDS):
        raise ValueError(f"{len(cells)} fields, not {len(FIELDS)}")
    row = {name: float(cell) for name, cell in zip(FIELDS, cells, strict=True) if cell}
    for name, cell in zip(FIELDS, cells, strict=True):
        if name not in LEARNED and not math.isfinite(row.get(name, math.nan)):
            raise ValueError(f"{name} cannot be {reprlib.repr(cell)}")
    if row["step"] < 0 or not row["step"].is_integer():
        raise ValueError(f"step cannot be {reprlib.repr(cells[0])}")
    return row
