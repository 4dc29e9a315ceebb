"""main.py --resume and report.py on damaged directories of a search."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autodl_design.checked_io.files import write_arrays
from checks.hostile.case import Case

RESUME = ["main.py", "--resume", "--log_dir={here}/log", "--trainers=cpu:1"]
REPORT = ["report.py", "--log_dir={here}/log", "--output_dir={here}/out"]

NOT_JSON = {
    "empty": b"",
    "zeros": bytes(100),
    "a list": b"[1]",
    "null": b"null",
    "a number": b"5",
    "a text": b'"abc"',
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "binary": b"\x80\x04N.\xff",
    "NaN": b'{"seed": NaN}',
    "huge number": b'{"mid": ' + b"9" * 5000 + b"}",
    "escapes": b'{"\\u001b[2J": 1, "mid": "\x1b[2J"}',
}
WRONG = {
    "mid": [[1], None, "1", -1, 10**400],
    "step": [None, "x"],
    "tokens": [[99] * 4, "x", [], None],
    "adjvec": [[7, 7], None],
    "accuracy": ["0.5", None, [0.5], 2.0, 10**400, float("nan")],
    "reward": [float("inf"), float("nan"), "x", None],
    "status": ["\x1b[31m", None, 7],
    "reason": [5, {}],
    "seconds": [-1, "x", float("inf")],
    "num_params": [-1, 1.5, 10**400],
    "network": [5, None, []],
}


def log(here: Path, base: Path) -> Path:
    return Path(shutil.copytree(base / "log", here / "log"))


def replaced(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda directory: (directory / name).write_bytes(content)


def made(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        (directory / name).unlink(missing_ok=True)
        make(directory / name)

    return damage


def field(line: int, name: str, value) -> Callable[[Path], None]:
    """A value of a record; "absent" takes it out."""

    def damage(directory: Path) -> None:
        path = directory / "history.jsonl"
        lines = path.read_text().splitlines()
        record = json.loads(lines[line])
        record[name] = value
        if value == "absent":
            del record[name]
        lines[line] = json.dumps(record)
        path.write_text("".join(f"{text}\n" for text in lines))

    return damage


def arrays(change: Callable[[dict], None]) -> Callable[[Path], None]:
    """The newest checkpoint, whole but with other arrays."""

    def damage(directory: Path) -> None:
        path = max(directory.glob("checkpoint_*.npz"))
        with np.load(path) as content:
            held = {name: content[name] for name in content.files}
        numbers = json.loads(str(held.pop("numbers")))
        held.pop("names")
        change(held)
        write_arrays(path, numbers, held)

    return damage


def every(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict], None]:
    def change(held: dict) -> None:
        for name in list(held):
            held[name] = function(held[name])

    return change


def without(word: str) -> Callable[[dict], None]:
    def change(held: dict) -> None:
        for name in [name for name in held if word in name]:
            del held[name]

    return change


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def damages() -> dict[str, Callable[[Path], None]]:
    names = (
        *("search.json", "history.jsonl", "steps.csv", "policy.json"),
        *("final_candidates.jsonl", "best.json"),
    )
    found = {}
    for name in names:
        for kind, content in NOT_JSON.items():
            found[f"{name}: {kind}"] = replaced(name, content + b"\n")
        for make in (os.mkfifo, os.mkdir, device):
            found[f"{name}: {make.__name__}"] = made(name, make)
    for name, values in WRONG.items():
        for value in [*values, "absent"]:
            found[f"history.jsonl: {name} {str(value)[:20]!r}"] = field(1, name, value)
    newest = "checkpoint_2.npz"
    for kind, content in {"empty": b"", "binary": bytes(500), "zip": b"PK\x03\x04" + bytes(60)}.items():
        found[f"{newest}: {kind}"] = replaced(newest, content)
    for make in (os.mkfifo, os.mkdir, device):
        found[f"{newest}: {make.__name__}"] = made(newest, make)
        found[f"lock: {make.__name__}"] = made("lock", make)
    for name in ("checkpoint_x.npz", "checkpoint_.npz", "checkpoint_4 (copy).npz", "checkpoint_900.npz"):
        found[f"{name} of one's own"] = replaced(name, b"mine")
    for kind, change in {
        "no tokens": without("tokens"),
        "no weights": without("head"),
        "texts": every(lambda a: a.astype(str)),
        "no dimensions": every(lambda a: a.ravel()[0]),
        "doubled": every(lambda a: np.concatenate([a, a]) if a.ndim else a),
        "NaN": every(lambda a: a * np.nan if a.dtype.kind == "f" else a),
    }.items():
        found[f"{newest}: {kind}"] = arrays(change)
    found["everything removed"] = lambda directory: shutil.rmtree(directory)
    found["history removed"] = lambda directory: (directory / "history.jsonl").unlink()
    found["settings removed"] = lambda directory: (directory / "search.json").unlink()
    return found


def large_cells(num_nodes: int, share_of_edges: float) -> Callable[[Path], None]:
    """A search's record with cells of so many nodes, of the most that --num_nodes allows."""

    def damage(directory: Path) -> None:
        rng = np.random.default_rng(0)
        path = directory / "history.jsonl"
        lines = []
        for line in path.read_text().splitlines():
            record = json.loads(line)
            record["tokens"] = rng.integers(0, 10, 2 * num_nodes).tolist()
            edges = rng.random(num_nodes * (num_nodes - 1)) < share_of_edges
            lines.append(json.dumps({**record, "adjvec": edges.astype(int).tolist()}))
        path.write_text("".join(f"{line}\n" for line in lines))
        (directory / "final_candidates.jsonl").unlink(missing_ok=True)

    return damage


def report_cases(base: Path) -> list[Case]:
    """A whole record, in surroundings that once kept report.py from making its pictures or its page."""

    def whole(damage: Callable[[Path], None] = lambda directory: None, **files: bytes):
        def prepare(here: Path) -> None:
            damage(log(here, base))
            for name, content in files.items():
                (here / name).write_bytes(content)

        return prepare

    def succeeds(name: str, prepare: Callable[[Path], None], **options) -> Case:
        return Case("report", name, REPORT, prepare, (0,), **options)

    sizes = [(40, 0.0), (60, 0.5), (60, 1.0), (100, 0.1), (200, 0.01), (200, 1.0)]
    backends = ["module://matplotlib_inline.backend_inline", "Qt4Agg", "TkAgg", "\x1b[2J", "template"]
    settings = [
        b"text.usetex: True\n",
        b"backend: Qt4Agg\n",
        b"font.size: \xff\n",
        b"\0" * 100,
        b"figure.dpi: 1e9\n",
    ]
    together = '"$@" & "$@"; code=$?; wait $! && exit $code'
    return [
        *(succeeds(f"cells of {nodes} nodes, {share:g} of all edges", whole(large_cells(nodes, share)))
          for nodes, share in sizes),
        *(succeeds(f"MPLBACKEND={name!r}", whole(), environment={"MPLBACKEND": name}) for name in backends),
        *(succeeds(f"matplotlibrc: {text[:20]!r}", whole(matplotlibrc=text)) for text in settings),
        succeeds("two at once", whole(), shell=together),
        succeeds("a hidden file of one's own", whole(lambda directory: (directory / ".mine").touch())),
    ]  # fmt: skip


def cases(base: Path) -> list[Case]:
    def prepare(damage):
        return lambda here: damage(log(here, base))

    found = report_cases(base)
    for number, (name, damage) in enumerate(damages().items()):
        found.append(Case("report", name, REPORT, prepare(damage), (0, 1)))
        # A process with Paddle takes seconds: of the records' wrong values, which report.py checks by the
        # same code, every third.
        if name != "everything removed" and ("history.jsonl: " not in name or number % 3 == 0):
            found.append(Case("search", name, RESUME, prepare(damage), (0, 1)))
    return found
