"""Which cheap sizes of the child network rank architectures as the default size does.

    python dataset_maker.py --validation_per_class=100 --test_per_class=166 --output_dir=cifar/study
    python -m study.proxy --data_path=cifar/study --sizes=w8_c1_e5,w64_c3_e20 --runs=1
    python -m study.proxy                    # the table of all that is recorded

A size is named by its width, its cells a stage and its epochs of training; w64_c3_e20 is the default. The
epochs are those of a whole learning rate schedule, a tenth of it warm-up. Further parts, as in
w8_c1_e3_lr0.1_b16, are its highest learning rate and the images an update. All else is as in main.py, ten
nodes a cell included.

The architectures: nine random ones (edges with probability 1/2), nine sparse ones (edges with probability
0.15), and those of found.jsonl, which searches found. Each size has a file in --results with a record a
training; what is recorded there is not trained again. A training that failed counts as accuracy 0.

The table has a row a size. tau: Kendall's tau-b between the accuracies of one run and those of the default
size, as a mean over the runs; +-: its standard error, by bootstrap over the architectures. within: the same
over pairs of one kind only. seconds: the median time of a training on one core. between: the standard
deviation of the accuracy between architectures; noise: that between trainings of one; both need two runs.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags

from autodl_design.agents.random_search import random_architectures
from autodl_design.checked_io.files import read_json_lines
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.subset import load_subset
from autodl_design.record.history import HistoryWriter, ModelRecord, RecordError, read_final_runs
from autodl_design.search_loop.training_reward import accuracy_less_parameters, model_record
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.child import ChildConfig
from autodl_design.settings.command_line import one_line
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.devices import DevicesError, find_devices
from autodl_design.trainers.job import Job
from autodl_design.trainers.pool import TrainerPool
from nn_paddle import TrainJob

RESULTS = Path(__file__).parent / "records/proxy"
DEFAULT = "w64_c3_e20"
NUMBER = r"([1-9]\d*)"
SIZE = rf"w{NUMBER}_c{NUMBER}_e{NUMBER}(?:_lr(\d+\.\d+))?(?:_b{NUMBER})?"
DRAWN = 9  # of each kind
SPARSE = 0.15
NUM_NODES = 10
FLAGS = flags.FLAGS


class Studied(NamedTuple):
    kind: str
    architecture: Architecture


def config_of(size: str) -> ChildConfig:
    """Raises SettingsError where there is no such size."""
    match = re.fullmatch(SIZE, size)
    if not match:
        raise SettingsError(f"--sizes: {size} is no size; one is {DEFAULT}")
    width, num_cells, epochs = map(int, match.groups()[:3])
    further = {"lr_max": float(match[4])} if match[4] else {}
    if match[5]:
        further["train_batch_size"] = int(match[5])
    return ChildConfig(
        width=width, num_cells=num_cells, epochs=epochs, T_0=float(epochs), warmup=epochs / 10, **further
    )


def read_architectures(results: Path) -> list[Studied]:
    """An architecture's place is its number in the records. Raises RecordError where found.jsonl is
    damaged."""
    rng = np.random.default_rng(0)
    architectures = []
    for kind, probability in (("random", 0.5), ("sparse", SPARSE)):
        tokens, adjvec = random_architectures(rng, DRAWN, NUM_NODES, len(OPERATION_NAMES), probability)
        architectures += [
            Studied(kind, architecture) for architecture in Architecture.of_batch(tokens, adjvec)
        ]
    path = results / "found.jsonl"
    try:
        for line in read_json_lines(path) if path.exists() else []:
            found = Architecture.of(line["tokens"], line["adjvec"])
            if found.num_nodes != NUM_NODES:
                raise ValueError(f"an architecture has not {NUM_NODES} nodes a cell")
            architectures.append(Studied("found", found))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{path}: {one_line(error)}") from error
    return architectures


def read_runs(path: Path, architectures: list[Studied]) -> list[ModelRecord]:
    """The trainings at a size. Raises RecordError where one is of an architecture outside the study."""
    runs = read_final_runs(path) if path.exists() else []
    for run in runs:
        if run.mid >= len(architectures) or architectures[run.mid].architecture != run.architecture:
            raise RecordError(f"{path}: model {run.mid} is another architecture than the study's")
    return runs


def read_all_runs(results: Path, architectures: list[Studied]) -> dict[str, list[ModelRecord]]:
    """The trainings of all sizes. Raises as read_runs."""
    return {path.stem: read_runs(path, architectures) for path in sorted(results.glob("w*.jsonl"))}


def train(size: str, config: ChildConfig, results: Path) -> None:
    """Train what is missing at a size, a line and a record each."""
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{size}.jsonl"
    architectures = read_architectures(results)
    done = {(run.mid, run.run) for run in read_runs(path, architectures)}
    jobs = [
        Job(mid, studied.architecture, run)
        for run in range(1, FLAGS.runs + 1)
        for mid, studied in enumerate(architectures)
        if (mid, run) not in done
    ]
    if not jobs:
        return
    subset = load_subset(FLAGS.data_path)
    writer = HistoryWriter(path)
    with TrainerPool(find_devices(FLAGS.trainers), TrainJob(subset, config, 0)) as pool:
        for job, outcome in pool.run(jobs):
            model = model_record(0, job, outcome, accuracy_less_parameters(0.0), failed_reward=0.0)
            model = model._replace(run=job.run)
            writer.append(model)
            shown = model.reason or f"{model.accuracy:.3f}, {model.seconds:.1f} s"
            print(f"{size}: architecture {job.mid}, run {job.run}: {shown}", flush=True)
    writer.close()


def accuracies_of(runs: list[ModelRecord], count: int) -> np.ndarray:
    """[runs, count]: of the runs that have all `count` architectures."""
    values = np.full((max((run.run for run in runs), default=0), count), np.nan)
    for run in runs:
        values[run.run - 1, run.mid] = run.reward
    return values[np.isfinite(values).all(axis=1)]


def tau_b(x: np.ndarray, y: np.ndarray, pairs: np.ndarray) -> float:
    """Kendall's tau-b (Kendall 1945, "The treatment of ties in ranking problems") of x [n] and y [n], over
    the pairs of places that the mask [n, n] names."""
    order_x, order_y = (np.sign(values[:, None] - values)[pairs] for values in (x, y))
    both = np.abs(order_x).sum() * np.abs(order_y).sum()
    return float((order_x * order_y).sum() / both**0.5) if both else float("nan")


def tau_and_error(
    accuracies: np.ndarray, reference: np.ndarray, pairs: np.ndarray | None = None
) -> tuple[float, float]:
    """Mean over the runs [runs, n] of their tau-b with the reference [n], and its standard error by
    bootstrap; over the pairs of places that the mask [n, n] names, or all."""
    n = len(reference)
    if pairs is None:
        pairs = np.ones((n, n), bool)

    def tau(places: np.ndarray) -> float:
        some = pairs[np.ix_(places, places)]
        return np.mean([tau_b(run[places], reference[places], some) for run in accuracies])

    resampled = np.random.default_rng(0).integers(0, n, (1000, n))
    return tau(np.arange(n)), np.nanstd([tau(places) for places in resampled])


def between_and_noise(accuracies: np.ndarray) -> tuple[float, float]:
    """Standard deviations of [runs, networks] between networks, without what the noise adds, and between
    the runs of one network, which is the noise; NaN where there is one run."""
    if len(accuracies) < 2:
        return np.nan, np.nan
    noise = accuracies.var(axis=0, ddof=1).mean()
    between = max(accuracies.mean(axis=0).var(ddof=1) - noise / len(accuracies), 0)
    return between**0.5, noise**0.5


class Row(NamedTuple):
    size: str
    runs: int
    tau: float
    tau_error: float
    within: float
    within_error: float
    seconds: float
    mean: float
    between: float
    noise: float


def row_of(size: str, runs: list[ModelRecord], reference: np.ndarray, kinds: np.ndarray) -> Row | None:
    """None where no run is complete. The reference is the default size's accuracy [architectures]."""
    accuracies = accuracies_of(runs, len(kinds))
    if not len(accuracies):
        return None
    taus = 4 * [np.nan]
    if size != DEFAULT:  # which is the reference
        within = kinds[:, None] == kinds
        overall = tau_and_error(accuracies, reference)
        taus = [*overall, *tau_and_error(accuracies, reference, within)]
    seconds = np.median([run.seconds for run in runs if run.seconds is not None])
    return Row(size, len(accuracies), *taus, seconds, accuracies.mean(), *between_and_noise(accuracies))


def print_table(results: Path) -> None:
    architectures = read_architectures(results)
    kinds = np.array([architecture.kind for architecture in architectures])
    runs = read_all_runs(results, architectures)
    reference = accuracies_of(runs.get(DEFAULT, []), len(kinds))
    if not len(reference):
        raise RecordError(f"--results={results} has no complete run of the default size, {DEFAULT}")
    rows = {size: row_of(size, runs[size], reference.mean(axis=0), kinds) for size in runs}
    print(f"{'size':22} runs   tau    +-  within   +-  seconds  mean  between  noise")
    for row in sorted(filter(None, rows.values()), key=lambda row: row.seconds):
        print(
            f"{row.size:22} {row.runs:4} {row.tau:5.2f} {row.tau_error:5.2f} {row.within:7.2f} "
            f"{row.within_error:4.2f} {row.seconds:8.1f} {row.mean:.3f} {row.between:8.3f} {row.noise:6.3f}"
        )
    for size in (size for size, row in rows.items() if row is None):
        print(f"{size} has no complete run yet")


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    try:
        configs = {size: config_of(size) for size in FLAGS.sizes}
        for size, config in configs.items():
            train(size, config, results)
        if not configs:
            print_table(results)
    except (RecordError, DatasetError, DevicesError, SettingsError, OSError) as error:
        sys.exit(f"study.proxy: {one_line(error)}")


if __name__ == "__main__":
    flags.DEFINE_list("sizes", [], "Sizes to train at; without any the table is printed.")
    flags.DEFINE_integer("runs", 1, "Trainings of each architecture.", lower_bound=1)
    flags.DEFINE_string("results", str(RESULTS), "Directory of the records.")
    flags.DEFINE_string("data_path", "cifar/study", "Where dataset_maker.py wrote the images.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    app.run(main)
