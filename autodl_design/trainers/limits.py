"""How many CPU cores and how much memory this process may use: the machine's, or less in a container."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """At least 1. Of half a core and more, a quota counts as a whole one."""
    count = float(len(os.sched_getaffinity(0)))
    for directory in _own_groups("cpu"):
        quota, period = _numbers(directory / "cpu.max", 2)  # version 2
        if period is None:
            (quota,) = _numbers(directory / "cpu.cfs_quota_us", 1)
            (period,) = _numbers(directory / "cpu.cfs_period_us", 1)
        if quota and period and quota > 0:
            count = min(count, quota / period)
    return max(1, int(count + 0.5))


def free_memory() -> int:
    """Bytes."""
    free = psutil.virtual_memory().available
    for directory in _own_groups("memory"):
        for limit, usage in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            (most,), (used,) = _numbers(directory / limit, 1), _numbers(directory / usage, 1)
            if most is not None and used is not None:
                free = min(free, max(0, int(most - used)))
    return free


def _own_groups(controller: str) -> Iterator[Path]:
    """The directories of this process's control group and of those that it lies in; see cgroups(7)."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # no control groups
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root = CGROUPS
        elif controller in controllers.split(","):
            root = CGROUPS / controller
        else:
            continue
        directory = root / path.lstrip("/")
        # In a container the path can be that of the host, which is not there; its root is the container's.
        yield from (place for place in (directory, *directory.parents) if place.is_relative_to(root))


def _numbers(path: Path, count: int) -> list[float | None]:
    """The first numbers in a file; None for each that is missing or "max"."""
    try:
        words = path.read_text().split()[:count]
    except OSError:
        words = []
    numbers = [float(word) if word.lstrip("-").isdecimal() else None for word in words]
    return numbers + [None] * (count - len(numbers))
