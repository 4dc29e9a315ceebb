"""One row a step of a search, for people who watch it.

    LOG_DIR/steps.csv       all steps, also after interruptions
    LOG_DIR/tensorboard/    the same as scalars: `tensorboard --logdir=LOG_DIR/tensorboard`
"""

import shutil
from pathlib import Path

from tensorboardX import SummaryWriter

from record.steps import StepsWriter


class StepLog:
    """Goes on at `first_step`: later rows, of steps that are to be repeated, are dropped.

    Raises RecordError as StepsWriter does, OSError where there cannot be scalars.
    """

    def __init__(self, log_dir: Path, first_step: int):
        self.steps = StepsWriter(log_dir / "steps.csv", first_step)
        scalars = log_dir / "tensorboard" / f"from_step_{first_step}"  # each start has a place of its own
        if scalars.is_dir():  # rmtree would wait for a FIFO
            shutil.rmtree(scalars, ignore_errors=True)
        self.scalars = SummaryWriter(str(scalars))

    def __enter__(self) -> "StepLog":
        return self

    def __exit__(self, *exception) -> None:
        self.steps.close()
        self.scalars.close()

    def add(self, row: dict[str, float]) -> None:
        """row: as StepsWriter takes it."""
        self.steps.add(row)
        for name, value in row.items():
            if name != "step":
                self.scalars.add_scalar(name, value, row["step"])
        self.scalars.flush()
