"""What a model costs besides its training: everything but forward, backward and update.

    python -m benchmarks.overhead    # five minutes

Trains random architectures (edges with probability 1/2) at the default size in trainer processes of their
own: in each a first model, which pays for the start of the process and its imports ("cold"), and then
`warm_models` more. They train for `updates` updates only; shares are of a whole model, of 20 epochs on
900 images, whose time follows from its median update. The time of the first two updates beyond the median
one, in which Paddle prepares the program and the kernel its memory, is overhead.
"""

import collections
import contextlib
import statistics
import time
from collections.abc import Iterator
from unittest import mock

import numpy as np
from absl import app, flags

import nn_paddle
from benchmarks import harness
from nn_paddle import ChildTrainer
from search_space.child import ChildConfig

FLAGS = flags.FLAGS
HELD_OUT = 100
UPDATES_A_MODEL = ChildConfig.epochs * (900 // ChildConfig.train_batch_size)


class TimedTrainer(ChildTrainer):
    """Notes the seconds that its parts take."""

    seconds: dict[str, list[float]] = collections.defaultdict(list)

    @contextlib.contextmanager
    def timing(self, part: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[part].append(time.perf_counter() - begin)

    def __enter__(self) -> ChildTrainer:
        with self.timing("building"):
            return super().__enter__()

    def train_epoch(self) -> tuple[float, float]:
        run = self.executor.run

        def timed_run(*args):
            with self.timing("updates"):
                return run(*args)

        with mock.patch.object(self.executor, "run", timed_run), self.timing("training"):
            return super().train_epoch()

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        with self.timing("evaluation"):
            return super().evaluate(images, labels)


def start() -> None:
    nn_paddle.ChildTrainer = TimedTrainer


def train(tokens: list[int], adjvec: list[int], updates: int) -> dict[str, list[float]]:
    """Train a model in this process: the seconds of its parts, and of all as "model"."""
    TimedTrainer.seconds.clear()
    subset = harness.noise_subset(updates * ChildConfig.train_batch_size, HELD_OUT)
    result = nn_paddle.train_child(tokens, adjvec, subset, ChildConfig(epochs=1), seed=0)
    return {**TimedTrainer.seconds, "model": [result.seconds]}


def costs(seconds: dict[str, list[float]], wall: float) -> dict[str, float]:
    """Seconds of overhead by part, and shares of a whole model's time."""
    update = statistics.median(seconds["updates"])
    batches = sum(seconds["training"]) - sum(seconds["updates"])
    total, building, evaluation, training = (
        sum(seconds[part]) for part in ("model", "building", "evaluation", "training")
    )
    cost = {
        "process and imports": wall - total,
        "building the graphs": building,
        "first two updates": sum(seconds["updates"][:2]) - 2 * update,
        "rest": total - building - evaluation - training,
    }
    overhead = sum(cost.values())
    batches *= UPDATES_A_MODEL / len(seconds["updates"])
    whole = overhead + batches + evaluation + UPDATES_A_MODEL * update
    return {
        **cost,
        "overhead": overhead,
        "batches and augmentation": batches,
        "evaluation": evaluation,
        "augmentation, share of a model": batches / whole,
        "evaluation, share of a model": evaluation / whole,
        "overhead, share of a model": overhead / whole,
    }


def main(argv: list[str]) -> None:
    from benchmarks.recipe import random_architecture  # with PARL, which trainers do without

    samples: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for process in range(FLAGS.processes):
        begin = time.perf_counter()
        with harness.start_processes(1, 1, start, ()) as pool:
            for index in range(1 + FLAGS.warm_models):
                seconds = pool.submit(train, *random_architecture(index, 0), FLAGS.updates).result()
                now = time.perf_counter()
                samples["warm" if index else "cold"].append(costs(seconds, now - begin))
                print(f"trainer {process}, model {index}: {now - begin:.1f} s", flush=True)
                begin = now
    rows = [
        [name, *(harness.quartiles([cost[name] for cost in costs]) for costs in samples.values())]
        for name in samples["cold"][0]
    ]
    harness.print_table(["seconds a model at the default size", *samples], rows)
    print("Median (quartiles)")
    harness.save({"costs": samples})


if __name__ == "__main__":
    harness.define_flags("overhead")
    flags.DEFINE_integer("processes", 3, "Trainers, one after the other.", lower_bound=1)
    flags.DEFINE_integer("warm_models", 2, "Models in each after the first.", lower_bound=1)
    flags.DEFINE_integer("updates", 8, "Updates for which each is trained.", lower_bound=5)
    app.run(main)
