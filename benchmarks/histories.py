"""Recorded searches, compressed: AGENT-SEED.jsonl.gz, each the history of a search (see record/history.py).

    searches = read_searches(Path("benchmarks/results/small"))["evolution"][0]
"""

import gzip
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from record.history import ModelRecord, RecordError, from_json

RESULTS = Path(__file__).parent / "results" / "small"


def read_searches(directory: Path) -> dict[str, dict[int, list[ModelRecord]]]:
    """agent -> seed -> the models of that search by their numbers, those that the cache served included.

    Raises RecordError where a file cannot be read, or where there is none."""
    searches: dict[str, dict[int, list[ModelRecord]]] = defaultdict(dict)
    for path in sorted(directory.glob("*.jsonl.gz")):
        if match := re.fullmatch(r"(.+)-(0|[1-9]\d*)\.jsonl\.gz", path.name):
            models = sorted(read_compressed(path), key=lambda model: model.mid)
            searches[match[1]][int(match[2])] = models
    if not searches:
        raise RecordError(f"{directory} holds no history of a search, AGENT-SEED.jsonl.gz")
    return searches


def read_compressed(path: Path) -> list[ModelRecord]:
    """Raises RecordError, naming the file, where it cannot be read."""
    try:
        with gzip.open(path, "rt") as lines:
            return [from_json(json.loads(line)) for line in lines]
    except (OSError, EOFError, zlib.error, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{path} cannot be read: {error}") from error


def compress(models: Iterable[ModelRecord]) -> bytes:
    lines = "".join(json.dumps(model.to_json()) + "\n" for model in models)
    return gzip.compress(lines.encode(), mtime=0)
