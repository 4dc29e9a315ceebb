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
    names = ("search.json", "history.jsonl", "steps.csv", "final_candidates.jsonl", "best.json")
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


def cases(base: Path) -> list[Case]:
    def prepare(damage):
        return lambda here: damage(log(here, base))

    found = []
    for number, (name, damage) in enumerate(damages().items()):
        found.append(Case("report", name, REPORT, prepare(damage), (0, 1)))
        # A process with Paddle takes seconds: of the records' wrong values, which report.py checks by the
        # same code, every third.
        if name != "everything removed" and ("history.jsonl: " not in name or number % 3 == 0):
            found.append(Case("search", name, RESUME, prepare(damage), (0, 1)))
    return found
