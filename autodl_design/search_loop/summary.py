"""What a search says at its beginning: how much there is to do; at its end and when it is stopped: what it
found, where, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from autodl_design.record.best import best_overall
from autodl_design.record.history import read_history
from autodl_design.record.log_dir import BEST_NAME, HISTORY_NAME, STEPS_NAME, LogDir
from autodl_design.record.reading import chance_of, count_of, read_settings
from autodl_design.search_loop.image_facts import ImageFacts
from autodl_design.search_loop.settings import AllSettings

BALANCED = "Accuracies and rewards are balanced: means over the classes, which differ in size"
# Flags that say how many random models an agent begins with.
RANDOM_MODELS = {"evolution": "population_size", "predictor": "first_random"}


def resume_command(log_dir: str | Path) -> str:
    return f"python main.py --resume --log_dir={shlex.quote(str(log_dir))}"


def opening(settings: AllSettings, facts: ImageFacts) -> Iterator[str]:
    """Lines of text on a search that begins."""
    run, child = settings.run, settings.child
    asked = "" if run.planned_models == run.num_models else f" ({run.num_models:,} in whole steps)"
    cells = f"{child.num_cells} cell{'s' * (child.num_cells > 1)}"
    yield (
        f"a new search: {run.planned_models:,} models{asked} in steps of {run.batch_size}, of "
        f"{settings.policy.num_nodes} nodes a cell, {child.num_stages} stages of {cells}, width "
        f"{child.width}, {child.epochs} epoch{'s' * (child.epochs > 1)}"
    )
    if facts.origin:
        images = facts.remembered
        yield (
            f"{images['training_images']:,} training images, "
            f"{images['training_images'] // child.train_batch_size:,} updates an epoch; "
            f"{images['validation_images']:,} validation images; chance is {facts.chance:.3f}"
        )
        if images["balanced_accuracy"]:
            yield BALANCED
    if line := random_start(settings.of_results()):
        yield line


def random_start(settings: Mapping[str, Any]) -> str | None:
    """Which models of an agent, by the settings of its search, are those of random search."""
    for agent, flag in RANDOM_MODELS.items():
        if settings.get("agent") == agent and (count := count_of(settings, flag)):
            return f"The first {count:,} models are random, as in random search (--{flag})"
    return None


def summary(log_dir: Path, seconds: float) -> Iterator[str]:
    """Lines of text. seconds: for how long the search has run since it was last started.

    Raises RecordError where a file of LOG_DIR is damaged.
    """
    files = LogDir(log_dir)
    models = read_history(files.history) if files.history.exists() else []
    status = Counter(model.status for model in models)
    stopped = f", {status['stopped']} stopped early" if status["stopped"] else ""
    yield (
        f"{len(models)} models: {status['ok']} trained, {status['cached']} with the network of an earlier "
        f"one, {status['failed']} failed{stopped}; {timedelta(seconds=round(seconds))} since the last start"
    )
    best = best_overall(log_dir, models)
    if best is None:
        return
    name = shlex.quote(str(log_dir))
    settings = read_settings(log_dir)
    yield f"best: {best.describe(count_of(settings, 'validation_images'), chance_of(settings))}"
    yield f"files: {', '.join(f'{name}/{file}' for file in (HISTORY_NAME, STEPS_NAME, BEST_NAME))}"
    yield f"to see what was found:  python report.py --log_dir={name}"
    yield from next_commands(log_dir)


def next_commands(log_dir: Path) -> Iterator[str]:
    """What to do with a search that has found something, beside reporting on it."""
    name = shlex.quote(str(log_dir))
    yield f"to train the best:      python retrain.py --architecture={name}/{BEST_NAME}"
    if not LogDir(log_dir).final_candidates.exists():
        yield f"to be surer of it:      {resume_command(log_dir)} --final_candidates=5"
