"""Images a second that a machine trains child networks on, all its cores busy: ours and PyTorch's.

    pip install -r requirements/bench.txt
    python -m benchmarks.child_training    # ten minutes on two cores

For the default network and for that of main.py's quick preset, on fixed random architectures (edges
with probability 1/2):
* ours: as many one-thread processes as cores, each in nn_paddle.train_child, augmentation included;
* PyTorch, in channels_last (benchmarks/torch_peer.py), without augmentation: one process with all threads,
  and as many one-thread processes as cores; the latter also in mixed precision where the processor computes
  in bfloat16, and on request under torch.compile, without the time of compiling every new network.

Every process trains the same architecture. An unmeasured epoch comes first, then the processes wait for
each other, then an epoch of `updates` updates (ten times as many for the quick preset) is measured, until
the last process is done. A training in each of the ways makes a round; the ratio is that within a round.
"""

import concurrent.futures as futures
import dataclasses
import functools
import multiprocessing
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.search_space.architecture import Architecture
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from benchmarks import harness


class Span:
    """The measured epoch, as train_child's on_epoch: the second of two."""

    def __call__(self, epoch: int, loss: float, accuracy: float) -> None:
        if epoch == 1:
            _barrier.wait()
            self.start = time.perf_counter()
        elif epoch == 2:
            self.end = time.perf_counter()


def join(barrier) -> None:
    """Initialises a process of a group that starts measuring together."""
    global _barrier
    _barrier = barrier


class Network(NamedTuple):
    """A process can take it in without Paddle."""

    architecture: Architecture
    cells: list[tuple]  # its cells
    config: dict[str, Any]  # the fields of its ChildSettings


def train_ours(network: Network, updates: int) -> tuple[float, float]:
    """Start and end of the measured epoch, in seconds of a clock that all processes share."""
    from autodl_design.search_space.child import ChildSettings
    from nn_paddle import train_child

    config = ChildSettings(**network.config)
    subset = harness.noise_subset(updates * config.train_batch_size, num_validation=10)
    span = Span()
    train_child(network.architecture, subset, config, 0, span)
    return span.start, span.end


def train_torch(
    network: Network, updates: int, compiled: bool = False, **settings: Any
) -> tuple[float, float]:
    """As train_ours. settings: fields of ChildSettings that differ from the network's."""
    from benchmarks import torch_peer

    size = network.config["train_batch_size"]
    subset = harness.noise_subset(updates * size, num_validation=10)
    images = (subset.train_images.reshape(-1, 3, 32, 32) / 255).astype(np.float32)
    parts = [slice(i, i + size) for i in range(0, len(images), size)]
    batches = [(images[part], subset.train_labels[part]) for part in parts]
    span = Span()
    config = types.SimpleNamespace(**network.config | settings)
    torch_peer.train_child(network.cells, config, batches, span, compiled)
    return span.start, span.end


class Way(NamedTuple):
    """How to train."""

    train: Callable[[Network, int], tuple[float, float]]
    processes: int
    threads: int  # of each process
    device: str = "cpu"  # as autodl_design.trainers.devices.find_devices names it


WAYS = {
    "ours": Way(train_ours, harness.CORES, 1),
    "PyTorch, one process": Way(train_torch, 1, harness.CORES),
    "PyTorch, one a core": Way(train_torch, harness.CORES, 1),
}
BFLOAT16 = {"PyTorch, bfloat16": Way(functools.partial(train_torch, amp=True), harness.CORES, 1)}
COMPILED = {"PyTorch, compiled": Way(functools.partial(train_torch, compiled=True), harness.CORES, 1)}


def computes_in_bfloat16() -> bool:
    """Whether this processor has instructions for it."""
    words = Path("/proc/cpuinfo").read_text().split()
    return "avx512_bf16" in words or "amx_bf16" in words


def images_per_second(way: Way, network: Network, updates: int) -> float:
    """Of all processes together."""
    count = way.processes
    barrier = multiprocessing.get_context("spawn").Barrier(count)
    with harness.start_processes(count, way.threads, join, (barrier,), way.device) as pool:
        spans = [pool.submit(way.train, network, updates) for _ in range(count)]
        for span in futures.as_completed(spans):
            if error := span.exception():
                barrier.abort()  # or the others would wait for it
                raise error
        starts, ends = zip(*(span.result() for span in spans), strict=True)
    return count * updates * network.config["train_batch_size"] / (max(ends) - min(starts))


def draw_networks(name: str, count: int, **settings: Any) -> list[Network]:
    """name: "default" or one of main.py's presets. settings: fields of ChildSettings."""
    from autodl_design.agents.random_search import random_architecture
    from autodl_design.search_loop.settings import PRESETS
    from autodl_design.search_space.child import ChildSettings

    preset = PRESETS[name] if name != "default" else {}
    sizes = {key: preset[key] for key in ("width", "num_stages", "num_cells", "ratio") if key in preset}
    config = dataclasses.asdict(ChildSettings(epochs=2, **sizes, **settings))
    networks = []
    for index in range(count):
        architecture = random_architecture(index, 0, preset.get("num_nodes", 10))
        cells = [tuple(cell) for cell in architecture.cells()]
        networks.append(Network(architecture, cells, config))
    return networks


@dataclasses.dataclass(frozen=True)
class ChildTrainingSettings(Settings):
    """Training child networks"""

    sizes: str = setting("default,quick", "Of which networks.", choices=harness.SIZES)
    architectures: int = setting(5, "Random architectures.", low=1)
    rounds: int = setting(1, "Trainings of each in each of the ways.", low=1)
    compiled: bool = setting(False, "Also PyTorch under torch.compile; needs a C++ compiler.")
    updates: int = setting(6, "Updates measured of each (ten times as many if quick).", low=1)
    train_batch_size: int = setting(32, "Images an update.", low=1)
    output: str = setting("benchmarks/results/child_training.json", "Where the figures go, as JSON.")


def main(arguments: list[str]) -> None:
    settings = from_flags(ChildTrainingSettings)
    figures: dict[str, Any] = {}
    rows = []
    ways = WAYS | (BFLOAT16 if computes_in_bfloat16() else {}) | (COMPILED if settings.compiled else {})
    for size in settings.sizes.split(","):
        updates = settings.updates * (1 if size == "default" else 10)
        samples: dict[str, list[float]] = {way: [] for way in ways}
        networks = draw_networks(size, settings.architectures, train_batch_size=settings.train_batch_size)
        for number, network in enumerate(networks):
            sides = {
                name: functools.partial(images_per_second, way, network, updates)
                for name, way in ways.items()
            }
            for way, values in harness.interleave(sides, settings.rounds).items():
                samples[way] += values
                print(f"{size}, architecture {number}, {way}: {values[-1]:.1f} images/s", flush=True)
        ratios = {way: harness.ratios(samples["ours"], values) for way, values in samples.items()}
        rows += [[size, way, harness.quartiles(samples[way]), ratios[way]] for way in ways]
        figures[size] = {"images_per_second": samples, "ratio_quartiles": ratios}
    harness.print_table(["network", "training", "images / s", "ours / it"], rows)
    print(f"Median (quartiles) over {settings.architectures} architectures x {settings.rounds} rounds")
    harness.save(figures, settings.output)


if __name__ == "__main__":
    define_flags(ChildTrainingSettings)
    command_line.start(main, (ChildTrainingSettings,))
