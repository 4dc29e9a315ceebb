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
UNITS = {"years": A_YEAR, "days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
# When the time that is left is said in a line of its own.
FIRST_MODELS, FIRST_SECONDS = 10, 60


class Progress:
    """total_models: of the whole search; num_epochs: of each; done: how many were known before; best: the
    highest accuracy among these; chance: the accuracy of guessing, where it is known."""

    def __init__(
        self,
        total_models: int,
        num_epochs: int,
        done: int = 0,
        best: float | None = None,
        chance: float | None = None,
    ):
        self.total_models = total_models
        self.done = done
        self.best = best
        self.chance = chance
        self.estimated = False  # whether the time that is left was said
        self.step = 0
        self.training: dict[tuple[int, int], Epoch] = {}  # by mid and run
        self.started = time.monotonic()
        self.begin_phase(0, num_epochs)
        # What Rich takes for a terminal may be a file, where FORCE_COLOR or TTY_COMPATIBLE is set.
        self.is_terminal = sys.stdout.isatty() and Console(file=sys.stdout).is_terminal
        self.console = Console(
            file=sys.stdout,
            highlight=False,
            emoji=False,
            soft_wrap=True,
            force_terminal=self.is_terminal,
            force_jupyter=False,  # lines of text in notebooks, too, not a block of HTML for each
        )
        self.live = Live(console=self.console, get_renderable=self._status, transient=True)

    def __enter__(self) -> "Progress":
        if self.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        self.live.stop()

    def begin_phase(self, more_models: int, num_epochs: int) -> None:
        """`more_models` are to be trained for so many epochs; from now on the time that is left is
        estimated by them."""
        self.total_models += more_models
        self.num_epochs = num_epochs
        self.phase_started, self.done_before = time.monotonic(), self.done
        self.waiting = True  # for the trainers' first sign of life: their start is no time of a model

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def print(self, line: str) -> None:
        self.console.print(line, markup=False)
        sys.stdout.flush()

    def epoch_done(self, epoch: Epoch) -> None:
        """Epoch 0 is the start of a model; a late report on one that is done is left out."""
        if self.waiting:
            self.phase_started, self.waiting = time.monotonic(), False
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
        elif model.stopped:
            result = f"stopped {model.reason}"
        else:
            result = f"accuracy {model.accuracy:.3f}"
            if not model.run:
                self.best = max(model.accuracy, self.best or 0.0)
        run = f", run {model.run}" if model.run else ""
        self.print(f"  model {model.mid}{run}: {result}")
        self._estimate_once()

    def seconds_left(self) -> float | None:
        """Estimated by the models of this phase; one in training counts by its epochs."""
        in_training = sum(epoch.epoch for epoch in list(self.training.values())) / self.num_epochs
        done = self.done - self.done_before + in_training
        if not done:
            return None
        left = max(self.total_models - self.done - in_training, 0)
        return (time.monotonic() - self.phase_started) / done * left

    def _estimate_once(self) -> None:
        """Say how long it takes, as soon as that can be told."""
        enough = self.done - self.done_before >= FIRST_MODELS
        if self.estimated or not (enough or time.monotonic() - self.phase_started > FIRST_SECONDS):
            return
        self.estimated = True
        if (left := self.total_models - self.done) > 0:
            self.print(f"about {rounded(self.seconds_left() or 0.0)} for the other {left:,} models")

    def _status(self) -> Text:
        seconds = self.seconds_left()
        left = "unknown" if seconds is None else _duration(seconds)
        best = "none" if self.best is None else f"{self.best:.3f}"
        if self.chance:
            best += f" (chance {self.chance:.3f})"
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


def rounded(seconds: float) -> str:
    """In the largest unit of which there are two or more."""
    for unit, size in UNITS.items():
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return "a second"
