"""Memory of a trainer process: its peak at the default size, and its growth from model to model.

    python -m benchmarks.memory    # five minutes

Peak: the largest resident size in which random architectures (edges with probability 1/2) were trained at
the default size, for a few updates, and evaluated. Growth: the resident size after each of 50 small
models, against that after the third.
"""

import resource

import psutil
from absl import app, flags

from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildConfig
from benchmarks import harness
from nn_paddle import train_child

FLAGS = flags.FLAGS
SMALL = ChildConfig(width=16, num_cells=1, epochs=1)
MIB = 2**20


def train(architecture: Architecture, config: ChildConfig, updates: int) -> tuple[float, float]:
    """Train a model in this process; its resident size after it, and its peak so far, in MiB."""
    subset = harness.noise_subset(updates * config.train_batch_size, 100)
    train_child(architecture, subset, config, seed=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return psutil.Process().memory_info().rss / MIB, peak / MIB


def train_all(models: int, config: ChildConfig, updates: int) -> list[tuple[float, float]]:
    """One after the other, in one process."""
    from autodl_design.agents.random_search import random_architecture

    architectures = [random_architecture(index, 0) for index in range(models)]
    with harness.start_processes(1, 1) as pool:
        return [pool.submit(train, one, config, updates).result() for one in architectures]


def main(argv: list[str]) -> None:
    peaks = [peak for _, peak in train_all(FLAGS.architectures, ChildConfig(epochs=1), updates=3)]
    print(f"peak over {FLAGS.architectures} architectures at the default size: {peaks[-1]:.0f} MiB")
    sizes = [size for size, _ in train_all(FLAGS.models, SMALL, updates=5)]
    shown = sorted({3, FLAGS.models, *range(10, FLAGS.models, 10)})
    rows = [[n, f"{sizes[n - 1]:.0f}", f"{sizes[n - 1] / sizes[2] - 1:+.1%}"] for n in shown]
    harness.print_table(["after model", "resident MiB", "since the third"], rows)
    harness.save({"peak_mib_default": peaks, "resident_mib_small": sizes})


if __name__ == "__main__":
    harness.define_flags("memory")
    flags.DEFINE_integer("architectures", 5, "Architectures at the default size.", lower_bound=1)
    flags.DEFINE_integer("models", 50, "Small models in a row.", lower_bound=3)
    app.run(main)
