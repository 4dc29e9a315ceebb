"""Agents compared at equal numbers of trained models: curves over seeds, as a table and a picture.

    python -m benchmarks.comparison --data_path=cifar/study  # trains the best again, where that is missing
    python -m benchmarks.comparison                          # the table, and img/comparison.png

--results holds the histories of searches, AGENT-SEED.jsonl.gz, all at one size. The best model so far is
known from one training and looks better than it is, so after every hundred models it is trained three times
more; retrained.jsonl.gz holds that. Means and standard errors are over the seeds.
"""

import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags

from checked_io.files import write_whole
from dataset_maker import load_subset
from record.history import ModelRecord, from_json
from search_settings.groups import SearchSettings
from search_space.network_picture import plt
from trainers.devices import find_devices
from trainers.job import Job
from trainers.pool import TrainerPool

RESULTS = Path(__file__).parent / "results" / "small"
RETRAINED = "retrained.jsonl.gz"
WINDOW = 100  # models
RUNS = 3  # of each best model
FLAGS = flags.FLAGS


class Best(NamedTuple):
    """The model that looked best after `trained` models of a search."""

    trained: int
    model: ModelRecord


def read_histories(results: Path) -> dict[str, dict[int, list[ModelRecord]]]:
    """agent -> seed -> its models, in the order of the search, those from the cache included."""
    histories: dict[str, dict[int, list[ModelRecord]]] = defaultdict(dict)
    for path in sorted(results.glob("*-[0-9]*.jsonl.gz")):
        agent, seed = path.name.removesuffix(".jsonl.gz").rsplit("-", 1)
        histories[agent][int(seed)] = sorted(read_records(path), key=lambda model: model.mid)
    return histories


def read_records(path: Path) -> list[ModelRecord]:
    if not path.exists():
        return []
    with gzip.open(path, "rt") as lines:
        return [from_json(json.loads(line)) for line in lines]


def trained(models: list[ModelRecord]) -> list[ModelRecord]:
    return [model for model in models if model.status == "ok"]


def best_models(models: list[ModelRecord]) -> list[Best]:
    """The best so far after every WINDOW trained models."""
    models = trained(models)
    ends = range(WINDOW, len(models) + 1, WINDOW)
    return [Best(end, max(models[:end], key=lambda model: model.reward)) for end in ends]


def train_again(results: Path) -> None:
    """Train the best models of all searches RUNS times, where that is missing."""
    path = results / RETRAINED
    records = read_records(path)
    done = {(record.network, record.run) for record in records}
    wanted = {
        best.model.network: best.model
        for searches in read_histories(results).values()
        for models in searches.values()
        for best in best_models(models)
    }
    # Numbered by their networks, so that random numbers do not depend on what else is to be trained.
    jobs = [
        Job(int(network, 16), model.tokens, model.adjvec, run)
        for network, model in wanted.items()
        for run in range(1, RUNS + 1)
        if (network, run) not in done
    ]
    settings = SearchSettings.of(preset=FLAGS.preset)
    subset = load_subset(FLAGS.data_path)
    with TrainerPool(find_devices(FLAGS.trainers), subset, settings.child, seed=0) as pool:
        for count, (job, outcome) in enumerate(pool.run(jobs), 1):
            result = outcome.result
            if result is None:
                sys.exit(f"benchmarks.comparison: {outcome.error}")
            model = wanted[f"{job.mid:016x}"]
            records.append(
                model._replace(
                    accuracy=result.accuracy,
                    reward=result.accuracy,
                    seconds=round(result.seconds, 3),
                    run=job.run,
                )
            )
            lines = "".join(json.dumps(record.to_json()) + "\n" for record in records)
            write_whole(path, gzip.compress(lines.encode(), mtime=0))
            print(f"{count} of {len(jobs)}: {result.accuracy:.3f}", flush=True)


class Curve(NamedTuple):
    """Of one agent after every WINDOW trained models; mean and standard error over the seeds."""

    ends: np.ndarray
    proposed: tuple[np.ndarray, np.ndarray]  # mean accuracy of the last WINDOW models
    best: tuple[np.ndarray, np.ndarray]  # of the best so far, by further runs
    seeds: int
    cached: float  # models that the cache served, a search


def curve_of(searches: list[list[ModelRecord]], again: dict[str, float]) -> Curve:
    """again: mean accuracy of the further runs, by network."""
    num_windows = min(len(trained(models)) for models in searches) // WINDOW
    ends = WINDOW * np.arange(1, num_windows + 1)
    proposed = [
        [np.mean([model.accuracy for model in trained(models)[end - WINDOW : end]]) for end in ends]
        for models in searches
    ]
    best = [
        [again.get(best.model.network, np.nan) for best in best_models(models)[:num_windows]]
        for models in searches
    ]
    cached = np.mean([sum(model.status == "cached" for model in models) for models in searches])
    return Curve(ends, _over_seeds(proposed), _over_seeds(best), len(searches), cached)


def _over_seeds(values: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(values)
    if len(array) < 2:
        return array.mean(axis=0), np.full(array.shape[1], np.nan)
    return array.mean(axis=0), array.std(axis=0, ddof=1) / len(array) ** 0.5


def print_table(curves: dict[str, Curve]) -> None:
    print(f"{'agent':12}{'seeds':>6}{'cached':>7}{'models':>7}{'proposed':>17}{'best so far':>17}")
    for agent, curve in curves.items():
        for index, end in enumerate(curve.ends):
            (mean, error), (best, best_error) = (
                [values[index] for values in pair] for pair in (curve.proposed, curve.best)
            )
            print(
                f"{agent:12}{curve.seeds:6}{curve.cached:7.0f}{end:7}"
                f"{mean:8.4f} +- {error:.4f}{best:8.4f} +- {best_error:.4f}"
            )


def draw(curves: dict[str, Curve], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True, layout="constrained")
    titles = {"proposed": "mean of the last 100 models", "best": "best so far, trained three times more"}
    for panel, (field, title) in zip(axes, titles.items(), strict=True):
        for agent, curve in curves.items():
            mean, error = getattr(curve, field)
            (line,) = panel.plot(curve.ends, mean, marker="o", label=f"{agent}, {curve.seeds} seeds")
            panel.fill_between(curve.ends, mean - error, mean + error, color=line.get_color(), alpha=0.2)
        panel.set(title=title, xlabel="trained models", ylabel="accuracy on validation images")
        panel.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    if FLAGS.data_path:
        train_again(results)
    runs = defaultdict(list)
    for record in read_records(results / RETRAINED):
        runs[record.network].append(record.accuracy)
    again = {network: float(np.mean(accuracies)) for network, accuracies in runs.items()}
    curves = {
        agent: curve_of(list(searches.values()), again)
        for agent, searches in read_histories(results).items()
    }
    print_table(curves)
    draw(curves, Path(FLAGS.picture))


if __name__ == "__main__":
    flags.DEFINE_string("results", str(RESULTS), "Directory of the histories.")
    flags.DEFINE_string("data_path", None, "The images; with it the best models are trained again.")
    flags.DEFINE_string("preset", "small", "Of which size the searches are.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    flags.DEFINE_string("picture", "img/comparison.png", "Where the picture goes.")
    app.run(main)
