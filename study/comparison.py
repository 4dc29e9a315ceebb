"""Agents compared at equal numbers of trained models: curves over seeds, as a table and a picture.

    python -m study.comparison --data_path=cifar/study  # trains the best again, where that is missing
    python -m study.comparison                          # the table, and img/comparison.png

--results holds searches.zip (see study/records.py), all at one size and of one set of images.
The best model so far is known from one training and looks better than it is, so after every hundred trained
models it is trained three times more; retrained.jsonl.gz holds that. It is still measured on the images by
which it was chosen: test images are for the networks that a search ends with.

Means and standard errors are over the seeds; of few seeds they are rough. Evolution's first models are
those of random search with the same seed, so the last columns compare with that one, seed by seed.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags
from numpy.typing import ArrayLike

from autodl_design.checked_io.files import write_whole
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.subset import load_subset
from autodl_design.pictures.figures import new_figure, own_style, png
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.report_page.statistics import Estimate, trained
from autodl_design.settings.command_line import one_line
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.devices import DevicesError, find_devices
from autodl_design.trainers.job import Job
from study.further_runs import further_runs
from study.proxy import config_of
from study.records import RESULTS, Searches, read_runs, read_searches, write_runs

RETRAINED = "retrained.jsonl.gz"
WINDOW = 100  # models
RUNS = 3  # of each best model
FLAGS = flags.FLAGS


def best_models(models: list[ModelRecord]) -> list[ModelRecord]:
    """The best so far after every WINDOW trained models."""
    models = trained(models)
    ends = range(WINDOW, len(models) + 1, WINDOW)
    return [max(models[:end], key=lambda model: model.reward) for end in ends]


def train_again(searches: Searches, runs: list[ModelRecord], path: Path) -> list[ModelRecord]:
    """Train the best models of all searches RUNS times, where that is missing from the further `runs`.
    Returns all of these, which `path` holds then."""
    wanted: dict[str, ModelRecord] = {}
    for models in (models for seeds in searches.values() for models in seeds.values()):
        for model in best_models(models):
            # One network may have several forms; the smallest, whichever searches have it.
            wanted[model.network] = min(
                wanted.get(model.network, model), model, key=lambda form: form.architecture
            )
    jobs = {network: Job(model.mid, model.architecture) for network, model in wanted.items()}
    config = config_of(FLAGS.size)
    subset = load_subset(FLAGS.data_path)
    for run in further_runs(jobs, runs, RUNS, subset, config, find_devices(FLAGS.trainers)):
        if run.num_params != wanted[run.network].num_params:
            raise RecordError(f"--size={FLAGS.size} is not the size of these searches")
        runs = [*runs, run]
        write_runs(path, runs)
    return runs


def means_of_runs(runs: Iterable[ModelRecord]) -> dict[str, float]:
    """Mean accuracy of the networks that were trained again, all RUNS of them."""
    by_network = defaultdict(list)
    for run in runs:
        by_network[run.network].append(run.accuracy)
    return {
        network: float(np.mean(accuracies))
        for network, accuracies in by_network.items()
        if len(accuracies) == RUNS
    }


class Curve(NamedTuple):
    """Of one agent, [seeds, windows]."""

    seeds: list[int]
    trained: np.ndarray  # mean accuracy of the last WINDOW trained models
    best: np.ndarray  # of the best so far, by its further runs; NaN where these are missing
    cached: float  # mean number of cached models in a search


def curve_of(searches: dict[int, list[ModelRecord]], again: dict[str, float]) -> Curve:
    accuracies = [[model.accuracy for model in trained(models)] for models in searches.values()]
    num_windows = min(map(len, accuracies)) // WINDOW
    of_windows = np.array([some[: num_windows * WINDOW] for some in accuracies])
    best = [
        [again.get(model.network, np.nan) for model in best_models(models)[:num_windows]]
        for models in searches.values()
    ]
    cached = np.mean([sum(model.status == "cached" for model in models) for models in searches.values()])
    means = of_windows.reshape(len(searches), num_windows, WINDOW).mean(axis=2)
    return Curve(list(searches), means, np.array(best), float(cached))


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the seeds, of values [seeds, ...]; the standard error of one seed is NaN."""
    if len(values) < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.nan)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5


def estimate_of(values: ArrayLike) -> Estimate:
    mean, error = mean_and_error(np.array(values))
    return Estimate(float(mean), float(error), len(values))


def less_random(curve: Curve, random: Curve | None) -> np.ndarray:
    """The last WINDOW models' mean less random search's, [seeds that both have, windows]; NaN where random
    search is not that long."""
    differences = []
    for seed, means in zip(curve.seeds, curve.trained, strict=True):
        if random and seed in random.seeds:
            other = np.full_like(means, np.nan)
            of_seed = random.trained[random.seeds.index(seed)][: len(other)]
            other[: len(of_seed)] = of_seed
            differences.append(means - other)
    return np.array(differences) if differences else np.full((1, curve.trained.shape[1]), np.nan)


def print_table(curves: dict[str, Curve]) -> None:
    for agent, curve in curves.items():
        seeds = ", ".join(map(str, curve.seeds))
        print(f"{agent}: seeds {seeds}; models from the cache in a search: {curve.cached:.0f}")
    print("agent      models  last 100 trained   best so far        less random search")
    for agent, curve in curves.items():
        columns = [curve.trained, curve.best, less_random(curve, curves.get("random"))]
        pairs = [mean_and_error(values) for values in columns]
        for index in range(curve.trained.shape[1]):
            shown = "   ".join(f"{mean[index]:.4f} +- {error[index]:.4f}" for mean, error in pairs)
            print(f"{agent:10} {WINDOW * (index + 1):6}  {shown}")


@own_style
def draw(curves: dict[str, Curve]) -> bytes:
    """A picture, PNG: the curves with their standard errors."""
    figure = new_figure(9, 3.6)
    axes = figure.subplots(1, 2, sharex=True)
    titles = (f"mean of the last {WINDOW} trained models", f"best so far, mean of {RUNS} more trainings")
    for agent, curve in curves.items():
        ends = WINDOW * np.arange(1, curve.trained.shape[1] + 1)
        for panel, values, title in zip(axes, (curve.trained, curve.best), titles, strict=True):
            mean, error = mean_and_error(values)
            count = len(curve.seeds)
            (line,) = panel.plot(ends, mean, "o-", label=f"{agent}, {count} seed{'s' * (count > 1)}")
            panel.fill_between(ends, mean - error, mean + error, color=line.get_color(), alpha=0.2)
            panel.set(title=title, xlabel="trained models", ylabel="accuracy on validation images")
            panel.grid(alpha=0.3)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(curves))
    return png(figure)


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    path = results / RETRAINED
    try:
        searches = read_searches(results)
        for agent, seeds in searches.items():
            for seed, models in seeds.items():
                if (count := len(trained(models))) < WINDOW:
                    raise RecordError(f"{agent}-{seed} has {count} trained models, fewer than {WINDOW}")
        runs = read_runs(path)
        if FLAGS.data_path:
            runs = train_again(searches, runs, path)
        again = means_of_runs(runs)
        curves = {agent: curve_of(seeds, again) for agent, seeds in searches.items()}
        print_table(curves)
        write_whole(Path(FLAGS.picture), draw(curves))
    except (RecordError, DatasetError, DevicesError, SettingsError, OSError) as error:
        sys.exit(f"study.comparison: {one_line(error)}")


if __name__ == "__main__":
    flags.DEFINE_string("results", str(RESULTS), "Directory of searches.zip.")
    flags.DEFINE_string("data_path", None, "The images; with it the best models are trained again.")
    flags.DEFINE_string("size", "w16_c1_e2_b8", "Of the searches, named as in study.proxy.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    flags.DEFINE_string("picture", "img/comparison.png", "Where the picture goes.")
    app.run(main)
