"""What a container's limits leave to trainers."""

import psutil
import pytest

from autodl_design.trainers import limits


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A control group of version 2 as it looks in a container."""
    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    monkeypatch.setattr(limits, "_own_groups", lambda controller: iter([tmp_path]))
    monkeypatch.setattr(limits.os, "sched_getaffinity", lambda process: range(8))
    return tmp_path


@pytest.mark.parametrize(
    "content, expected", [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1), ("?", 8)]
)
def test_a_quota_of_version_2(group, content, expected):
    (group / "cpu.max").write_text(content)
    assert limits.cores() == expected


def test_a_quota_of_version_1(group):
    (group / "cpu.cfs_quota_us").write_text("300000")
    (group / "cpu.cfs_period_us").write_text("100000")
    assert limits.cores() == 3
    (group / "cpu.cfs_quota_us").write_text("-1")
    assert limits.cores() == 8


def test_memory_that_is_left(group):
    (group / "memory.max").write_text(str(3 * 2**30))
    (group / "memory.current").write_text(str(2**30))
    assert limits.free_memory() == min(2 * 2**30, psutil.virtual_memory().available)
    (group / "memory.max").write_text("max")
    assert limits.free_memory() > 0


def test_this_process_has_a_core_and_memory():
    assert limits.cores() >= 1 and limits.free_memory() > 0
