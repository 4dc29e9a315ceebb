"""The record of a search in LOG_DIR, from which it goes on after any kind of stop.

    history.jsonl         one JSON object a model, as soon as it is known
    search.json           the settings on which results depend
    checkpoint_N.npz      before the models of step N are trained: the agent's state, and their tokens and
                          adjvecs; the newest two are kept
    lock                  held while a process works here, and free as soon as it ends, however it ends

A history's last line may be torn by a crash; it is dropped, and its model trained again.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from record.files import JsonLinesWriter, read_arrays, read_json_lines, write_arrays, write_whole
from record.history import mean_of_runs  # noqa: F401 -- for rewards.training_reward

Record = dict[str, Any]
KEPT_CHECKPOINTS = 2


class RunRecordError(Exception):
    """LOG_DIR cannot be used; the text is for the user."""


class Checkpoint(NamedTuple):
    step: int
    state: dict[str, Any]  # of the agent, before the step
    tokens: np.ndarray
    adjvec: np.ndarray


class RunRecord:
    """Opens LOG_DIR for one process.

    settings: what results depend on; a search goes on under the settings it began with.
    resume: go on with the search that is there, if one is.

    `known` holds the history's records by mid; `checkpoint` is where to go on, None for a new search.
    Raises RunRecordError where the directory cannot be used so.
    """

    def __init__(self, log_dir: str | os.PathLike, settings: dict[str, Any], resume: bool):
        self.directory = Path(log_dir)
        self.history_path = self.directory / "history.jsonl"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock()
            self._open(settings, resume)
        except OSError as error:
            raise RunRecordError(f"--log_dir={log_dir}: {error.strerror or error}") from error

    def _lock(self) -> None:
        self.lock = open(self.directory / "lock", "a")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunRecordError(
                f"--log_dir={self.directory}: another process is searching here; name another directory"
            ) from None

    def _open(self, settings: dict[str, Any], resume: bool) -> None:
        settings_path = self.directory / "search.json"
        self.known: dict[int, Record] = {}
        self.checkpoint: Checkpoint | None = None
        if settings_path.exists() or self.history_path.exists() or self._checkpoint_paths():
            self._read_history()
            if not resume:
                raise RunRecordError(
                    f"--log_dir={self.directory} holds a search of {len(self.known)} models: go on with it "
                    "by --resume, or name another directory"
                )
            self._compare(settings_path, settings)
            self.checkpoint = self._newest_checkpoint()
        else:
            write_whole(settings_path, json.dumps(settings, indent=1).encode())
        self.history = JsonLinesWriter(self.history_path)

    def _read_history(self) -> None:
        """Fill `known`."""
        if self.history_path.exists():
            try:
                self.known = {record["mid"]: record for record in read_json_lines(self.history_path)}
            except ValueError as error:
                raise RunRecordError(str(error)) from error
            except KeyError:
                raise RunRecordError(f"{self.history_path} is not a history of models") from None

    def _compare(self, path: Path, settings: dict[str, Any]) -> None:
        try:
            saved = json.loads(path.read_bytes())
        except (OSError, ValueError):
            raise RunRecordError(f"{path} is missing or damaged: this search cannot be resumed") from None
        different = [
            f"{name} was {saved.get(name)} and is {settings.get(name)}"
            for name in {**saved, **settings}
            if saved.get(name) != settings.get(name)
        ]
        if different:
            raise RunRecordError(
                f"--resume: the search in {self.directory} has other settings: {'; '.join(different)}"
            )

    # --- Checkpoints --------------------------------------------------------------------------------

    def save_step(self, step: int, state: dict[str, Any], tokens: np.ndarray, adjvec: np.ndarray) -> None:
        """Called before the models of `step` are trained.

        Raises RunRecordError on a full disk, and where a resumed agent proposes others than before.
        """
        self._compare_actions(step, tokens, adjvec)
        numbers = {name: value for name, value in state.items() if name != "tensors"}
        arrays = {f"tensors.{name}": array for name, array in state["tensors"].items()}
        path = self.directory / f"checkpoint_{step}.npz"
        try:
            write_arrays(path, numbers, {"tokens": tokens, "adjvec": adjvec, **arrays})
            for _, old in self._checkpoint_paths()[KEPT_CHECKPOINTS:]:
                old.unlink()
        except OSError as error:
            raise RunRecordError(f"{self.directory}: {error.strerror}") from error

    def _compare_actions(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> None:
        """What was trained before the stop has to be what the agent samples again after it."""
        before = self.checkpoint
        if before is None or before.step != step:
            return
        if not (np.array_equal(before.tokens, tokens) and np.array_equal(before.adjvec, adjvec)):
            raise RunRecordError(
                f"--resume: step {step} of the search in {self.directory} would get other architectures "
                "than before the stop; go on with the versions of Paddle and NumPy that it began with"
            )

    def _newest_checkpoint(self) -> Checkpoint | None:
        """The newest that is whole and comes after no model that is missing from the history, so that none
        is left out; None where no checkpoint was ever written."""
        paths = self._checkpoint_paths()
        for step, path in paths:
            try:
                numbers, arrays = read_arrays(path)
            except ValueError:
                continue
            tokens, adjvec = arrays.pop("tokens"), arrays.pop("adjvec")
            if all(mid in self.known for mid in range(step * len(tokens))):
                tensors = {name.removeprefix("tensors."): array for name, array in arrays.items()}
                return Checkpoint(step, {**numbers, "tensors": tensors}, tokens, adjvec)
        if paths or self.known:
            raise RunRecordError(
                f"{self.directory}: no checkpoint is whole and has all models before it in "
                f"{self.history_path.name}: this search cannot be resumed"
            )
        return None

    def _checkpoint_paths(self) -> list[tuple[int, Path]]:
        """(step, path), the newest first."""
        paths = self.directory.glob("checkpoint_*.npz")
        return sorted(((int(path.stem.split("_")[1]), path) for path in paths), reverse=True)

    # --- History ------------------------------------------------------------------------------------

    def append(self, record: Record) -> None:
        """Add one model's record. Raises RunRecordError on a full disk."""
        try:
            self.history.append(record)
        except OSError as error:
            raise RunRecordError(f"{self.history_path}: {error.strerror}") from error
        self.known[record["mid"]] = record
