"""How well cheap sizes of the child network rank architectures as the default size does.

    python dataset_maker.py --validation_per_class=100 --test_per_class=166 --output_dir=cifar/study
    python -m benchmarks.proxy --data_path=cifar/study --sizes=w8_c1_e5,w64_c3_e20 --runs=1
    python -m benchmarks.proxy                    # the table of all that is recorded

A size is named by its width, its cells a stage and its epochs of training; w64_c3_e20 is the default. The
epochs are those of a whole learning rate schedule, a tenth of it warm-up. Further parts, as in
w8_c1_e3_lr0.1_b16, are its highest learning rate and the images an update. All else is as in main.py, ten
nodes a cell included.

The architectures: nine random ones (edges with probability 1/2), nine sparse ones (edges with probability
0.15), and those of found.jsonl, which searches found. Each size has a file in --results with a record a
training; what is recorded there is not trained again.

The table: Kendall's tau-b between the accuracies of one run at a size and those of the default size, the
mean over the runs at that size, with its standard error by bootstrap over the architectures; the median of
a model's seconds on one core; the standard deviation of the accuracy between architectures, and between
runs of one.
"""

import re
import sys
from pathlib import Path

import numpy as np
from absl import app, flags
from scipy.stats import kendalltau

from agents.random_search import random_architectures
from checked_io.files import read_json_lines
from dataset_maker import load_subset
from record.history import HistoryWriter, ModelRecord, read_final_runs
from search_space.child import ChildConfig
from trainers.devices import find_devices
from trainers.job import Job
from trainers.pool import TrainerPool

RESULTS = Path(__file__).parent / "results" / "proxy"
DEFAULT = "w64_c3_e20"
DRAWN = 9  # of each kind
SPARSE = 0.15
NUM_NODES = 10
FLAGS = flags.FLAGS


def config_of(size: str) -> ChildConfig:
    match = re.fullmatch(r"w(\d+)_c(\d+)_e(\d+)(?:_lr([\d.]+))?(?:_b(\d+))?", size)
    if not match:
        raise app.UsageError(f"--sizes: {size} is no size such as {DEFAULT}")
    width, num_cells, epochs = map(int, match.groups()[:3])
    further = {"lr_max": float(match[4])} if match[4] else {}
    if match[5]:
        further["train_batch_size"] = int(match[5])
    return ChildConfig(
        width=width, num_cells=num_cells, epochs=epochs, T_0=float(epochs), warmup=epochs / 10, **further
    )


def architectures(results: Path) -> list[tuple[str, list[int], list[int]]]:
    """(kind, tokens, adjvec) of each; its place is its number in the records."""
    rng = np.random.default_rng(0)
    drawn = []
    for kind in ("random", "sparse"):
        tokens, adjvec = random_architectures(rng, DRAWN, NUM_NODES, 10)
        if kind == "sparse":
            adjvec = (rng.random(adjvec.shape) < SPARSE).astype(int)
        drawn += [(kind, *row) for row in zip(tokens.tolist(), adjvec.tolist(), strict=True)]
    path = results / "found.jsonl"
    found = list(read_json_lines(path)) if path.exists() else []
    return drawn + [("found", line["tokens"], line["adjvec"]) for line in found]


def train(size: str, results: Path) -> None:
    """Train what is missing at a size, a line and a record each."""
    path = results / f"{size}.jsonl"
    done = {(run.mid, run.run) for run in read_final_runs(path)} if path.exists() else set()
    jobs = [
        Job(mid, tokens, adjvec, run)
        for run in range(1, FLAGS.runs + 1)
        for mid, (_, tokens, adjvec) in enumerate(architectures(results))
        if (mid, run) not in done
    ]
    subset = load_subset(FLAGS.data_path)
    writer = HistoryWriter(path)
    with TrainerPool(find_devices(FLAGS.trainers), subset, config_of(size), seed=0) as pool:
        for job, outcome in pool.run(jobs):
            result = outcome.result
            if result is None:
                sys.exit(f"benchmarks.proxy: {size}, architecture {job.mid}: {outcome.error}")
            writer.append(
                ModelRecord(
                    job.mid, 0, job.tokens, job.adjvec, result.accuracy, result.accuracy, "ok", None,
                    round(result.seconds, 3), result.num_params, run=job.run,
                )
            )  # fmt: skip
            print(
                f"{size}: architecture {job.mid}, run {job.run}: {result.accuracy:.3f}, "
                f"{result.seconds:.1f} s",
                flush=True,
            )
    writer.close()


def read_size(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies and seconds [architectures, runs], NaN where nothing is recorded."""
    runs = read_final_runs(path)
    values = np.full((2, count, max(run.run for run in runs)), np.nan)
    for run in runs:
        values[:, run.mid, run.run - 1] = run.accuracy, run.seconds
    return values[0], values[1]


def tau(accuracies: np.ndarray, reference: np.ndarray) -> float:
    """Mean over the runs of Kendall's tau-b with the reference [architectures]."""
    return float(np.mean([kendalltau(run, reference, nan_policy="omit")[0] for run in accuracies.T]))


def print_table(results: Path) -> None:
    count = len(architectures(results))
    reference = np.nanmean(read_size(results / f"{DEFAULT}.jsonl", count)[0], axis=1)
    rng = np.random.default_rng(0)
    resampled = rng.integers(0, count, (1000, count))
    print(f"{'size':16}{'runs':>5}{'tau':>7}{'+-':>7}{'seconds':>9}{'mean':>7}{'between':>9}{'noise':>7}")
    rows = []
    for path in results.glob("w*.jsonl"):
        accuracies, seconds = read_size(path, count)
        runs = accuracies.shape[1]
        kendall = tau(accuracies, reference)
        error = np.nanstd([tau(accuracies[sample], reference[sample]) for sample in resampled])
        noise = np.nanmean(accuracies.var(axis=1, ddof=1)) if runs > 1 else np.nan
        means = np.nanmean(accuracies, axis=1)
        between = max(np.nanvar(means, ddof=1) - np.nan_to_num(noise) / runs, 0)
        cost = np.nanmedian(seconds)
        row = f"{path.stem:16}{runs:5}{kendall:7.2f}{error:7.2f}{cost:9.1f}"
        rows.append((cost, f"{row}{means.mean():7.3f}{between**0.5:9.3f}{noise**0.5:7.3f}"))
    for _, row in sorted(rows):
        print(row)


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    results.mkdir(parents=True, exist_ok=True)
    for size in FLAGS.sizes:
        train(size, results)
    if not FLAGS.sizes:
        print_table(results)


if __name__ == "__main__":
    flags.DEFINE_list("sizes", [], "Sizes to train at; without any the table is printed.")
    flags.DEFINE_integer("runs", 1, "Trainings of each architecture.", lower_bound=1)
    flags.DEFINE_string("results", str(RESULTS), "Directory of the records.")
    flags.DEFINE_string("data_path", "cifar/study", "Where dataset_maker.py wrote the images.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    app.run(main)
