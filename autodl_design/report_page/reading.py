"""Reads the files of a search in LOG_DIR for its report. All raise RecordError where a file cannot be read.

models = read_models(Path("log"))
"""

from pathlib import Path
from typing import Any

from autodl_design.checked_io.files import read_json
from autodl_design.record import steps
from autodl_design.record.history import HISTORY_NAME, ModelRecord, RecordError, read_history


def read_models(log_dir: Path) -> list[ModelRecord]:
    """The models of a search by their numbers. Raises RecordError also where none has been trained yet."""
    path = log_dir / HISTORY_NAME
    models = read_history(path)
    if all(model.status != "ok" for model in models):
        raise RecordError(f"{path}: no model has been trained yet")
    return sorted(models, key=lambda model: model.mid)


def read_settings(log_dir: Path) -> dict[str, Any]:
    """The settings of the search, as they stand in the file."""
    path = log_dir / "search.json"
    try:
        settings = read_json(path)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise RecordError(f"{path} is damaged")
    return settings


def read_steps(log_dir: Path) -> list[dict[str, float]]:
    """The completed steps; empty before the first one."""
    path = log_dir / "steps.csv"
    return steps.read_steps(path) if path.exists() else []
