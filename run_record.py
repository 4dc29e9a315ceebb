"""The record of a search: LOG_DIR/history.jsonl, one JSON object a model, as soon as it is known."""

import json
import os
from pathlib import Path
from typing import Any


class RunRecordError(Exception):
    """LOG_DIR cannot be used; the text is for the user."""


class History:
    """Appends to LOG_DIR/history.jsonl of a new search."""

    def __init__(self, log_dir: str | os.PathLike):
        path = Path(log_dir) / "history.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(path, "x", encoding="utf-8")
        except FileExistsError:
            raise RunRecordError(
                f"{path} is there already, from an earlier search: name another --log_dir"
            ) from None
        except OSError as error:
            raise RunRecordError(f"--log_dir={log_dir}: {error.strerror}") from error

    def append(self, record: dict[str, Any]) -> None:
        self.file.write(json.dumps(record) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
