"""What searches found, and random architectures, at the default size, on images that nobody used.

    python -m study.full_size --data_path=cifar/study   # trains what is missing, then the table
    python -m study.full_size                           # the table

--results holds searches.zip (see study/records.py). The finalists of a search are the models with
the highest means of the further runs that `main.py --final_candidates` makes. They, and as many random
architectures (with --edge_probability) as an agent has finalists, are trained at the default size on the
training images. Their accuracy is that on the test images, of which --data_path must have some
(dataset_maker.py --test_per_class). full_size.jsonl.gz holds these trainings.

With --choose_at=w16_c3_e10 (a size as in study.proxy) the finalists of a search are those of the same
models that have the highest accuracies at that size, of one training, on validation images. --choices has
a file a size with these trainings.

Standard errors are over the finalists, of their means over the runs.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags

from autodl_design.agents.random_search import random_architectures
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.subset import Subset, load_subset, load_test_images
from autodl_design.record.best import FINAL_NAME, final_means
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.child import ChildConfig
from autodl_design.settings.command_line import one_line
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.devices import DevicesError, find_devices
from autodl_design.trainers.job import Job
from study.comparison import estimate_of
from study.further_runs import train_missing
from study.proxy import config_of
from study.records import RESULTS, read_runs, read_searches

TRAINED = "full_size.jsonl.gz"
CHEAP_SIZES = RESULTS.parent / "cheap_sizes"
NUM_NODES = 10
DRAWN = "drawn at random"
FLAGS = flags.FLAGS


class Candidate(NamedTuple):
    origin: str  # an agent, or DRAWN
    seed: int  # of the search
    job: Job
    network: str


def final_candidates(results: Path, num_stages: int) -> list[list[Candidate]]:
    """Of each search whose best models were trained again, these models, that of the highest mean first.
    Raises RecordError where there is no such search."""
    return [
        [Candidate(agent, seed, job, job.architecture.network_id(num_stages)) for job in best_means(runs)]
        for agent, seeds in read_searches(results, FINAL_NAME).items()
        for seed, runs in seeds.items()
    ]


def best_at(size: str, searches: list[list[Candidate]], choices: Path) -> list[list[Candidate]]:
    """The candidates of each search, that of the highest accuracy at a size first. With --data_path those
    that are missing from the size's file are trained. Raises RecordError where some are missing still."""
    path = choices / f"{size}.jsonl.gz"
    config = config_of(size)
    if FLAGS.data_path:
        jobs = {candidate.network: candidate.job for search in searches for candidate in search}
        images, devices = load_subset(FLAGS.data_path), find_devices(FLAGS.trainers)
        runs = train_missing(path, jobs, 1, images, config, devices)
    else:
        runs = read_runs(path)
    accuracies = {run.network: run.accuracy for run in runs if run.run == 1}
    try:
        return [sorted(search, key=lambda one: -accuracies[one.network]) for search in searches]
    except KeyError as error:
        raise RecordError(f"{path} has no network {error}; --data_path trains it") from error


def best_means(runs: list[ModelRecord]) -> list[Job]:
    """The models of these further runs, that of the highest mean first."""
    jobs = {run.mid: Job(run.mid, run.architecture) for run in runs}
    return [jobs[mid] for mid, *_ in final_means(runs)]


def drawn(count: int, edge_probability: float, num_stages: int) -> list[Candidate]:
    rng = np.random.default_rng(1)
    tokens, adjvec = random_architectures(rng, count, NUM_NODES, len(OPERATION_NAMES), edge_probability)
    return [
        Candidate(DRAWN, number, Job(number, architecture), architecture.network_id(num_stages))
        for number, architecture in enumerate(Architecture.of_batch(tokens, adjvec))
    ]


def on_test_images(data_path: str) -> Subset:
    """The images, the test images in the place of the validation images."""
    test = load_test_images(data_path)
    if test is None:
        raise DatasetError(f"{data_path} has no test.pkl: make it with dataset_maker.py --test_per_class")
    images, labels = test
    return load_subset(data_path)._replace(validation_images=images, validation_labels=labels)


def print_table(candidates: list[Candidate], runs: list[ModelRecord]) -> None:
    by_origin: dict[str, list[float]] = {}
    print("of               seed  model  edges  parameters  accuracy on test images")
    for origin, seed, job, network in candidates:
        own = [run for run in runs if run.network == network]
        if not own:
            continue
        mean = float(np.mean([run.accuracy for run in own]))
        by_origin.setdefault(origin, []).append(mean)
        shown = ", ".join(f"{run.accuracy:.3f}" for run in own)
        print(
            f"{origin:15} {seed:5} {job.mid:6} {sum(job.architecture.edges()):6} {own[0].num_params:11,}  "
            f"{mean:.4f} ({shown})"
        )
    estimates = {origin: estimate_of(means) for origin, means in by_origin.items()}
    for origin, estimate in estimates.items():
        print(f"{origin}: {estimate.mean:.4f} +- {estimate.error:.4f} over {estimate.count}")
    if reinforce := estimates.pop("reinforce", None):
        for origin, estimate in estimates.items():
            difference = reinforce - estimate
            print(f"reinforce less {origin}: {difference.mean:+.4f} +- {difference.error:.4f}")


def main(argv: list[str]) -> None:
    results = Path(FLAGS.results)
    path = results / TRAINED
    config = ChildConfig()
    try:
        searches = final_candidates(results, config.num_stages)
        if FLAGS.choose_at:
            searches = best_at(FLAGS.choose_at, searches, Path(FLAGS.choices))
        candidates = [candidate for search in searches for candidate in search[: FLAGS.finalists]]
        count = max(Counter(candidate.origin for candidate in candidates).values())
        candidates += drawn(count, FLAGS.edge_probability, config.num_stages)
        if FLAGS.data_path:
            jobs = {candidate.network: candidate.job for candidate in candidates}
            images, devices = on_test_images(FLAGS.data_path), find_devices(FLAGS.trainers)
            runs = train_missing(path, jobs, FLAGS.runs, images, config, devices)
        else:
            runs = read_runs(path)
        print_table(candidates, runs)
    except (RecordError, DatasetError, DevicesError, SettingsError, OSError) as error:
        sys.exit(f"study.full_size: {one_line(error)}")


if __name__ == "__main__":
    flags.DEFINE_string("results", str(RESULTS), "Directory of searches.zip.")
    flags.DEFINE_string("choose_at", None, "Size at which the finalists of a search are chosen.")
    flags.DEFINE_string("choices", str(CHEAP_SIZES), "Directory of its trainings.")
    flags.DEFINE_integer("finalists", 1, "Of each search.", lower_bound=1)
    flags.DEFINE_integer("runs", 3, "Trainings of each architecture.", lower_bound=1)
    flags.DEFINE_float("edge_probability", 0.15, "Of the random architectures.", 0, 1)
    flags.DEFINE_string("data_path", None, "The images; with it what is missing is trained.")
    flags.DEFINE_string("trainers", "auto", "As in main.py.")
    app.run(main)
