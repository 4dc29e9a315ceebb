"""What searches found, and random architectures, at the default size, on images that nobody used.

    python -m study.finalists                            # the table
    python -m study.finalists --data_path=cifar/study    # trains what is missing, then the table

--results holds searches.zip (see study/records.py). The finalists of a search are the models with
the highest means of the further runs that `main.py --final_candidates` makes. They, and as many random
architectures (with --edge_probability) as an agent has finalists, are trained at the default size on the
training images. Their accuracy is that on the test images, of which --data_path must have some
(dataset_maker.py --test_per_class). full_size.jsonl.gz holds these trainings.

With --choose_at=w16_c3_e10 (a size as in study.sizes) the finalists of a search are those of the same
models that have the highest accuracies at that size, of one training, on validation images, which
study/records/sizes_sparse has.

Standard errors are over the finalists, of their means over the runs; t, degrees of freedom and p are those
of Welch's test.
"""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.agents.random_search import random_architectures
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.subset import Subset, load_subset, load_test_images
from autodl_design.record.best import final_means
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.record.log_dir import FINAL_NAME
from autodl_design.search_loop.settings import PolicySettings
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trainers.job import Job
from study.records import (
    ERRORS,
    FULL_SIZE,
    SIZES_SPARSE,
    SMALL,
    SUFFIX,
    TrainingSettings,
    read_runs,
    read_searches,
    train_missing,
)
from study.sizes import config_of
from study.statistics import by_network, estimate_of, mean_accuracies, welch

DRAWN = "drawn at random"
NUM_STAGES = ChildSettings().num_stages


class Candidate(NamedTuple):
    origin: str  # an agent, or DRAWN
    seed: int  # of the search
    job: Job
    network: str


def candidate_of(origin: str, seed: int, job: Job) -> Candidate:
    return Candidate(origin, seed, job, job.architecture.network_id(NUM_STAGES))


def final_candidates(results: Path) -> list[list[Candidate]]:
    """Of each search whose best models were trained again, these models, that of the highest mean first.
    Raises RecordError where there is no such search."""
    return [
        [candidate_of(agent, seed, job) for job in best_means(runs)]
        for agent, seeds in read_searches(results, FINAL_NAME).items()
        for seed, runs in seeds.items()
    ]


def best_means(runs: list[ModelRecord]) -> list[Job]:
    """The models of these further runs, that of the highest mean first."""
    jobs = {run.mid: Job(run.mid, run.architecture) for run in runs}
    return [jobs[final.mid] for final in final_means(runs)]


def best_at(
    size: str, searches: list[list[Candidate]], folder: Path, training: TrainingSettings
) -> list[list[Candidate]]:
    """The candidates of each search, that of the highest accuracy at a size first. The folder has a file a
    size; with --data_path what is missing there is trained. Raises RecordError where some is missing
    still."""
    path, config = folder / f"{size}{SUFFIX}", config_of(size)
    if training.data_path:
        jobs = {candidate.network: candidate.job for search in searches for candidate in search}
        runs = train_missing(path, jobs, 1, load_subset(training.data_path), config, training.trainers)
    else:
        runs = read_runs(path)
    accuracies = {run.network: run.accuracy for run in runs if run.run == 1}
    try:
        return [sorted(search, key=lambda one: -accuracies[one.network]) for search in searches]
    except KeyError as error:
        raise RecordError(f"{path} has no network {error}; --data_path trains it") from error


def drawn(count: int, edge_probability: float) -> list[Candidate]:
    policy, rng = PolicySettings(), np.random.default_rng(1)
    tokens, adjvec = random_architectures(rng, count, policy.num_nodes, policy.num_tokens, edge_probability)
    architectures = enumerate(Architecture.of_batch(tokens, adjvec))
    return [
        candidate_of(DRAWN, number, Job(number, architecture)) for number, architecture in architectures
    ]


def on_test_images(data_path: str) -> Subset:
    """The images, the test images in the place of the validation images."""
    test = load_test_images(data_path)
    if test is None:
        raise DatasetError(f"{data_path} has no test.pkl: make it with dataset_maker.py --test_per_class")
    images, labels = test
    return load_subset(data_path)._replace(validation_images=images, validation_labels=labels)


def print_table(candidates: list[Candidate], runs: list[ModelRecord]) -> None:
    networks = by_network(runs)
    means = mean_accuracies(networks)
    by_origin: dict[str, list[float]] = {}
    print("of               seed  model  edges  parameters  accuracy on test images")
    for origin, seed, job, network in candidates:
        if network not in networks:
            continue
        own = networks[network]
        by_origin.setdefault(origin, []).append(means[network])
        shown = ", ".join(f"{run.accuracy:.3f}" for run in own)
        print(
            f"{origin:15} {seed:5} {job.mid:6} {sum(job.architecture.edges()):6} {own[0].num_params:11,}  "
            f"{means[network]:.4f} ({shown})"
        )
    for origin, accuracies in by_origin.items():
        estimate = estimate_of(accuracies)
        print(f"{origin}: {estimate.mean:.4f} +- {estimate.error:.4f} over {estimate.count}")
    reinforce = by_origin.pop("reinforce", [])
    for origin, accuracies in by_origin.items():
        if reinforce:
            difference = estimate_of(reinforce) - estimate_of(accuracies)
            print(
                f"reinforce less {origin}: {difference.mean:+.4f} +- {difference.error:.4f}, "
                f"{welch(reinforce, accuracies)}"
            )


@dataclasses.dataclass(frozen=True)
class FinalistsSettings(Settings):
    """The finalists"""

    results: str = setting(str(SMALL), "Directory of searches.zip.")
    choose_at: str | None = setting(None, "Size at which the finalists of a search are chosen.")
    choices: str = setting(str(SIZES_SPARSE), "Directory of the trainings at that size.")
    finalists: int = setting(1, "Of each search.", low=1, high=1000)
    runs: int = setting(3, "Trainings of each architecture.", low=1, high=1000)
    edge_probability: float = setting(
        PolicySettings().edge_probability, "Of the random architectures.", low=0, high=1
    )


def main(arguments: list[str]) -> None:
    settings, training = from_flags(FinalistsSettings), from_flags(TrainingSettings)
    path = Path(settings.results) / FULL_SIZE
    searches = final_candidates(Path(settings.results))
    if settings.choose_at:
        searches = best_at(settings.choose_at, searches, Path(settings.choices), training)
    candidates = [candidate for search in searches for candidate in search[: settings.finalists]]
    count = max(Counter(candidate.origin for candidate in candidates).values())
    candidates += drawn(count, settings.edge_probability)
    if training.data_path:
        jobs = {candidate.network: candidate.job for candidate in candidates}
        images = on_test_images(training.data_path)
        train_missing(path, jobs, settings.runs, images, ChildSettings(), training.trainers)
    print_table(candidates, read_runs(path))


if __name__ == "__main__":
    define_flags(FinalistsSettings, TrainingSettings)
    command_line.start(main, (FinalistsSettings, TrainingSettings), ERRORS)
