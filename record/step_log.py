"""One row a step of a search, for people who watch it.

    LOG_DIR/steps.csv       all steps, also after interruptions
    LOG_DIR/tensorboard/    the same as scalars: `tensorboard --logdir=LOG_DIR/tensorboard`
"""

import csv
import io
import os
from pathlib import Path

import backend.parl_backend  # noqa: F401 -- it has to import PARL first

# isort: split
from parl.utils import logger, summary

from record.files import write_whole

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


class StepLog:
    """Goes on at `first_step`: later rows, of steps that are to be repeated, are dropped."""

    def __init__(self, log_dir: Path, first_step: int):
        path = log_dir / "steps.csv"
        rows = []
        if path.exists():
            with open(path, newline="") as file:
                complete = (row for row in csv.DictReader(file) if row["failed"])
                rows = [row for row in complete if int(row["step"]) < first_step]
        text = io.StringIO()
        writer = csv.DictWriter(text, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(path, text.getvalue().encode())
        self.file = open(path, "a", newline="")
        self.writer = csv.DictWriter(self.file, FIELDS)
        # PARL empties the directory it is given: one for each start.
        logger.set_dir(str(log_dir / "tensorboard" / f"from_step_{first_step}"))

    def add(self, row: dict[str, float]) -> None:
        """row: FIELDS, those that do not apply left out."""
        self.writer.writerow(row)
        self.file.flush()
        os.fsync(self.file.fileno())
        for name, value in row.items():
            if name != "step":
                summary.add_scalar(name, value, row["step"])
