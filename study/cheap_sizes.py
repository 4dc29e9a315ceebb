"""How cheap sizes of the child network rank the networks that study.full_size trained.

    python -m study.cheap_sizes --data_path=cifar/study --sizes=w16_c1_e10   # trains what is missing
    python -m study.cheap_sizes                                              # the table

study.proxy asks this of dense and sparse architectures together, before there is a search. This asks
it of the networks of --full_size, which are finalists of searches and random sparse architectures, so most
of them have few edges. Sizes are named as in study.proxy. --results has a file a size.

The table has a row a size, over the networks that were trained at it. tau: Kendall's tau-b between the
accuracies of one run and those at the default size, on test images, as a mean over the runs; +-: its
standard error, by bootstrap over the networks. few: the same over the networks of at most 12 edges. edges,
parameters: the correlation of a network's accuracy, a mean over the runs, with how many of these it has.
seconds: the median time of a training on one core. mean, sd: of the accuracies of a run. The last row is
the default size itself, the reference of tau.
"""

import sys
from pathlib import Path

import numpy as np
from absl import app, flags

from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.subset import load_subset
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.settings.command_line import one_line
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.devices import DevicesError, find_devices
from autodl_design.trainers.job import Job
from study import proxy
from study.full_size import CHEAP_SIZES, TRAINED
from study.further_runs import train_missing
from study.records import RESULTS, read_runs

SUFFIX = ".jsonl.gz"
OWN_HEADS = RESULTS.parent / "small_own_heads"
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


def accuracies_of(runs: list[ModelRecord], networks: list[str]) -> np.ndarray:
    """[runs, networks]: of the runs that have all of these networks."""
    places = {name: place for place, name in enumerate(networks)}
    own = [run._replace(mid=places[run.network]) for run in runs if run.network in places]
    return proxy.accuracies_of(own, len(networks))


def print_row(size: str, runs: list[ModelRecord], networks: dict[str, list[ModelRecord]]) -> None:
    """Of the trainings at a size, over the networks that have some."""
    trained = {run.network for run in runs}
    names = [name for name in networks if name in trained]
    accuracies = accuracies_of(runs, names)
    if len(names) < 2 or not len(accuracies):
        print(f"{size} has no complete run yet")
        return
    firsts = [networks[name][0] for name in names]
    at_default = np.array([np.mean([run.accuracy for run in networks[name]]) for name in names])
    edges = np.array([sum(first.architecture.edges()) for first in firsts])
    parameters = [first.num_params for first in firsts]
    seconds = np.median([run.seconds for run in runs if run.network in networks])

    def tau_of(some: np.ndarray) -> str:
        if some.sum() < 2 or size == proxy.DEFAULT:  # which is the reference
            return "  nan   nan"
        tau, error = proxy.tau_and_error(accuracies[:, some], at_default[some])
        return f"{tau:5.2f} {error:5.2f}"

    mean = accuracies.mean(axis=0)
    overall, of_few = tau_of(np.ones_like(edges, bool)), tau_of(edges <= FEW)
    print(
        f"{size:22} {len(names):8} {len(accuracies):4} {overall} {of_few} "
        f"{np.corrcoef(mean, edges)[0, 1]:6.2f} {np.corrcoef(mean, parameters)[0, 1]:11.2f} "
        f"{seconds:8.1f} {mean.mean():6.3f} {accuracies.std(axis=1, ddof=1).mean():6.3f}"
    )


def print_table(networks: dict[str, list[ModelRecord]], results: Path) -> None:
    few = sum(sum(runs[0].architecture.edges()) <= FEW for runs in networks.values())
    print(f"{len(networks)} networks, {few} of them with at most {FEW} edges")
    print(f"{'size':22} networks runs   tau   +-    few   +-   edges  parameters  seconds   mean     sd")
    for path in sorted(results.glob(f"*{SUFFIX}")):
        print_row(path.name.removesuffix(SUFFIX), read_runs(path), networks)
    print_row(proxy.DEFAULT, [run for runs in networks.values() for run in runs], networks)


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    try:
        networks = read_networks(FLAGS.full_size)
        configs = {size: proxy.config_of(size) for size in FLAGS.sizes}
        if not configs:
            print_table(networks, results)
            return
        firsts = {name: runs[0] for name, runs in networks.items()}
        jobs = {name: Job(first.mid, first.architecture) for name, first in firsts.items()}
        images, devices = load_subset(FLAGS.data_path), find_devices(FLAGS.trainers)
        for size, config in configs.items():
            print(f"{size}:", flush=True)
            train_missing(results / f"{size}{SUFFIX}", jobs, FLAGS.runs, images, config, devices)
    except (RecordError, DatasetError, DevicesError, SettingsError, OSError) as error:
        sys.exit(f"study.cheap_sizes: {one_line(error)}")


if __name__ == "__main__":
    flags.DEFINE_list("sizes", [], "Sizes to train at; without any the table is printed.")
    flags.DEFINE_integer("runs", 1, "Trainings of each network at a size.", lower_bound=1)
    flags.DEFINE_list(
        "full_size",
        [str(RESULTS), str(OWN_HEADS)],
        f"Directories of {TRAINED}, the trainings at the default size.",
    )
    flags.DEFINE_string("results", str(CHEAP_SIZES), "Directory of the trainings.")
    flags.DEFINE_string("data_path", "cifar/study", "Where dataset_maker.py wrote the images.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    app.run(main)
