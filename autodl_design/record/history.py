"""The history of a search: one typed record a model, and the only place that reads, checks and writes them.

    models = read_history(Path("log/history.jsonl"))
    best = max((model for model in models if model.trained), key=lambda model: model.reward)

A history is a file of lines, each the JSON object of one model (LOG_DIR/history.jsonl), added when that is
done. The further runs of the best ones (LOG_DIR/final_candidates.jsonl) are such records with the number of
their run. Needs neither Paddle nor PARL.
"""

import json
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from autodl_design.checked_io.files import GrowingFile, read_json_lines, torn_line
from autodl_design.search_space.architecture import Architecture
from autodl_design.trainers.job import CurvePoint

STATUSES = ("ok", "cached", "failed", "stopped")
LARGEST = 2**63 - 1
LONGEST_SIZE = 1000  # characters
LARGEST_REWARD = 1e38  # the agent takes rewards as 32-bit floats


class RecordError(Exception):
    """A file of LOG_DIR, or LOG_DIR itself, that cannot be used; the text is for the user."""


class ModelRecord(NamedTuple):
    """What is known of one model."""

    mid: int  # its number in the search, from 0 on
    step: int  # of the search, from 0 on
    architecture: Architecture  # in files as its tokens and its adjvec
    # On the validation images, 0 .. 1; of one that was stopped, what was expected of it. None where, and
    # only where, it failed.
    accuracy: float | None
    reward: float
    status: str  # "ok": trained; "cached": has the result of an equal network; "failed"; "stopped": early
    reason: str | None  # why it failed or was stopped, or whose result it has
    seconds: float | None  # of training; None where it failed
    num_params: int | None  # trainable ones; None as the accuracy is
    network: str | None = None  # the architecture's network_id; further runs of earlier versions lack it
    macs: int | None = None  # multiply-accumulate operations for an image; earlier versions lack them
    curve: tuple[CurvePoint, ...] | None = None  # of its training; earlier versions lack it
    run: int | None = None  # 1, 2, ... of the further runs of the best models, else None
    size: str | None = None  # of a further run, where it is not the search's: see search_loop/ladder.py

    @property
    def trained(self) -> bool:
        """Whether it was trained itself, to the end."""
        return self.status == "ok"

    @property
    def stopped(self) -> bool:
        """Whether --stop_poor ended its training early."""
        return self.status == "stopped"

    @property
    def failed(self) -> bool:
        return self.status == "failed"

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name, value in self._asdict().items():
            if name == "architecture":
                content |= {"tokens": list(value.tokens), "adjvec": list(value.adjvec)}
            elif name == "curve" and value is not None:
                content[name] = [list(point) for point in value]
            elif value is not None or name not in OPTIONAL:
                content[name] = value
        return content


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_number(value: Any, low: float = -LARGEST_REWARD, high: float = LARGEST_REWARD) -> bool:
    return type(value) in (int, float) and low <= value <= high  # not so for NaN


def _is_text(value: Any) -> bool:
    return type(value) is str


def _or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _are_counts(value: Any) -> bool:
    return type(value) is list and all(map(_is_count, value))


def _is_curve(value: Any) -> bool:
    return type(value) is list and value != [] and all(map(_is_point, value))


def _is_point(value: Any) -> bool:
    """Of a curve."""
    if type(value) is not list or len(value) != len(CurvePoint._fields):
        return False
    epoch, train_loss, validation_loss, accuracy = value
    losses = _is_number(train_loss) and (validation_loss is None or _is_number(validation_loss))
    return _is_count(epoch) and losses and _is_number(accuracy, 0, 1)


# What each field of a record may hold in a file.
CHECKS: dict[str, Callable[[Any], bool]] = {
    "mid": _is_count,
    "step": _is_count,
    "tokens": _are_counts,
    "adjvec": _are_counts,
    "accuracy": _or_null(lambda value: _is_number(value, 0, 1)),
    "reward": _is_number,
    "status": lambda value: value in STATUSES,
    "reason": _or_null(_is_text),
    "seconds": _or_null(lambda value: _is_number(value, 0)),
    "num_params": _or_null(_is_count),
    "network": _is_text,
    "macs": _is_count,
    "curve": _is_curve,
    "run": lambda value: _is_count(value) and value >= 1,
    "size": lambda value: _is_text(value) and 0 < len(value) <= LONGEST_SIZE,
}
OPTIONAL = ("network", "macs", "curve", "run", "size")


def from_json(content: dict[str, Any]) -> ModelRecord:
    """Raises ValueError where `content` is not what `ModelRecord.to_json` makes. Fields that are unknown
    are left out."""
    values = {}
    for name, check in CHECKS.items():
        if name in content:
            values[name] = content[name]
            if not check(values[name]):
                raise ValueError(f"{name} cannot be {reprlib.repr(values[name])}")
        elif name not in OPTIONAL:
            raise ValueError(f"has no {name}")
    if "curve" in values:
        values["curve"] = tuple(CurvePoint(*point) for point in values["curve"])
    architecture = Architecture.of(values.pop("tokens"), values.pop("adjvec"))
    for name in ("accuracy", "num_params"):
        if (values[name] is None) != (values["status"] == "failed"):
            raise ValueError(f"{name} cannot be {values[name]} where status is {values['status']}")
    return ModelRecord(architecture=architecture, **values)


def read_history(path: Path) -> list[ModelRecord]:
    """The models of a history, in the order of its lines, which is that in which they were done. A last
    line that is torn, or still being written, is left out.

    Raises RecordError, naming the file and the line, where the file cannot be read, a line is no record,
    two are of one model, or they are of different sizes.
    """
    models = _read(path)
    for number, model in enumerate(models, 1):
        if model.run is not None:
            raise RecordError(f"{path}: line {number} is a further run of a model, not a model")
    return models


def read_final_runs(path: Path) -> list[ModelRecord]:
    """The further runs of a search's best models, read and checked as a history is."""
    models = _read(path)
    for number, model in enumerate(models, 1):
        if model.run is None:
            raise RecordError(f"{path}: line {number} has no run")
    return models


def _read(path: Path) -> list[ModelRecord]:
    models: list[ModelRecord] = []
    lines: dict[tuple[int, int | None, str | None], int] = {}
    try:
        for number, content in enumerate(read_json_lines(path), 1):
            try:
                model = from_json(content)
            except ValueError as error:
                raise RecordError(f"{path}: line {number}: {error}; mend or remove it") from error
            if (first := lines.setdefault((model.mid, model.run, model.size), number)) != number:
                raise RecordError(f"{path}: line {number} is of model {model.mid}, as line {first} is")
            num_tokens = len(model.architecture.tokens)
            if models and num_tokens != len(models[0].architecture.tokens):
                raise RecordError(
                    f"{path}: line {number} has {num_tokens} tokens, not "
                    f"{len(models[0].architecture.tokens)} as line 1 has"
                )
            models.append(model)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise RecordError(str(error)) from error
    return models


class HistoryWriter:
    """Appends to a history, which is made where there is none; a torn last line is cut off, and a copy
    stays in NAME.torn.

    Raises RecordError where the file cannot be opened or written, where its name belongs to another file by
    now, and for a record that `read_history`
    would refuse, of which it writes nothing.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self.file = GrowingFile(path, _is_start)
        except OSError as error:
            raise RecordError(f"{path}: {error.strerror}") from error

    def append(self, model: ModelRecord) -> None:
        content = model.to_json()
        try:
            from_json(content)
            self.file.append(json.dumps(content).encode() + b"\n")
        except OSError as error:
            raise RecordError(f"{self.path}: {error.strerror}") from error
        except ValueError as error:
            raise RecordError(f"{self.path}: model {model.mid} is not written: {error}") from error

    def check(self) -> None:
        """Raises RecordError where the file's name belongs to another file by now."""
        try:
            self.file.check()
        except OSError as error:
            raise RecordError(f"{self.path}: {error.strerror}") from error

    def close(self) -> None:
        self.file.close()


def check_end(path: Path) -> None:
    """Raises RecordError where a `HistoryWriter` would not go on with the file; changes nothing."""
    try:
        torn_line(path, _is_start)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error


def _is_start(line: bytes) -> bool:
    """Of a record, as `ModelRecord.to_json` orders its fields."""
    begins = b'{"mid"'
    return begins.startswith(line[: len(begins)]) and (not line or line.isascii())
