"""Reads the files of a search in LOG_DIR. All raise RecordError where a file cannot be read.

settings = read_settings(Path("log"))
models = read_models(Path("log"))
"""

from pathlib import Path
from typing import Any

from autodl_design.checked_io.files import read_json
from autodl_design.record import step_table
from autodl_design.record.history import ModelRecord, RecordError, read_history
from autodl_design.record.log_dir import LogDir


def read_settings(log_dir: Path) -> dict[str, Any]:
    """The settings that the search was last started with, as they stand in the file."""
    path = LogDir(log_dir).settings
    try:
        settings = read_json(path)
    except FileNotFoundError as error:
        raise RecordError(f"{path} is missing") from error
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise RecordError(f"{path} is damaged")
    return settings


def num_classes(settings: dict[str, Any]) -> int | None:
    """Classes of the search's images, where its settings say it."""
    number = settings.get("num_classes")
    return number if type(number) is int and number > 1 else None


def read_models(log_dir: Path) -> list[ModelRecord]:
    """The models of a search by their numbers. Raises RecordError also where none has been trained yet."""
    path = LogDir(log_dir).history
    models = read_history(path)
    if not any(model.trained for model in models):
        raise RecordError(f"{path}: no model has been trained yet")
    return sorted(models, key=lambda model: model.mid)


def read_steps(log_dir: Path) -> list[dict[str, float]]:
    """The completed steps; empty before the first one."""
    path = LogDir(log_dir).steps
    return step_table.read_steps(path) if path.exists() else []
