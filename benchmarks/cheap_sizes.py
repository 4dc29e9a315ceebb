"""How cheap sizes of the child network rank the networks that benchmarks.full_size trained.

    python -m benchmarks.cheap_sizes --data_path=cifar/study --sizes=w16_c1_e10   # trains what is missing
    python -m benchmarks.cheap_sizes                                              # the table

benchmarks.proxy asks this of dense and sparse architectures together, before there is a search. This asks
it of the networks of --full_size, which are finalists of searches and random sparse architectures, so most
of them have few edges. Sizes are named as in benchmarks.proxy. --results has a file a size.

The table has a row a size. tau: Kendall's tau-b between the accuracies of one run and those at the default
size, on test images, as a mean over the runs; +-: its standard error, by bootstrap over the networks. few:
the same over the networks of at most 12 edges. edges, parameters: the correlation of a network's accuracy,
a mean over the runs, with how many of these it has. seconds: the median time of a training on one core.
mean, sd: of the accuracies of a run. The last row is the default size itself.
"""

import sys
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks.full_size import TRAINED
from benchmarks.further_runs import further_runs
from benchmarks.histories import RESULTS, read_runs, write_runs
from benchmarks.proxy import DEFAULT, config_of, tau_and_error
from dataset_maker import DatasetError, load_subset
from record.history import ModelRecord, RecordError
from settings.command import one_line
from settings.fields import SettingsError
from trainers.devices import DevicesError, find_devices
from trainers.job import Job

SUFFIX = ".jsonl.gz"
FEW = 12  # edges
FLAGS = flags.FLAGS


def read_networks(directories: list[str]) -> dict[str, list[ModelRecord]]:
    """The trainings at the default size of each network, in the order of their names. Raises RecordError
    where there are fewer than two networks."""
    networks: dict[str, list[ModelRecord]] = {}
    for directory in directories:
        for run in read_runs(Path(directory) / TRAINED):
            networks.setdefault(run.network, []).append(run)
    if len(networks) < 2:
        raise RecordError(f"--full_size={','.join(directories)}: {len(networks)} networks; two are needed")
    return dict(sorted(networks.items()))


def train(size: str, networks: dict[str, list[ModelRecord]], path: Path) -> None:
    """Train the networks at a size --runs times, where that is missing from `path`."""
    jobs = {name: Job(runs[0].mid, runs[0].tokens, runs[0].adjvec) for name, runs in networks.items()}
    runs = read_runs(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"{size}:")
    images, devices = load_subset(FLAGS.data_path), find_devices(FLAGS.trainers)
    for run in further_runs(jobs, runs, FLAGS.runs, images, config_of(size), devices):
        runs = [*runs, run]
        write_runs(path, runs)


def accuracies_of(runs: list[ModelRecord], networks: list[str]) -> np.ndarray:
    """[runs, networks]: of the runs that have all of these networks."""
    values = np.full((max((run.run for run in runs), default=0), len(networks)), np.nan)
    for run in runs:
        if run.network in networks:
            values[run.run - 1, networks.index(run.network)] = run.accuracy
    return values[np.isfinite(values).all(axis=1)]


def print_table(networks: dict[str, list[ModelRecord]], results: Path) -> None:
    firsts = [runs[0] for runs in networks.values()]
    at_default = np.array([np.mean([run.accuracy for run in runs]) for runs in networks.values()])
    edges = np.array([sum(first.adjvec) for first in firsts])
    parameters = np.array([first.num_params for first in firsts])
    few = edges <= FEW

    def tau_of(accuracies: np.ndarray, some: np.ndarray) -> str:
        if some.sum() < 2:
            return "  nan   nan"
        pairs = np.ones((some.sum(), some.sum()), bool)
        tau, error = tau_and_error(accuracies[:, some], at_default[some], pairs)
        return f"{tau:5.2f} {error:5.2f}"

    def row(name: str, accuracies: np.ndarray, seconds: float) -> None:
        mean = accuracies.mean(axis=0)
        print(
            f"{name:22} {len(accuracies):4} {tau_of(accuracies, few >= 0)} {tau_of(accuracies, few)} "
            f"{np.corrcoef(mean, edges)[0, 1]:6.2f} {np.corrcoef(mean, parameters)[0, 1]:11.2f} "
            f"{seconds:8.1f} {mean.mean():6.3f} {accuracies.std(axis=1, ddof=1).mean():6.3f}"
        )

    print(f"{len(networks)} networks, {few.sum()} of them with at most {FEW} edges")
    print(f"{'size':22} runs   tau   +-    few   +-   edges  parameters  seconds   mean     sd")
    for path in sorted(results.glob(f"*{SUFFIX}")):
        size, runs = path.name.removesuffix(SUFFIX), read_runs(path)
        accuracies = accuracies_of(runs, list(networks))
        if len(accuracies):
            row(size, accuracies, np.median([run.seconds for run in runs if run.network in networks]))
        else:
            print(f"{size} has no complete run yet")
    seconds = np.median([run.seconds for runs in networks.values() for run in runs])
    row(DEFAULT, at_default[None], seconds)


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    try:
        networks = read_networks(FLAGS.full_size)
        for size in FLAGS.sizes:
            config_of(size)
        for size in FLAGS.sizes:
            train(size, networks, results / f"{size}{SUFFIX}")
        if not FLAGS.sizes:
            print_table(networks, results)
    except (RecordError, DatasetError, DevicesError, SettingsError, OSError) as error:
        sys.exit(f"benchmarks.cheap_sizes: {one_line(error)}")


if __name__ == "__main__":
    flags.DEFINE_list("sizes", [], "Sizes to train at; without any the table is printed.")
    flags.DEFINE_integer("runs", 1, "Trainings of each network at a size.", lower_bound=1)
    flags.DEFINE_list(
        "full_size",
        [str(RESULTS), str(RESULTS.parent / "small_own_heads")],
        f"Directories of {TRAINED}, the trainings at the default size.",
    )
    flags.DEFINE_string("results", str(RESULTS.parent / "cheap_sizes"), "Directory of the trainings.")
    flags.DEFINE_string("data_path", "cifar/study", "Where dataset_maker.py wrote the images.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    app.run(main)
