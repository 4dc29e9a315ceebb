"""What a search says at its end and when it is stopped: what it found, where, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from autodl_design.record.best import best_overall
from autodl_design.record.history import read_history
from autodl_design.record.log_dir import BEST_NAME, HISTORY_NAME, STEPS_NAME, LogDir
from autodl_design.record.reading import num_classes, read_settings


def resume_command(log_dir: str | Path) -> str:
    return f"python main.py --resume --log_dir={shlex.quote(str(log_dir))}"


def summary(log_dir: Path, seconds: float) -> Iterator[str]:
    """Lines of text. seconds: for how long the search has run since it was last started.

    Raises RecordError where a file of LOG_DIR is damaged.
    """
    files = LogDir(log_dir)
    models = read_history(files.history) if files.history.exists() else []
    status = Counter(model.status for model in models)
    yield (
        f"{len(models)} models: {status['ok']} trained, {status['cached']} with the network of an earlier "
        f"one, {status['failed']} failed; {timedelta(seconds=round(seconds))} since the last start"
    )
    best = best_overall(log_dir, models)
    if best is None:
        return
    name = shlex.quote(str(log_dir))
    settings = read_settings(log_dir)
    classes = num_classes(settings)
    yield f"best: {best.describe(settings.get('validation_images'), 1 / classes if classes else None)}"
    yield f"files: {', '.join(f'{name}/{file}' for file in (HISTORY_NAME, STEPS_NAME, BEST_NAME))}"
    yield f"to see what was found:  python report.py --log_dir={name}"
    yield from next_commands(log_dir)


def next_commands(log_dir: Path) -> Iterator[str]:
    """What to do with a search that has found something, beside reporting on it."""
    name = shlex.quote(str(log_dir))
    yield f"to train the best:      python retrain.py --architecture={name}/{BEST_NAME}"
    if not LogDir(log_dir).final_candidates.exists():
        yield f"to be surer of it:      {resume_command(log_dir)} --final_candidates=5"
