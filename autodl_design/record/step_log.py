"""One row a step of a search, for people who watch it.

LOG_DIR/steps.csv       all steps, also after interruptions
LOG_DIR/tensorboard/    the same as scalars: `tensorboard --logdir=LOG_DIR/tensorboard`
"""

import time
from pathlib import Path

from autodl_design.backend.quiet_import import Without
from autodl_design.record.log_dir import LogDir
from autodl_design.record.step_table import StepsWriter

with Without("torch"):
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.summary import scalar


class StepLog:
    """Goes on at `first_step`: later rows, of steps that are to be repeated, are dropped.

    Raises RecordError as StepsWriter does, OSError where scalars cannot be written.
    """

    def __init__(self, log_dir: Path, first_step: int):
        files = LogDir(log_dir)
        self.steps = StepsWriter(files.steps, first_step)
        directory = files.scalars
        if not directory.exists():
            directory.mkdir()
        # Not tensorboardX's SummaryWriter, whose thread dies with a traceback on a full disk. A file for
        # each start, all in one directory: TensorBoard shows one curve, in which a file that begins with
        # the start of a session takes the place of what earlier ones have from its step on. Earlier
        # is what has the earlier name; a clock that was set back must not decide that, so a number of the
        # start stands before the time ("start" comes after the "out" of names without one).
        earlier = [path.stat().st_mtime for path in directory.iterdir()]
        self.newest = max(earlier, default=0.0)  # time of an event
        name = f"events.start_{len(earlier):06}"
        self.scalars = EventsWriter(str(directory / name), f".from_step_{first_step}")
        self._write(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))
        self.scalars.flush()

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
                self._write(Event(step=row["step"], summary=scalar(name, value)))
        self.scalars.flush()

    def _write(self, event: Event) -> None:
        # Never before the event before, where the clock was set back.
        self.newest = event.wall_time = max(time.time(), self.newest)
        self.scalars.write_event(event)
