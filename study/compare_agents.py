"""Agents compared at equal numbers of trained models: curves over seeds, as a table and a picture.

    python -m study.compare_agents    # the table
    python -m study.compare_agents --picture=img/comparison.png
    python -m study.compare_agents --data_path=cifar/study    # trains the best again, where that is missing

--results holds searches.zip (see study/records.py), all at one size and of one set of images.
The best model so far is known from one training and looks better than it is, so after every hundred trained
models it is trained three times more; retrained.jsonl.gz holds that. It is still measured on the images by
which it was chosen: test images are for the networks that a search ends with.

Means and standard errors are over the seeds; of few seeds they are rough. Evolution's first models are
those of random search with the same seed, so the last columns compare with that one, seed by seed.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.checked_io.files import write_whole
from autodl_design.image_data.subset import load_subset
from autodl_design.pictures.figures import new_figure, own_style, png
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.report_page.statistics import trained
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trainers.job import Job
from study.records import (
    ERRORS,
    RETRAINED,
    SMALL,
    Searches,
    TrainingSettings,
    child_config_of,
    read_runs,
    read_searches,
    train_missing,
)
from study.statistics import by_network, mean_accuracies, mean_and_error

WINDOW = 100  # models
RUNS = 3  # of each best model


def best_models(models: list[ModelRecord]) -> list[ModelRecord]:
    """The best so far after every WINDOW trained models."""
    models = trained(models)
    ends = range(WINDOW, len(models) + 1, WINDOW)
    return [max(models[:end], key=lambda model: model.reward) for end in ends]


def train_again(searches: Searches, results: Path, training: TrainingSettings) -> None:
    """Train the best models of all searches RUNS times, where that is missing."""
    wanted: dict[str, ModelRecord] = {}
    for models in (models for seeds in searches.values() for models in seeds.values()):
        for model in best_models(models):
            # One network may have several forms; the smallest, whichever searches have it.
            wanted[model.network] = min(
                wanted.get(model.network, model), model, key=lambda form: form.architecture
            )
    jobs = {network: Job(model.mid, model.architecture) for network, model in wanted.items()}
    images, config = load_subset(training.data_path), child_config_of(results)
    train_missing(results / RETRAINED, jobs, RUNS, images, config, training.trainers)


def means_of_runs(runs: list[ModelRecord]) -> dict[str, float]:
    """Mean accuracy of the networks that were trained again, all RUNS of them."""
    return mean_accuracies({name: own for name, own in by_network(runs).items() if len(own) == RUNS})


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
    titles = f"mean of the last {WINDOW} trained models", "highest reward so far, trained again"
    for agent, curve in curves.items():
        ends = WINDOW * np.arange(1, curve.trained.shape[1] + 1)
        for panel, values, title in zip(axes, (curve.trained, curve.best), titles, strict=True):
            mean, error = mean_and_error(values)
            count = len(curve.seeds)
            label = f"{agent}, {count} seed{'s' * (count > 1)} +- error"
            (line,) = panel.plot(ends, mean, "o-", label=label)
            panel.fill_between(ends, mean - error, mean + error, color=line.get_color(), alpha=0.2)
            panel.set(title=title, xlabel="trained models", ylabel="accuracy on validation images")
            panel.grid(alpha=0.3)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(curves))
    return png(figure)


def curves_of(results: Path) -> dict[str, Curve]:
    """By agent. Raises RecordError where a search is shorter than WINDOW."""
    searches = read_searches(results)
    for agent, seeds in searches.items():
        for seed, models in seeds.items():
            if (count := len(trained(models))) < WINDOW:
                raise RecordError(f"{agent}-{seed} has {count} trained models, fewer than {WINDOW}")
    again = means_of_runs(read_runs(results / RETRAINED))
    return {agent: curve_of(seeds, again) for agent, seeds in searches.items()}


@dataclasses.dataclass(frozen=True)
class ComparisonSettings(Settings):
    """The comparison"""

    results: str = setting(str(SMALL), "Directory of searches.zip.")
    picture: str | None = setting(None, "Where a picture of the curves goes, a PNG file.")


def main(arguments: list[str]) -> None:
    settings, training = from_flags(ComparisonSettings), from_flags(TrainingSettings)
    results = Path(settings.results)
    if training.data_path:
        train_again(read_searches(results), results, training)
    curves = curves_of(results)
    print_table(curves)
    if settings.picture:
        write_whole(Path(settings.picture), draw(curves))


if __name__ == "__main__":
    define_flags(ComparisonSettings, TrainingSettings)
    command_line.start(main, (ComparisonSettings, TrainingSettings), ERRORS)
