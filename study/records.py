"""Recorded searches in one archive, searches.zip: of each its history, its settings and the further runs of
its best models, as they are in LOG_DIR.

    models = read_searches(RESULTS)["evolution"][0]                 # of the search with seed 0

    python -m study.records logs/evolution-0 logs/random-0   # puts searches into the archive
    python -m zipfile -e study/records/small/searches.zip logs
    python main.py --resume --log_dir=logs/evolution-0              # a search goes on from its history

A search is named AGENT-SEED.
"""

import gzip
import io
import json
import re
import sys
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from absl import app, flags

from autodl_design.checked_io.files import write_whole
from autodl_design.record.best import FINAL_NAME
from autodl_design.record.history import HISTORY_NAME, ModelRecord, RecordError, from_json, read_history
from autodl_design.record.search_record import SETTINGS_NAME
from autodl_design.settings.command_line import one_line

RESULTS = Path(__file__).parent / "records/small"
ARCHIVE = "searches.zip"
NAMES = (SETTINGS_NAME, HISTORY_NAME, FINAL_NAME)
SEARCH = r"(?P<agent>.+)-(?P<seed>0|[1-9]\d*)"
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, TypeError, ValueError, AttributeError)
FLAGS = flags.FLAGS

Searches = dict[str, dict[int, list[ModelRecord]]]  # agent -> seed -> models


def read_searches(results: Path, name: str = HISTORY_NAME) -> Searches:
    """The models of all searches by their numbers, those that the cache served included; with the name
    FINAL_NAME the further runs of their best models.

    Raises RecordError where the archive cannot be read or holds no such file."""
    path = results / ARCHIVE
    searches: Searches = defaultdict(dict)
    with _reading(path):
        for member, content in sorted(_members(path).items()):
            if match := re.fullmatch(f"{SEARCH}/{re.escape(name)}", member):
                models = sorted(_records(content), key=lambda model: (model.mid, model.run or 0))
                searches[match["agent"]][int(match["seed"])] = models
    if not searches:
        raise RecordError(f"{path} holds no AGENT-SEED/{name}")
    return searches


def put_in(results: Path, log_dirs: Iterable[Path]) -> None:
    """Put searches into the archive, in the place of their earlier states. Raises RecordError."""
    path = results / ARCHIVE
    with _reading(path):
        contents = _members(path) if path.exists() else {}
    for log_dir in log_dirs:
        if not re.fullmatch(SEARCH, log_dir.name):
            raise RecordError(f"{log_dir} is not named AGENT-SEED")
        read_history(log_dir / HISTORY_NAME)  # which checks it
        for name in NAMES:
            member, path_there = f"{log_dir.name}/{name}", log_dir / name
            contents.pop(member, None)  # another search of this name may have had final candidates
            if path_there.exists():
                contents[member] = path_there.read_bytes()
    results.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for member in sorted(contents):
            # ZipInfo has a fixed date, so that the same searches make the same file.
            archive.writestr(zipfile.ZipInfo(member), contents[member], zipfile.ZIP_DEFLATED)
    write_whole(path, buffer.getvalue())


def read_runs(path: Path) -> list[ModelRecord]:
    """Further runs of networks, none where there is no file. Raises RecordError, naming the file, where it
    cannot be read."""
    with _reading(path):
        return _records(gzip.decompress(path.read_bytes())) if path.exists() else []


def write_runs(path: Path, runs: Iterable[ModelRecord]) -> None:
    ordered = sorted(runs, key=lambda run: (run.network, run.run))
    lines = "".join(json.dumps(run.to_json()) + "\n" for run in ordered)
    write_whole(path, gzip.compress(lines.encode(), mtime=0))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        message = getattr(error, "strerror", None) or one_line(error)
        raise RecordError(f"{path} cannot be read: {message}") from error


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def _records(content: bytes) -> list[ModelRecord]:
    """Without a last line that is torn, as that of a search that runs may be."""
    lines = content.decode().splitlines(keepends=True)
    return [from_json(json.loads(line)) for line in lines if line.endswith("\n")]


def main(argv: list[str]) -> None:
    try:
        put_in(Path(FLAGS.results), map(Path, argv[1:]))
    except (RecordError, OSError) as error:
        sys.exit(f"study.records: {one_line(error)}")


if __name__ == "__main__":
    flags.DEFINE_string("results", str(RESULTS), "Directory of the archive.")
    app.run(main)
