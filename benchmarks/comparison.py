"""Agents compared at equal numbers of trained models: curves over seeds, as a table and a picture.

    python -m benchmarks.comparison --data_path=cifar/study  # trains the best again, where that is missing
    python -m benchmarks.comparison                          # the table, and img/comparison.png

--results holds the histories of searches, AGENT-SEED.jsonl.gz, all at one size and of one set of images.
The best model so far is known from one training and looks better than it is, so after every hundred trained
models it is trained three times more; retrained.jsonl.gz holds that. It is still measured on the images by
which it was chosen: test images are for the networks that a search ends with.

Means and standard errors are over the seeds; of few seeds they are rough. Evolution's first models are
those of random search with the same seed, so the last columns compare with that one, seed by seed.
"""

import io
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags

from benchmarks.histories import RESULTS, compress, read_compressed, read_searches, trained_models
from checked_io.files import write_whole
from dataset_maker import DatasetError, load_subset
from record.history import ModelRecord, RecordError
from search_settings.groups import PRESETS, SearchSettings
from search_space.network_picture import plt
from settings.command import one_line
from settings.fields import SettingsError
from trainers.devices import DevicesError, find_devices
from trainers.job import Job
from trainers.pool import TrainerPool

RETRAINED = "retrained.jsonl.gz"
WINDOW = 100  # models
RUNS = 3  # of each best model
FLAGS = flags.FLAGS


def best_models(models: list[ModelRecord]) -> list[ModelRecord]:
    """The best so far after every WINDOW trained models."""
    trained = trained_models(models)
    ends = range(WINDOW, len(trained) + 1, WINDOW)
    return [max(trained[:end], key=lambda model: model.reward) for end in ends]


def train_again(results: Path) -> None:
    """Train the best models of all searches RUNS times, where that is missing."""
    path = results / RETRAINED
    runs = {(run.network, run.run): run for run in (read_compressed(path) if path.exists() else [])}
    wanted: dict[str, ModelRecord] = {}
    for searches in read_searches(results).values():
        for models in searches.values():
            for model in best_models(models):
                # One network may have several forms; the smallest, whichever searches have it.
                wanted[model.network] = min(
                    wanted.get(model.network, model), model, key=lambda form: (form.tokens, form.adjvec)
                )
    # A job's number is its network's id, so its random numbers do not depend on what else is trained.
    jobs = [
        Job(int(network, 16), model.tokens, model.adjvec, run)
        for network, model in wanted.items()
        for run in range(1, RUNS + 1)
        if (network, run) not in runs
    ]
    if not jobs:
        return
    config = SearchSettings.of(preset=FLAGS.preset).child
    subset = load_subset(FLAGS.data_path)
    with TrainerPool(find_devices(FLAGS.trainers), subset, config, seed=0) as pool:
        for count, (job, outcome) in enumerate(pool.run(jobs), 1):
            model, result = wanted[f"{job.mid:016x}"], outcome.result
            if result is None:
                raise RecordError(f"model {model.mid} could not be trained again: {outcome.error}")
            if result.num_params != model.num_params:
                raise RecordError(f"--preset={FLAGS.preset} is not the size of the searches in {results}")
            runs[model.network, job.run] = model._replace(
                accuracy=result.accuracy,
                reward=result.accuracy,
                seconds=round(result.seconds, 3),
                run=job.run,
            )
            write_whole(path, compress(runs[key] for key in sorted(runs)))
            print(f"{count} of {len(jobs)}: {result.accuracy:.3f}", flush=True)


def means_of_runs(results: Path) -> dict[str, float]:
    """Mean accuracy of the networks that were trained again, all RUNS of them."""
    path = results / RETRAINED
    accuracies = defaultdict(list)
    for run in read_compressed(path) if path.exists() else []:
        accuracies[run.network].append(run.accuracy)
    return {network: float(np.mean(runs)) for network, runs in accuracies.items() if len(runs) == RUNS}


class Curve(NamedTuple):
    """Of one agent, [seeds, windows]."""

    seeds: list[int]
    trained: np.ndarray  # mean accuracy of the last WINDOW trained models
    best: np.ndarray  # of the best so far, by its further runs; NaN where these are missing
    cached: float  # mean number of cached models in a search


def curve_of(searches: dict[int, list[ModelRecord]], again: dict[str, float]) -> Curve:
    num_windows = min(len(trained_models(models)) for models in searches.values()) // WINDOW
    trained, best = [], []
    for models in searches.values():
        accuracies = np.array([model.accuracy for model in trained_models(models)])
        trained.append(accuracies[: num_windows * WINDOW].reshape(num_windows, WINDOW).mean(axis=1))
        best.append([again.get(model.network, np.nan) for model in best_models(models)[:num_windows]])
    cached = np.mean([sum(model.status == "cached" for model in models) for models in searches.values()])
    return Curve(list(searches), np.array(trained), np.array(best), float(cached))


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the seeds, of values [seeds, windows]; the standard error of one seed is NaN."""
    if len(values) < 2:
        return values.mean(axis=0), np.full(values.shape[1], np.nan)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5


def less_random(curve: Curve, random: Curve | None) -> np.ndarray:
    """The last WINDOW models' mean less random search's, [seeds that both have, windows]; NaN where random
    search is not that long."""
    differences = []
    for seed, trained in zip(curve.seeds, curve.trained, strict=True):
        if random and seed in random.seeds:
            other = np.full_like(trained, np.nan)
            of_seed = random.trained[random.seeds.index(seed)][: len(other)]
            other[: len(of_seed)] = of_seed
            differences.append(trained - other)
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


def draw(curves: dict[str, Curve]) -> bytes:
    """A picture, PNG: the curves with their standard errors."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True, layout="constrained")
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
    axes[0].legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return picture.getvalue()


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    try:
        if FLAGS.data_path:
            train_again(results)
        again = means_of_runs(results)
        searches = read_searches(results)
        for agent, seeds in searches.items():
            for seed, models in seeds.items():
                if (count := len(trained_models(models))) < WINDOW:
                    raise RecordError(f"{agent}-{seed} has {count} trained models, fewer than {WINDOW}")
        curves = {agent: curve_of(seeds, again) for agent, seeds in searches.items()}
        print_table(curves)
        write_whole(Path(FLAGS.picture), draw(curves))
    except (RecordError, DatasetError, DevicesError, SettingsError, OSError) as error:
        sys.exit(f"benchmarks.comparison: {one_line(error)}")


if __name__ == "__main__":
    flags.DEFINE_string("results", str(RESULTS), "Directory of the histories.")
    flags.DEFINE_string("data_path", None, "The images; with it the best models are trained again.")
    flags.DEFINE_enum("preset", "small", list(PRESETS), "Of which size the searches are.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    flags.DEFINE_string("picture", "img/comparison.png", "Where the picture goes.")
    app.run(main)
