"""Does a step get slower as a search gets longer, and how long does resuming a long search take?

    python -m study.growth

A search of 3,200 steps of ten models at main.py's default sizes, with all its files, in which nothing is
trained: a model's accuracy is its share of tokens equal to 1. Prints the median time of a step over the
first 200 and the last 200 steps and, since a machine's speed drifts with what else it does, over the first
200 of a new search right after; the ratio is that of the last two. Once as time passed, which takes in
waiting for the disk, and once as time of the CPU. Then how long the long search takes from opening files
to where it goes on.

Takes minutes. TMPDIR says on which disk the files are.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator

import numpy as np
from absl import app, flags

import main
from autodl_design.search_loop.settings import RunConfig, SearchConfig, SearchSettings
from autodl_design.trainers.job import Job, Outcome
from autodl_design.trainers.pseudo import PseudoTrainers

FLAGS = flags.FLAGS
BATCH_SIZE = 10


class TimedTrainers(PseudoTrainers):
    """Notes the time at every step, which is when it gets jobs."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
        self.seconds.append(time.perf_counter())
        self.cpu_seconds.append(time.process_time())
        return super().run(jobs)


def search(log_dir: str, num_steps: int) -> TimedTrainers:
    """Opens LOG_DIR and searches on until `num_steps` are done."""
    trainers = TimedTrainers()
    settings = SearchSettings(
        # Without the cache, so that every step hands all its models to the trainers, to the end.
        SearchConfig(log_dir=log_dir, resume=True, cache=False),
        RunConfig(num_models=num_steps * BATCH_SIZE - 1, batch_size=BATCH_SIZE),
    )
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        main.search(settings, trainers=trainers)
    return trainers


def run(argv: list[str]) -> None:
    last, window = FLAGS.steps, FLAGS.window
    with tempfile.TemporaryDirectory() as log_dir:
        long = search(log_dir, last)
        started, cpu_started = time.perf_counter(), time.process_time()
        search(log_dir, last)
        resuming, cpu_resuming = time.perf_counter() - started, time.process_time() - cpu_started
    with tempfile.TemporaryDirectory() as log_dir:
        new = search(log_dir, window + 1)

    columns = (f"1-{window}", f"{last - window:,}-{last:,}", "new search", "ratio")
    print(f"{'median of a step, ms':24}" + "".join(f"{column:>14}" for column in columns))
    for name in ("seconds", "cpu_seconds"):
        steps, new_steps = (1000 * np.diff(getattr(trainers, name)) for trainers in (long, new))
        first, late, again = (np.median(part) for part in (steps[:window], steps[-window:], new_steps))
        print(f"{name:24}{first:14.1f}{late:14.1f}{again:14.1f}{late / again:14.3f}")
    print(
        f"resuming a search of {last * BATCH_SIZE:,} models, beyond imports: {resuming:.2f} s, "
        f"{cpu_resuming:.2f} s of the CPU"
    )


if __name__ == "__main__":
    flags.DEFINE_integer("steps", 3200, "Length of the search.", lower_bound=2)
    flags.DEFINE_integer("window", 200, "Steps that are compared.", lower_bound=1)
    app.run(run)
