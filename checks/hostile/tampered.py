"""Records, models and checkpoints that are whole, with right checksums, and say what no command wrote.

A search that is resumed on one, its report, a prediction and an export end in a result or in one line.
"""

import functools
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autodl_design.checked_io.files import read_arrays, write_arrays
from checks.hostile.case import Case
from checks.hostile.models import EXPORT, PREDICT
from checks.hostile.searches import REPORT

RESUME = [
    "checks/hostile/pseudo_search.py", "--resume", "--log_dir={here}/log", "--num_models=7",
    "--trainers=cpu:1",
]  # fmt: skip
HUGE = 10**400
Damage = Callable[[Path], None]


def with_fields(name: str, fields: dict[str, Any]) -> Damage:
    def damage(directory: Path) -> None:
        path = directory / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return damage


def records(name: str, change: Callable[[list[dict]], list[dict]]) -> Damage:
    def damage(directory: Path) -> None:
        path = directory / name
        before = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(record) + "\n" for record in change(before)))

    return damage


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(directory: Path) -> None:
        path = directory / name
        path.write_bytes(change(path.read_bytes()))

    return damage


def every_record(**fields: Any) -> Damage:
    return records("history.jsonl", lambda before: [{**record, **fields} for record in before])


def numbers_and_arrays(
    pattern: str, change: Callable[[Any, dict[str, np.ndarray]], tuple[Any, dict[str, np.ndarray]]]
) -> Damage:
    """The newest file of these names, written again after the change; network.json has its checksum."""

    def damage(directory: Path) -> None:
        path = max(directory.glob(pattern))
        write_arrays(path, *change(*read_arrays(path)))
        sign(directory)

    return damage


def first_line(held: bytes) -> bytes:
    return held[: held.index(b"\n") + 1]


def sign(directory: Path) -> None:
    network = directory / "network.json"
    if network.exists():
        digest = hashlib.sha256((directory / "weights.npz").read_bytes()).hexdigest()
        network.write_text(json.dumps({**json.loads(network.read_text()), "weights_sha256": digest}))


def all_arrays(change: Callable[[np.ndarray], np.ndarray]):
    return lambda numbers, arrays: (numbers, {name: change(array) for name, array in arrays.items()})


ARRAYS = {
    "NaN": all_arrays(lambda a: a * np.nan if a.dtype.kind == "f" else a),
    "infinite": all_arrays(lambda a: a + np.inf if a.dtype.kind == "f" else a),
    "largest": all_arrays(lambda a: np.full_like(a, 3e38) if a.dtype.kind == "f" else a),
    "denormal": all_arrays(lambda a: np.full_like(a, 1e-45) if a.dtype.kind == "f" else a),
    "float64": all_arrays(lambda a: a.astype(float)),
    "float16": all_arrays(lambda a: a.astype(np.float16)),
    "whole numbers": all_arrays(lambda a: a.astype(np.int64)),
    "truth values": all_arrays(lambda a: a.astype(bool)),
    "turned": all_arrays(lambda a: a.T),
    "Fortran order": all_arrays(np.asfortranarray),
    "other byte order": all_arrays(lambda a: a.astype(a.dtype.newbyteorder(">"))),
    "flat": all_arrays(np.ravel),
    "one dimension more": all_arrays(lambda a: a[None]),
    "empty": all_arrays(lambda a: a[:0] if a.ndim else a),
    "no arrays": lambda numbers, arrays: (numbers, {}),
    "one array less": lambda numbers, arrays: (numbers, dict(list(arrays.items())[1:])),
    "one array more": lambda numbers, arrays: (numbers, {**arrays, "x": np.zeros(3)}),
    "odd name": lambda numbers, arrays: (numbers, {**arrays, "\x1b[2J../x": np.zeros(3)}),
    "numbers null": lambda numbers, arrays: (None, arrays),
    "numbers a list": lambda numbers, arrays: ([[]], arrays),
    "numbers a text": lambda numbers, arrays: ("x" * 1000, arrays),
    "numbers huge": lambda numbers, arrays: (HUGE, arrays),
    "numbers NaN": lambda numbers, arrays: (float("nan"), arrays),
    "numbers within numbers": lambda numbers, arrays: ({"plan": {"plan": numbers}}, arrays),
}


def of_numbers(**fields: Any):
    return lambda numbers, arrays: ({**numbers, **fields}, arrays)


def shared_bytes(directory: Path) -> None:
    """A zip file whose members share their bytes, with the right checksum in network.json."""
    content = io.BytesIO()
    path = directory / "weights.npz"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        first = new.infolist()[0]
        for info in new.infolist():
            info.header_offset = first.header_offset
    path.write_bytes(content.getvalue())
    sign(directory)


def compressed(directory: Path) -> None:
    path = directory / "weights.npz"
    with np.load(path) as held:
        np.savez_compressed(path, **dict(held))
    sign(directory)


def of_a_search() -> dict[str, Damage]:
    found = {
        "all models are of one step": every_record(step=0),
        "steps of 2**62": every_record(step=2**62),
        "rewards of 1e38": every_record(reward=1e38),
        "rewards of -1e38": every_record(reward=-1e38),
        "accuracies of 1": every_record(accuracy=1.0),
        "accuracies of 0": every_record(accuracy=0.0),
        "tiny accuracies": every_record(accuracy=1e-320),
        "no time": every_record(seconds=0.0),
        "1e38 seconds": every_record(seconds=1e38),
        "2**62 parameters": every_record(num_params=2**62),
        "no parameters": every_record(num_params=0),
        "one network": every_record(network="0" * 16),
        "networks of a long name": every_record(network="x" * 100_000),
        "networks of escapes": every_record(network="\x1b[2J\n\u202e"),
        "reasons of 100,000 characters": every_record(reason="<script>" * 12_500),
        "reasons of surrogates": every_record(reason="\ud800"),
        "all failed": every_record(status="failed", accuracy=None, num_params=None, seconds=None),
        "all cached": every_record(status="cached", reason="the network of model 0"),
        "unknown fields": every_record(more={"x": [1, 2]}),
        "reversed": records("history.jsonl", lambda before: before[::-1]),
        "one model": records("history.jsonl", lambda before: before[:1]),
        "no models": records("history.jsonl", lambda before: []),
        "twice": records("history.jsonl", lambda before: before * 2),
        "numbers from 2**62 on": records(
            "history.jsonl", lambda before: [{**r, "mid": 2**62 + r["mid"]} for r in before]
        ),
        "other architectures": records(
            "history.jsonl",
            lambda before: [
                {**r, "tokens": before[0]["tokens"], "adjvec": before[0]["adjvec"]} for r in before
            ],
        ),
        "200 nodes": every_record(tokens=[0] * 400, adjvec=[1] * 200 * 199),
        "one node": every_record(tokens=[0, 0], adjvec=[]),
        "a run in the history": every_record(run=1),
        "lines of Windows": bytes_of("history.jsonl", lambda held: held.replace(b"\n", b"\r\n")),
        "a byte order mark": bytes_of("history.jsonl", lambda held: b"\xef\xbb\xbf" + held),
        "UTF-16": bytes_of("history.jsonl", lambda held: held.decode().encode("utf-16")),
        "empty lines": bytes_of("history.jsonl", lambda held: held.replace(b"\n", b"\n\n")),
        "runs of a model that is not there": lambda d: (d / "final_candidates.jsonl").write_text(
            json.dumps(
                {**json.loads((d / "history.jsonl").read_text().splitlines()[0]), "mid": 99, "run": 1}
            )
            + "\n"
        ),
        "runs of a size that is none": lambda d: (d / "final_candidates.jsonl").write_text(
            json.dumps(
                {
                    **json.loads((d / "history.jsonl").read_text().splitlines()[0]),
                    "run": 1,
                    "size": "width=0 \x1b[2J",
                }
            )
            + "\n"
        ),
        "runs without number": lambda d: (d / "final_candidates.jsonl").write_text(
            (d / "history.jsonl").read_text()
        ),
        "steps of the history as steps.csv": lambda d: (d / "steps.csv").write_bytes(
            (d / "history.jsonl").read_bytes()
        ),
        "steps.csv of a header alone": bytes_of("steps.csv", first_line),
        "steps.csv twice": bytes_of("steps.csv", lambda held: 2 * held),
    }
    for name, value in {
        "1e308": "1e308",
        "-1": "-1",
        "nan": "nan",
        "empty": "",
        "2**63": str(2**63),
    }.items():
        row = ",".join([value] * 13).encode() + b"\n"
        found[f"steps.csv of {name}"] = bytes_of("steps.csv", lambda held, row=row: first_line(held) + row)
    for kind, fields in {
        "huge probabilities": {"edge_probabilities": [HUGE, 0]},
        "a huge step": {"step": HUGE},
        "no step": {"step": None},
        "nested probabilities": {"token_probabilities": [[[0.5]]] * 4},
        "other nodes": {"token_probabilities": [[1.0]] * 20, "edge_probabilities": [0.5] * 90},
    }.items():
        found[f"policy.json: {kind}"] = with_fields("policy.json", fields)
    for kind, fields in {
        "batch_size 1": {"batch_size": 1},
        "batch_size huge": {"batch_size": HUGE},
        "num_nodes 3": {"num_nodes": 3},
        "agent of lists": {"agent": [[]]},
        "agent evolution": {"agent": "evolution"},
        "reward_of null": {"reward_of": None},
        "data_path of NUL": {"data_path": "\0", "absolute_data_path": "\0"},
        "data_path a number": {"data_path": 5},
        "a cluster": {"cluster": "127.0.0.1:1"},
        "a log_dir": {"log_dir": "/dev/null/x"},
        "resume false": {"resume": False},
        "flags of absl": {"flagfile": "x", "pdb": True},
        "operations": {"operations": []},
        "num_models text": {"num_models": "7"},
        "num_models NaN": {"num_models": float("nan")},
        "preset": {"preset": "original"},
        "seed -1": {"seed": -1},
        "surrogates": {"\ud800": "\udfff"},
    }.items():
        found[f"search.json: {kind}"] = with_fields("search.json", fields)
    for kind, change in ARRAYS.items():
        found[f"checkpoint: {kind}"] = numbers_and_arrays("checkpoint_*.npz", change)
    return found


def of_a_model() -> dict[str, Damage]:
    found = {
        f"weights: {kind}": numbers_and_arrays("weights.npz", change) for kind, change in ARRAYS.items()
    }
    return {**found, "weights that share their bytes": shared_bytes, "compressed weights": compressed}


def of_a_retraining() -> dict[str, Damage]:
    numbers = {
        "epoch huge": of_numbers(epoch=HUGE),
        "epoch -1": of_numbers(epoch=-1),
        "epoch true": of_numbers(epoch=True),
        "best_accuracy huge": of_numbers(best_accuracy=HUGE),
        "best_accuracy -1": of_numbers(best_accuracy=-1.0),
        "rng null": of_numbers(rng=None),
        "rng of another kind": of_numbers(rng={"bit_generator": "MT19937", "state": {}}),
        "rng huge": of_numbers(
            rng={
                "bit_generator": "PCG64",
                "state": {"state": HUGE, "inc": HUGE},
                "has_uint32": 0,
                "uinteger": 0,
            }
        ),
        "plan null": of_numbers(plan=None),
        "options null": of_numbers(options=None),
        "images null": of_numbers(images=None),
    }
    return {
        f"retraining: {kind}": numbers_and_arrays("checkpoint.npz", change)
        for kind, change in {**ARRAYS, **numbers}.items()
    }


def cases(base: Path) -> list[Case]:
    def a_copy(shared: str, name: str, damage: Damage) -> Damage:
        return lambda here: damage(Path(shutil.copytree(base / shared, here / name)))

    a_log = functools.partial(a_copy, "pseudo", "log")
    a_model = functools.partial(a_copy, "model", "model")
    go_on = ["retrain.py", "--resume", "--output_dir={here}/model", "--epochs=2"]
    found = []

    def add(name: str, command: list[str], prepare: Damage) -> None:
        label = f"{command[0].rpartition('/')[2]}: {name}"
        found.append(Case("tampered", label, command, prepare, (0, 1), forked=True))

    for name, damage in of_a_search().items():
        add(name, RESUME, a_log(damage))
        if not name.startswith(("checkpoint", "search.json")):
            add(name, REPORT, a_log(damage))
    for name, damage in of_a_model().items():
        add(name, PREDICT, a_model(damage))
        add(name, EXPORT, a_model(damage))
    for name, damage in of_a_retraining().items():
        add(name, go_on, a_model(damage))
    return found
