"""Scalars for TensorBoard: one curve, whatever the clock says."""

import struct
import time

from autodl_design.record.step_log import Event, StepLog
from autodl_design.record.step_table import FIELDS


def events(path):
    """Each is its length in 8 bytes, 4 bytes of a checksum, itself, and 4 more."""
    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def test_files_and_events_are_in_order_also_where_the_clock_was_set_back(tmp_path, monkeypatch):
    """TensorBoard reads the files in the order of their names."""
    (tmp_path / "tensorboard").mkdir()
    (
        tmp_path / "tensorboard/events.out.tfevents.1999999999.host.from_step_0"
    ).touch()  # of an earlier version
    now = time.time()
    for first_step, clock in ((0, now), (2, now - 86400), (4, now - 2 * 86400)):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        with StepLog(tmp_path, first_step) as step_log:
            for step in (first_step, first_step + 1):
                step_log.add({**dict.fromkeys(FIELDS, 0.0), "step": step})
    files = sorted((tmp_path / "tensorboard").iterdir())
    read = [event for path in files for event in events(path) if event.HasField("summary")]
    assert [event.step for event in read][:: len(FIELDS) - 1] == [0, 1, 2, 3, 4, 5]
    times = [event.wall_time for event in read]
    assert times == sorted(times)
