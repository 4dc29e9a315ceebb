"""Does a step get slower as a search gets longer, and how long does resuming a long search take?

    python -m benchmarks.growth

A search of 3,200 steps of ten models at main.py's default sizes, with all its files, in which nothing is
trained: a model's accuracy is its share of tokens equal to 1. Prints the median time of a step over the
first 200 and the last 200 steps, once as it passed, which takes in waiting for the disk, and once as time
of the CPU; then how long the same search takes from opening its files to where it goes on.

Takes minutes. TMPDIR says on which disk the files are.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator

import numpy as np
from absl import app, flags

import autodl
import main
from nn_paddle import TrainResult
from progress import Progress
from run_record import RunRecord
from trainer_pool import Job, Outcome

FLAGS = flags.FLAGS


class CountingTrainers:
    """Notes the time at every step, which is when it gets jobs."""

    def __init__(self):
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
        self.seconds.append(time.perf_counter())
        self.cpu_seconds.append(time.process_time())
        for job in jobs:
            accuracy = job.tokens.count(1) / len(job.tokens)
            yield job, Outcome(TrainResult("ok", accuracy, 0.0, 0.0, 0, 0.0))


def search(log_dir: str, trainers: CountingTrainers) -> float:
    """Opens LOG_DIR and searches on to the last step; returns the seconds that took."""
    started = time.perf_counter()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        record = RunRecord(log_dir, {}, resume=True)
        with Progress(FLAGS.steps * FLAGS.batch_size, 1) as progress:
            main.run_search(trainers, record, progress, FLAGS.steps)
    record.lock.close()
    return time.perf_counter() - started


def run(argv: list[str]) -> None:
    # Without the cache every step hands all its models to the trainers, to the end.
    FLAGS.cache = False
    trainers = CountingTrainers()
    window = FLAGS.window
    with tempfile.TemporaryDirectory() as log_dir:
        search(log_dir, trainers)
        resuming = search(log_dir, CountingTrainers())
    last = FLAGS.steps
    columns = f"{f'steps 1-{window}':>16}{f'{last - window:,}-{last:,}':>16}{'ratio':>8}"
    print(f"{'median of a step, ms':24}{columns}")
    for name, moments in (("as it passed", trainers.seconds), ("of the CPU", trainers.cpu_seconds)):
        steps = 1000 * np.diff(moments)
        first, late = np.median(steps[:window]), np.median(steps[-window:])
        print(f"{name:24}{first:16.1f}{late:16.1f}{late / first:8.3f}")
    print(f"resuming a search of {last * FLAGS.batch_size:,} models: {resuming:.2f} s beyond imports")


if __name__ == "__main__":
    autodl.define_agent_flags()
    autodl.define_search_flags()
    flags.DEFINE_integer("steps", 3200, "Length of the search.", lower_bound=2)
    flags.DEFINE_integer("window", 200, "Steps that are compared.", lower_bound=1)
    app.run(run)
