"""Shows how a search gets on: a status table on a terminal, plain lines of text anywhere else."""

import sys
import time
from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.text import Text

from autodl_design.record.history import ModelRecord
from autodl_design.trainers.job import Epoch

A_YEAR = 365 * 86400  # seconds


class Progress:
    """total_models: of the whole search; num_epochs: of each; done: how many were known before; best: the
    highest accuracy among these."""

    def __init__(self, total_models: int, num_epochs: int, done: int = 0, best: float | None = None):
        self.total_models = total_models
        self.num_epochs = num_epochs
        self.done = done
        self.best = best
        self.step = 0
        self.training: dict[tuple[int, int], Epoch] = {}  # by mid and run
        self.started = time.monotonic()
        self.begin_phase(0)
        # What Rich takes for a terminal may be a file, where FORCE_COLOR or TTY_COMPATIBLE is set.
        self.is_terminal = sys.stdout.isatty() and Console(file=sys.stdout).is_terminal
        self.console = Console(
            file=sys.stdout, highlight=False, emoji=False, soft_wrap=True, force_terminal=self.is_terminal
        )
        self.live = Live(console=self.console, get_renderable=self._status, transient=True)

    def __enter__(self) -> "Progress":
        if self.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        self.live.stop()

    def begin_phase(self, more_models: int) -> None:
        """`more_models` are to be trained; from now on the time that is left is estimated by them."""
        self.total_models += more_models
        self.phase_started, self.done_before = time.monotonic(), self.done

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def print(self, line: str) -> None:
        self.console.print(line, markup=False)
        sys.stdout.flush()

    def epoch_done(self, epoch: Epoch) -> None:
        """Epoch 0 is the start of a model; a late report on one that is done is left out."""
        key = epoch.mid, epoch.run
        if epoch.epoch == 0 or key in self.training:
            self.training[key] = epoch

    def model_done(self, model: ModelRecord) -> None:
        """model: also a further run of one."""
        self.training.pop((model.mid, model.run or 0), None)
        self.step = model.step
        self.done += 1
        if model.accuracy is None:
            result = f"failed, {model.reason}"
        else:
            result = f"accuracy {model.accuracy:.3f}"
            if not model.run:
                self.best = max(model.accuracy, self.best or 0.0)
        run = f", run {model.run}" if model.run else ""
        self.print(f"  model {model.mid}{run}: {result}")

    def _status(self) -> Text:
        left = "unknown"
        if done := self.done - self.done_before:
            a_model = (time.monotonic() - self.phase_started) / done
            left = _duration(a_model * max(self.total_models - self.done, 0))
        best = "none" if self.best is None else f"{self.best:.3f}"
        lines = [
            f"step {self.step}   models {self.done} of {self.total_models}   best {best}",
            f"elapsed {_duration(self.seconds)}   left {left}",
        ]
        for epoch in list(self.training.values()):
            accuracy = f"training accuracy {epoch.accuracy:.2f}" if epoch.epoch else "starting"
            run = f", run {epoch.run}" if epoch.run else ""
            lines.append(f"  model {epoch.mid}{run}: epoch {epoch.epoch} of {self.num_epochs}, {accuracy}")
        return Text("\n".join(lines), overflow="crop", no_wrap=True)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))) if seconds < A_YEAR else "years"
