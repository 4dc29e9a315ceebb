"""Shows how a search gets on: a status line on a terminal, plain lines of text anywhere else."""

import sys
import time
from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.text import Text

from record.history import ModelRecord
from trainers.job import Epoch

YEAR = 365 * 24 * 3600  # seconds


class Progress:
    """total_models: how many the search will train; num_epochs: of each."""

    def __init__(self, total_models: int, num_epochs: int):
        self.total_models = total_models
        self.num_epochs = num_epochs
        self.step = 0
        self.done = 0
        self.training: dict[int, Epoch] = {}
        self.started = time.monotonic()
        self.console = Console(file=sys.stdout, highlight=False, emoji=False, soft_wrap=True)
        self.live = Live(console=self.console, get_renderable=self._status, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        self.live.stop()

    def print(self, line: str) -> None:
        self.console.print(line, markup=False)
        sys.stdout.flush()

    def epoch_done(self, epoch: Epoch) -> None:
        self.training[epoch.mid] = epoch

    def model_done(self, model: ModelRecord) -> None:
        """model: also a further run of one."""
        self.training.pop(model.mid, None)
        self.step = model.step
        self.done += 1
        if model.status == "failed":
            result = f"failed, {model.reason}"
        else:
            result = f"accuracy {model.accuracy:.3f}"
        run = f", run {model.run}" if model.run else ""
        self.print(f"  model {model.mid}{run}: {result}")

    def _status(self) -> Text:
        running = ", ".join(
            f"model {e.mid} epoch {e.epoch}/{self.num_epochs} training accuracy {e.accuracy:.2f}"
            for e in self.training.values()
        )
        left = "unknown"
        if self.done:
            seconds = (time.monotonic() - self.started) / self.done * (self.total_models - self.done)
            left = str(timedelta(seconds=round(seconds))) if seconds < YEAR else "years"
        return Text(
            f"step {self.step}, {self.done} of {self.total_models} models, time left {left}"
            + (f" | {running}" if running else ""),
            overflow="ellipsis",
            no_wrap=True,
        )
