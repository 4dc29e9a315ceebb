"""What the benchmarks share: processes of their own, measuring in turns, a table, a JSON file."""

import concurrent.futures as futures
import gc
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from autodl_design.checked_io.files import write_whole
from autodl_design.image_data.subset import Subset

CORES = len(os.sched_getaffinity(0))
SIZES = ("default,quick", "default", "quick")  # of which networks figures may be asked for


class Quartiles(NamedTuple):
    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} - {self.high:.3g})"


def quartiles(samples: Sequence[float]) -> Quartiles:
    if len(samples) == 1:
        return Quartiles(*3 * samples)
    return Quartiles(*statistics.quantiles(samples, n=4, method="inclusive"))


def interleave(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure all sides once a round, so that what disturbs the machine disturbs them alike; every other
    round goes backwards, so that none always follows the same one."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            samples[name].append(sides[name]())
    return samples


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Quartiles:
    """Of samples taken in the same round."""
    return quartiles([a / b for a, b in zip(ours, theirs, strict=True)])


def start_processes(
    count: int,
    threads: int,
    initializer: Callable[..., None] | None = None,
    initargs: tuple = (),
    device: str = "cpu",
) -> futures.ProcessPoolExecutor:
    """Fresh processes with the environment of a trainer on that device, except for the number of `threads`.

    They import the main module again. So that one side's process does not hold the other's libraries, a
    benchmark with two sides imports either within the functions that need it, as this one does.
    """
    from autodl_design.trainers.process import environment

    context = multiprocessing.get_context("spawn")
    pool = futures.ProcessPoolExecutor(
        count, context, initializer=_start_process, initargs=(initializer, initargs)
    )
    values = environment(device)
    values |= {name: str(threads) for name in values if name.endswith("_NUM_THREADS")}
    with mock.patch.dict(os.environ, values):
        futures.wait([pool.submit(os.getpid) for _ in range(count)])
    return pool


def _start_process(initializer: Callable[..., None] | None, initargs: tuple) -> None:
    gc.freeze()  # as a trainer does
    multiprocessing.set_start_method("fork", force=True)  # PARL's import relies on it
    if initializer:
        initializer(*initargs)


def noise_subset(num_train: int, num_validation: int) -> Subset:
    """What is in the images does not matter for the speed."""
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(0, 256, (n, 3072)).astype(np.uint8), rng.integers(0, 10, n)

    return Subset(*draw(num_train), *draw(num_validation), tuple("0123456789"))


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """In Markdown."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(padded)} |", flush=True)


def save(figures: dict[str, Any], output: str) -> None:
    """Write the figures, with versions, machine and command, to a JSON file."""
    path = Path(output)
    content = {"command": sys.argv[1:], "machine": _machine(), "versions": _versions(), **figures}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(content, indent=1).encode() + b"\n")
    except OSError as error:
        sys.exit(f"--output={path} cannot be written: {error.strerror}")
    print(f"Wrote {path}")


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cores": CORES}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("paddlepaddle", "paddlepaddle-gpu", "parl", "numpy", "torch"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
