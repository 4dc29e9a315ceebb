"""The record of a search in LOG_DIR, from which it goes on after any kind of stop.

    history.jsonl         one JSON object a model, as soon as it is known
    search.json           the settings on which results depend
    checkpoint_N.npz      before the models of step N are trained: the agent's state, and their tokens and
                          adjvecs; the newest two are kept
    lock                  held while a process works here, and free as soon as it ends, however it ends

A history's last line may be torn by a crash; it is dropped (a copy stays in history.jsonl.torn), and its
model trained again. What is damaged in any other way, or no file at all, is refused before anything is
changed; and a search ends where another file takes the place of its history.
"""

import os
import reprlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from autodl_design.checked_io.files import write_whole
from autodl_design.checked_io.locks import lock
from autodl_design.checked_io.regular_files import open_regular
from autodl_design.record.checkpoints import Checkpoint, checkpoint_paths, read_checkpoint, write_checkpoint
from autodl_design.record.history import HistoryWriter, ModelRecord, RecordError, check_end, read_history
from autodl_design.record.log_dir import LogDir
from autodl_design.record.reading import read_settings, settings_content
from autodl_design.search_space.architecture import Architecture


class SearchRecord:
    """Opens LOG_DIR for one process.

    settings: what results depend on; a search goes on under the settings it began with.
    resume: go on with the search that is there, if there is one.
    remembered: what `read_settings` is to return from now on besides.
    earlier: values of settings in searches that were made before these settings existed.

    settings: these and what is remembered.
    known: the models of the history, by mid.
    checkpoint: from where the search goes on. None in a new search, and in one whose checkpoints are gone;
        that one starts at its first step, and trains only models that are not known.

    Raises RecordError if the directory cannot be used. When its `with` block ends, others can use it.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        settings: dict[str, Any],
        resume: bool,
        remembered: dict[str, Any] | None = None,
        earlier: dict[str, Any] | None = None,
    ):
        if not os.fspath(log_dir):
            raise RecordError("--log_dir is empty: name a directory")
        self.directory = Path(log_dir)
        self.files = LogDir(log_dir)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                self.lock = stack.enter_context(open_regular(self.files.lock, "ab"))
                self._take_lock()
                self._open(settings, resume, remembered or {}, earlier or {})
                stack.pop_all()  # stays locked
        except OSError as error:
            where = Path(error.filename or "").name
            where = f"{where}: " if where and where != self.directory.name else ""
            raise RecordError(f"--log_dir={log_dir}: {where}{error.strerror or error}") from error

    def __enter__(self) -> "SearchRecord":
        return self

    def __exit__(self, *exception) -> None:
        self.history.close()
        self.lock.close()

    def _take_lock(self) -> None:
        try:
            lock(self.lock, self.files.lock)
        except BlockingIOError:
            raise RecordError(
                f"--log_dir={self.directory}: another process is searching here; name another directory"
            ) from None

    def _open(
        self, settings: dict[str, Any], resume: bool, remembered: dict[str, Any], earlier: dict[str, Any]
    ) -> None:
        files = self.files
        self.known: dict[int, ModelRecord] = {}
        self.checkpoint: Checkpoint | None = None
        resumed = holds_search(self.directory)
        if resumed:
            if files.history.exists():
                self.known = {model.mid: model for model in read_history(files.history)}
            if not resume:
                raise RecordError(
                    f"--log_dir={self.directory} holds a search of {len(self.known)} models: go on with it "
                    "by --resume, or name another directory"
                )
            check_end(files.history)
            check_end(files.final_candidates)
            compare_settings(self.directory, settings, remembered, earlier)
            self.checkpoint = self._newest_checkpoint()
        self.settings = {**settings, **remembered}
        self._new_settings: bytes | None = settings_content(self.settings)
        if not resumed:
            self.write_settings()
        self.history = HistoryWriter(files.history)

    def write_settings(self) -> None:
        """Once: a resumed search keeps those it had until nothing refuses the resumption any more."""
        if self._new_settings is not None:
            write_whole(self.files.settings, self._new_settings)
            self._new_settings = None

    def _newest_checkpoint(self) -> Checkpoint | None:
        """The newest that is whole and comes after no model that is missing from the history, so that none
        is left out; None where there is no checkpoint at all."""
        paths = checkpoint_paths(self.directory)
        for step, path in paths:
            try:
                checkpoint = read_checkpoint(step, path)
            except ValueError:
                continue
            if all(mid in self.known for mid in range(step * len(checkpoint.tokens))):
                return checkpoint
        if paths:
            raise RecordError(
                f"{self.directory}: no checkpoint is whole and has all models before it in "
                f"{self.files.history.name}: this search cannot be resumed"
            )
        return None

    def save_step(self, step: int, state: dict[str, Any], tokens: np.ndarray, adjvec: np.ndarray) -> None:
        """Called before the models of `step` are trained.

        Raises RecordError on a full disk, and where a resumed agent proposes others than before.
        """
        self._compare_architectures(step, tokens, adjvec)
        self.history.check()  # a checkpoint comes after no model that is missing there
        try:
            write_checkpoint(self.directory, Checkpoint(step, state, tokens, adjvec))
            self.write_settings()
        except OSError as error:
            raise RecordError(f"{error.filename or self.directory}: {error.strerror}") from error
        except (TypeError, ValueError) as error:
            raise RecordError(f"the agent's state cannot be kept: {error}") from error

    def _compare_architectures(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> None:
        """What was trained before the stop has to be what the agent samples again after it."""
        before = self.checkpoint
        if before and before.step == step:
            if not (np.array_equal(before.tokens, tokens) and np.array_equal(before.adjvec, adjvec)):
                raise RecordError(
                    f"--resume: step {step} of the search in {self.directory} would get other "
                    "architectures than before the stop; go on with the versions of Paddle and NumPy that "
                    "it began with"
                )
        for mid, architecture in enumerate(Architecture.of_batch(tokens, adjvec), step * len(tokens)):
            model = self.known.get(mid)
            if model and (model.step, model.architecture) != (step, architecture):
                raise RecordError(
                    f"{self.files.history}: model {mid} is not the one that step {step} of this "
                    "search has under this number; take its line out, and --resume trains it again"
                )

    def append(self, model: ModelRecord) -> None:
        """Add one model. Raises RecordError on a full disk."""
        self.history.append(model)
        self.known[model.mid] = model


def holds_search(directory: Path) -> bool:
    """Whether any of the files is there from which a search goes on."""
    files = LogDir(directory)
    return directory.is_dir() and (
        files.settings.exists() or files.history.exists() or bool(checkpoint_paths(directory))
    )


def compare_settings(
    directory: Path, settings: dict[str, Any], remembered: dict[str, Any], earlier: dict[str, Any]
) -> None:
    """Raises RecordError where the search in the directory began under others; see `SearchRecord`."""
    try:
        saved = read_settings(directory)
    except RecordError as error:
        raise RecordError(f"{error}: this search cannot be resumed") from error
    shown = reprlib.Repr()
    shown.maxlist = shown.maxstring = 60
    before = {name: earlier.get(name) for name in settings} | saved
    different = [
        f"{name if name in settings else shown.repr(name)} was {shown.repr(value)} and is "
        f"{shown.repr(settings.get(name))}"
        for name, value in before.items()
        if name not in remembered and value != settings.get(name)
    ]
    if different:
        raise RecordError(
            f"--resume: the search in {directory} has other settings: {'; '.join(different[:10])}"
        )
