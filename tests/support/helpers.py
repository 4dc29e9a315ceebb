"""What tests of several files use: running commands, small models, a disk without space."""

import contextlib
import dataclasses
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.trainers.job import Job, TrainResult

ROOT = Path(__file__).parents[2]

# Flags of main.py: two steps of two models.
TINY = [
    "--num_nodes=2", "--width=4", "--num_stages=2", "--num_cells=1", "--epochs=2", "--T_0=2",
    "--warmup=1", "--batch_size=2", "--num_models=4", "--trainers=cpu:1",
]  # fmt: skip

# Models of two nodes a cell that are trained within a second.
CONFIG = ChildSettings(width=8, num_cells=1, num_stages=1, epochs=2, T_0=2.0, warmup=1.0)
JOBS = [
    Job(mid, Architecture.of(np.random.RandomState(mid).randint(0, 10, 4), [mid % 2, 1]))
    for mid in range(4)
]
# Eight 5x5 pairs on wide cells for thousands of epochs: not done before somebody ends it.
ENDLESS = dataclasses.replace(CONFIG, width=64, epochs=10000)


def run(*command: object, **options) -> subprocess.CompletedProcess:
    """`python COMMAND` as a user runs it, its output as text."""
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, capture_output=True, text=True, **{"cwd": ROOT, **options})


def without_seconds(result: TrainResult) -> TrainResult:
    return dataclasses.replace(result, seconds=0.0)


@contextlib.contextmanager
def limited_file_size(size: int):
    """What a process sees of a full disk, except for the error's name: no file can have more bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
