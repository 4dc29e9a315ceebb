"""What a search says at its end and when it is stopped: what it found, where, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from autodl_design.record.best import FINAL_NAME, the_best
from autodl_design.record.history import HISTORY_NAME, read_history
from autodl_design.record.search_record import saved_settings


def resume_command(log_dir: str | Path) -> str:
    return f"python main.py --resume --log_dir={shlex.quote(str(log_dir))}"


def summary(log_dir: Path, seconds: float) -> Iterator[str]:
    """Lines of text. seconds: for how long the search has run since it was last started.

    Raises RecordError where a file of LOG_DIR is damaged.
    """
    path = log_dir / HISTORY_NAME
    models = read_history(path) if path.exists() else []
    status = Counter(model.status for model in models)
    yield (
        f"{len(models)} models: {status['ok']} trained, {status['cached']} with the network of an earlier "
        f"one, {status['failed']} failed; {timedelta(seconds=round(seconds))} since the last start"
    )
    best = the_best(log_dir, models)
    if best is None:
        return
    name = shlex.quote(str(log_dir))
    settings = saved_settings(log_dir)
    classes = settings.get("num_classes")
    yield f"best: {best.describe(settings.get('validation_images'), 1 / classes if classes else None)}"
    yield f"files: {name}/history.jsonl, {name}/steps.csv, {name}/best.json"
    yield f"to see what was found:  python report.py --log_dir={name}"
    yield from next_commands(log_dir)


def next_commands(log_dir: Path) -> Iterator[str]:
    """What to do with a search that has found something, beside reporting on it."""
    name = shlex.quote(str(log_dir))
    yield f"to train the best:      python retrain.py --architecture={name}/best.json"
    if not (log_dir / FINAL_NAME).exists():
        yield f"to be surer of it:      {resume_command(log_dir)} --final_candidates=5"
