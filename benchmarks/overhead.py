"""A model's whole time on this machine: how many an hour, where their time goes, and a trainer's memory.

    python -m benchmarks.overhead    # four minutes on two cores
    python -m benchmarks.overhead --sizes=quick --warm_models=49    # does the memory of a trainer grow?

Trains random architectures (edges with probability 1/2) of the default size and of main.py's quick preset
as a search does, in a trainer a core, all of them at once: in each a first model, which pays for the start
of the process and its imports ("cold"), and then `warm_models` more. They train for `updates` updates only
(ten times as many if quick); a whole model, of all its epochs on 900 images, follows from the median
update. The time of the first two updates beyond the median one, in which Paddle prepares the program and
the kernel its memory, is overhead, as is all that is neither an update, nor a batch's augmentation, nor
evaluation.

Memory, in MiB: the resident size of the trainer after the model, and the largest one that it had so far.
"""

import collections
import concurrent.futures as futures
import contextlib
import dataclasses
import resource
import statistics
import time
from collections.abc import Iterator
from unittest import mock

import numpy as np
import psutil

import nn_paddle
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from benchmarks import harness
from nn_paddle import ChildTraining

TRAINING_IMAGES, HELD_OUT = 900, 100
MIB = 2**20


class TimedTrainer(ChildTraining):
    """Notes the seconds that its parts take."""

    seconds: dict[str, list[float]] = collections.defaultdict(list)

    @contextlib.contextmanager
    def timing(self, part: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[part].append(time.perf_counter() - begin)

    def __enter__(self) -> ChildTraining:
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
    nn_paddle.ChildTraining = TimedTrainer


def train(architecture: Architecture, config: ChildSettings, updates: int) -> dict[str, list[float]]:
    """Train a model in this process: the seconds of its parts, of all as "model", and MiB of memory."""
    TimedTrainer.seconds.clear()
    subset = harness.noise_subset(updates * config.train_batch_size, HELD_OUT)
    short = dataclasses.replace(config, epochs=1)
    result = nn_paddle.train_child(architecture, subset, short, seed=0)
    memory = {
        "resident MiB": [psutil.Process().memory_info().rss / MIB],
        "peak MiB": [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB],
    }
    return {**TimedTrainer.seconds, "model": [result.seconds], **memory}


def costs(seconds: dict[str, list[float]], wall: float, config: ChildSettings) -> dict[str, float]:
    """Seconds of a whole model by part, share of the overhead in it, models an hour on all cores, MiB."""
    updates = config.epochs * (TRAINING_IMAGES // config.train_batch_size)
    update = statistics.median(seconds["updates"])
    batches = sum(seconds["training"]) - sum(seconds["updates"])
    total, building, evaluation, training = (
        sum(seconds[part]) for part in ("model", "building", "evaluation", "training")
    )
    work = {
        "updates": updates * update,
        "batches and augmentation": batches * updates / len(seconds["updates"]),
        "evaluation": evaluation,
    }
    overhead = {
        "start of the process, imports": wall - total,
        "building the programs": building,
        "first two updates, beyond the median": sum(seconds["updates"][:2]) - 2 * update,
        "other overhead": total - building - evaluation - training,
    }
    whole = sum(work.values()) + sum(overhead.values())
    return {
        **work,
        **overhead,
        "whole model": whole,
        "share of overhead": sum(overhead.values()) / whole,
        "models an hour, all cores": harness.CORES * 3600 / whole,
        **{part: seconds[part][0] for part in ("resident MiB", "peak MiB")},
    }


@dataclasses.dataclass(frozen=True)
class OverheadSettings(Settings):
    """A model's whole time"""

    sizes: str = setting("default,quick", "Of which models.", choices=harness.SIZES)
    rounds: int = setting(2, "Trainers on each core, one after the other.", low=1)
    warm_models: int = setting(2, "Models in each after the first.", low=1)
    updates: int = setting(8, "Updates for which each is trained (ten times as many if quick).", low=5)
    output: str = setting("benchmarks/results/overhead.json", "Where the figures go, as JSON.")


def measure(size: str, settings: OverheadSettings) -> dict[str, list[dict[str, float]]]:
    """Costs of cold and of warm models."""
    from autodl_design.agents.random_search import random_architecture
    from autodl_design.search_loop.settings import PRESETS

    preset = PRESETS.get(size, {})
    fields = {field.name for field in dataclasses.fields(ChildSettings)}
    config = ChildSettings(**{name: value for name, value in preset.items() if name in fields})
    updates = settings.updates * (10 if preset else 1)
    samples: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for number in range(settings.rounds):
        begin = time.perf_counter()
        with harness.start_processes(harness.CORES, 1, start) as pool:
            for index in range(1 + settings.warm_models):
                architecture = random_architecture(index, 0, preset.get("num_nodes", 10))
                models = [pool.submit(train, architecture, config, updates) for _ in range(harness.CORES)]
                for model in futures.as_completed(models):
                    cost = costs(model.result(), time.perf_counter() - begin, config)
                    samples["warm" if index else "cold"].append(cost)
                    print(
                        f"{size}, round {number}, model {index}: {cost['whole model']:.1f} s, "
                        f"{cost['resident MiB']:.0f} MiB",
                        flush=True,
                    )
                begin = time.perf_counter()
    return samples


def main(arguments: list[str]) -> None:
    settings = from_flags(OverheadSettings)
    samples = {
        f"{size}, {kind}": costs
        for size in settings.sizes.split(",")
        for kind, costs in measure(size, settings).items()
    }
    parts = next(iter(samples.values()))[0]
    rows = [
        [part, *(harness.quartiles([cost[part] for cost in costs]) for costs in samples.values())]
        for part in parts
    ]
    harness.print_table(["times in seconds", *samples], rows)
    print("Median (quartiles)")
    harness.save({"costs": samples}, settings.output)


if __name__ == "__main__":
    define_flags(OverheadSettings)
    command_line.start(main, (OverheadSettings,))
