"""What the study recorded, in study/records: searches in one archive, and single trainings.

    models = read_searches(SMALL)["evolution"][0]                 # of the search with seed 0
    runs = read_runs(SMALL / FULL_SIZE)                           # trainings at the default size

    python -m study.records logs/evolution-0 logs/random-0        # puts searches into an archive
    python -m zipfile -e study/records/small/searches.zip logs    # takes them out
    python main.py --resume --log_dir=logs/evolution-0            # a search goes on from its history

searches.zip has of each search its history, its settings and the further runs of its best models, as they
lie in LOG_DIR. A search is named AGENT-SEED. A file of single trainings is a JSON object a line, gzipped.
"""

import dataclasses
import gzip
import io
import json
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from autodl_design.checked_io.files import write_whole
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.subset import Subset
from autodl_design.record.history import ModelRecord, RecordError, from_json, read_history
from autodl_design.record.log_dir import FINAL_NAME, HISTORY_NAME, SETTINGS_NAME
from autodl_design.search_loop.training_reward import accuracy_less_size, model_record
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trainers.job import Job

FOLDER = Path(__file__).parent / "records"
SMALL = FOLDER / "small"  # the searches that are compared
DENSE = FOLDER / "small_dense"  # an earlier try: searches that begin with dense cells
OWN_HEADS = FOLDER / "small_own_heads"  # an earlier try: a head of the policy for each step
THREE_CELLS = FOLDER / "small_three_cells"  # searches that were begun at another size
QUICK = {name: FOLDER / f"quick_{name}" for name in ("digits", "cifar")}  # of the quick preset
SIZES_MIXED = FOLDER / "sizes_mixed"  # a file a size: 24 networks, random, sparse and found ones
SIZES_SPARSE = FOLDER / "sizes_sparse"  # a file a size: the sparse networks of SMALL and OWN_HEADS

ARCHIVE = "searches.zip"
RETRAINED = "retrained.jsonl.gz"  # more trainings of the best models, at the size of the searches
FULL_SIZE = "full_size.jsonl.gz"  # trainings at the default size, accuracies on the test images
SUFFIX = ".jsonl.gz"  # after the name of a size

NAMES = (SETTINGS_NAME, HISTORY_NAME, FINAL_NAME)
SEARCH = r"(?P<agent>.+)-(?P<seed>0|[1-9]\d*)"
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, TypeError, ValueError, AttributeError)
# What ends a command of the study in one line.
ERRORS = (RecordError, DatasetError, SettingsError, OSError)

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


def child_config_of(results: Path) -> ChildSettings:
    """The size at which the searches of an archive trained their models; all of them are of one size.
    Raises RecordError where the archive cannot be read or has no settings."""
    path = results / ARCHIVE
    with _reading(path):
        for member, content in _members(path).items():
            if member.endswith(f"/{SETTINGS_NAME}"):
                saved = json.loads(content)
                names = {field.name for field in dataclasses.fields(ChildSettings)} & saved.keys()
                return ChildSettings(**{name: saved[name] for name in names})
    raise RecordError(f"{path} holds no AGENT-SEED/{SETTINGS_NAME}")


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
    """Single trainings, none where there is no file. Raises RecordError, naming the file, where it cannot
    be read."""
    with _reading(path):
        return _records(gzip.decompress(path.read_bytes())) if path.exists() else []


def read_all(path: Path) -> list[ModelRecord]:
    """Every record of an archive, further runs included, or of a file of single trainings."""
    if path.name != ARCHIVE:
        return read_runs(path)
    with _reading(path):
        members = _members(path).items()
        return [
            model for name, content in members if name.endswith(".jsonl") for model in _records(content)
        ]


def write_runs(path: Path, runs: Iterable[ModelRecord]) -> None:
    ordered = sorted(runs, key=lambda run: (run.network, run.run))
    lines = "".join(json.dumps(run.to_json()) + "\n" for run in ordered)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, gzip.compress(lines.encode(), mtime=0))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        message = getattr(error, "strerror", None) or command_line.one_line(error)
        raise RecordError(f"{path} cannot be read: {message}") from error


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def _records(content: bytes) -> list[ModelRecord]:
    """Without a last line that is torn, as that of a search that runs may be."""
    lines = content.decode().splitlines(keepends=True)
    return [from_json(json.loads(line)) for line in lines if line.endswith("\n")]


@dataclasses.dataclass(frozen=True)
class TrainingSettings(Settings):
    """Training what is missing"""

    data_path: str | None = setting(None, "The images; with it, what is missing is trained.")
    trainers: str = setting("auto", "As in main.py.")


def train_missing(
    path: Path,
    networks: Mapping[str, Job],
    num_runs: int,
    subset: Subset,
    config: ChildSettings,
    trainers: str,
) -> list[ModelRecord]:
    """Train each network `num_runs` times, but for the runs that the file has; it gets each run as soon as
    that is done. The networks by their network_id. Returns all runs of the file.

    Raises RecordError where a network cannot be trained, SettingsError where no trainer can be started."""
    runs = read_runs(path)
    done = {(run.network, run.run) for run in runs}
    # A job's number is its network's id, so its random numbers do not depend on what else is trained.
    jobs = [
        job._replace(mid=int(network, 16), run=run)
        for run in range(1, num_runs + 1)
        for network, job in networks.items()
        if (network, run) not in done
    ]
    if not jobs:
        return runs
    # These import Paddle, which reading does without.
    from autodl_design.trainers.devices import DevicesError, find_devices
    from autodl_design.trainers.pool import TrainerPool
    from nn_paddle import TrainJob

    try:
        with TrainerPool(find_devices(trainers), TrainJob(subset, config, 0)) as pool:
            for count, (job, outcome) in enumerate(pool.run(jobs), 1):
                network = f"{job.mid:016x}"
                own = job._replace(mid=networks[network].mid)
                run = model_record(0, own, outcome, accuracy_less_size(0.0, 0.0), failed_reward=0.0)
                if run.failed:
                    raise RecordError(f"model {run.mid} could not be trained again: {run.reason}")
                print(f"{count} of {len(jobs)}: {run.accuracy:.3f}", flush=True)
                runs = [*runs, run._replace(network=network, run=job.run)]
                write_runs(path, runs)
    except DevicesError as error:
        raise SettingsError(str(error)) from error
    return runs


@dataclasses.dataclass(frozen=True)
class RecordsSettings(Settings):
    """The archive"""

    results: str = setting(str(SMALL), "Directory of the archive.")


def main(log_dirs: list[str]) -> None:
    put_in(Path(from_flags(RecordsSettings).results), map(Path, log_dirs))


if __name__ == "__main__":
    define_flags(RecordsSettings)
    command_line.start(main, (RecordsSettings,), ERRORS, "LOG_DIR ...")
