"""One row a step of a search, for people who watch it.

    LOG_DIR/steps.csv       all steps, also after interruptions
    LOG_DIR/tensorboard/    the same as scalars: `tensorboard --logdir=LOG_DIR/tensorboard`
"""

from pathlib import Path

from tensorboardX import SummaryWriter

from record.steps import StepsWriter


class StepLog:
    """Goes on at `first_step`: later rows, of steps that are to be repeated, are dropped.

    Raises RecordError as StepsWriter does, OSError where there cannot be scalars.
    """

    def __init__(self, log_dir: Path, first_step: int):
        self.steps = StepsWriter(log_dir / "steps.csv", first_step)
        # A file for each start, all in one directory: TensorBoard shows one curve, in which a file that
        # starts at purge_step takes the place of what earlier ones have from there on. The suffix keeps
        # apart the files of two starts in one second.
        self.scalars = SummaryWriter(
            str(log_dir / "tensorboard"), purge_step=first_step, filename_suffix=f".from_step_{first_step}"
        )

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
