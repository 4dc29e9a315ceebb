"""Reads the files of a search in LOG_DIR. All raise RecordError where a file cannot be read.

settings = read_settings(Path("log"))
models = read_models(Path("log"))
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autodl_design.checked_io.files import read_json
from autodl_design.checked_io.messages import quoted
from autodl_design.record import step_table
from autodl_design.record.history import ModelRecord, RecordError, read_history
from autodl_design.record.log_dir import LogDir
from autodl_design.search_space.cells import OPERATION_NAMES

# What search.json calls the setting num_models. Files of earlier versions have "num_models" itself, which
# was the number of the last model: 99 there are 100 models.
PLANNED_MODELS = "planned_models"
MOST = 10**9  # of anything that is counted; a file may say more


def read_settings(log_dir: Path) -> dict[str, Any]:
    """The settings that the search was last started with."""
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
    if PLANNED_MODELS in settings:
        settings["num_models"] = settings.pop(PLANNED_MODELS)
    elif type(last := settings.get("num_models")) is int:
        settings["num_models"] = last + 1
    return settings


def settings_content(settings: dict[str, Any]) -> bytes:
    """Of the file from which `read_settings` reads them."""
    named = {PLANNED_MODELS if name == "num_models" else name: value for name, value in settings.items()}
    return json.dumps(named, indent=1).encode()


def count_of(settings: Mapping[str, Any], name: str) -> int | None:
    """How many there are of something, where the settings, which a file holds, say it."""
    count = settings.get(name)
    return count if type(count) is int and 0 < count <= MOST else None


def chance_of(settings: Mapping[str, Any]) -> float | None:
    """The accuracy of guessing, where the settings say how many classes the images have."""
    classes = count_of(settings, "num_classes")
    return 1 / classes if classes and classes > 1 else None


def read_models(log_dir: Path) -> list[ModelRecord]:
    """The models of a search by their numbers. Raises RecordError also where none has been trained yet."""
    path = LogDir(log_dir).history
    try:
        models = read_history(path)
    except RecordError as error:
        raise _other_operations(log_dir) or error from None
    if not any(model.trained for model in models):
        raise RecordError(f"{path}: no model has been trained yet")
    return sorted(models, key=lambda model: model.mid)


def _other_operations(log_dir: Path) -> RecordError | None:
    """Why the history of a search cannot be read that had operations which are not there any more."""
    try:
        operations = read_settings(log_dir).get("operations")
    except RecordError:
        return None
    if not isinstance(operations, list) or not all(isinstance(name, str) for name in operations):
        return None
    if not (missing := [name for name in operations if name not in OPERATION_NAMES]):
        return None
    return RecordError(
        f"the search in {log_dir} has the operation {quoted(missing[0])}, which is not among those of this "
        "program: put it back into OPERATION_NAMES, in autodl_design/search_space/cells.py"
    )


def read_steps(log_dir: Path) -> list[dict[str, float]]:
    """The completed steps; empty before the first one."""
    path = LogDir(log_dir).steps
    return step_table.read_steps(path) if path.exists() else []
