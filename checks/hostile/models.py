"""predict.py and retrain.py: damaged models, architectures, checkpoints, and pictures that are none."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from autodl_design.checked_io.files import read_arrays, write_arrays
from checks.hostile.case import Case, nothing
from checks.hostile.flags import RETRAIN
from checks.hostile.searches import NOT_JSON, device, made, replaced

PREDICT = ["predict.py", "--model={here}/model", "{base}/picture.png"]
EXPORT = ["export.py", "--model={here}/model", "--output={here}/mine.py"]
GO_ON = ["retrain.py", "--resume", "--output_dir={here}/model", "--epochs=2"]


def changed(name: str, place: int) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        content = bytearray((directory / name).read_bytes())
        content[place % len(content)] ^= 1
        (directory / name).write_bytes(content)

    return damage


def rewritten(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """network.json after the change; nothing but its own checks can find that out."""

    def damage(directory: Path) -> None:
        path = directory / "network.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return damage


def fields(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: {**content, **changes}


def images(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: {**content, "images": {**content["images"], **changes}}


def recipe(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: {**content, "recipe": {**content["recipe"], **changes}}


DESCRIPTIONS = {
    "a number": lambda content: 5,
    "no weights_sha256": lambda content: {k: v for k, v in content.items() if k != "weights_sha256"},
    **{f"image_size {size}": images(image_size=size) for size in (10_000, 0, 225, "32", 10**400)},
    "one class": images(class_names=["a"]),
    "100,000 classes": images(class_names=[str(k) for k in range(100_000)]),
    "two classes of one name": images(class_names=["a"] * 10),
    "control characters": images(class_names=[f"\x1b[2J{k}" for k in range(10)]),
    "accuracy NaN": fields(accuracy=float("nan")),
    **{f"width {width}": recipe(width=width) for width in (8, 4096, 10**12)},
    "100 cells": recipe(num_cells=100),
    "5 stages": recipe(num_stages=5),
    "200 nodes": lambda content: {**content, "tokens": [0] * 400, "adjvec": [1] * 200 * 199},
}


def earlier(
    damage: Callable[[Path], None] = lambda directory: None, size: Any = 32
) -> Callable[[Path], None]:
    """The model as versions before network.json wrote it, then damaged."""

    def prepare(directory: Path) -> None:
        (directory / "network.json").unlink()
        (directory / "weights.npz").unlink()
        (directory / "model.json").write_text(json.dumps({"image_size": size, "sha256": {}}))
        checkpoint = directory / "checkpoint.npz"
        numbers, arrays = read_arrays(checkpoint)
        del numbers["images"]
        numbers["options"] |= {"data_path": "cifar/mine", "input_dir": None}
        write_arrays(checkpoint, numbers, arrays)
        damage(directory)

    return prepare


def architectures() -> dict[str, bytes]:
    return {
        **NOT_JSON,
        **{
            f"{name} {str(value)[:12]}": (name, value)
            for name, value in (
                ("tokens", [99] * 4),
                ("tokens", "x"),
                ("tokens", []),
                ("adjvec", [9, 9]),
                ("adjvec", None),
                ("seed", -1),
                ("accuracy", "x"),
                ("recipe", []),
                ("recipe", {"T_0": 10**400}),
                ("recipe", {"width": 10**12}),
                ("recipe", None),
            )
        },
    }


def cases(base: Path) -> list[Case]:
    def model(damage):
        def prepare(here):
            damage(Path(shutil.copytree(base / "model", here / "model")))

        return prepare

    def architecture(value):
        def prepare(here):
            content = value
            if isinstance(value, tuple):
                best = json.loads((base / "log/best.json").read_text())
                content = json.dumps({**best, value[0]: value[1]}).encode()
            (here / "best.json").write_bytes(content)

        return prepare

    found = []
    for name in ("network.json", "weights.npz"):
        for kind, content in (("empty", b""), ("binary", bytes(range(256)) * 80), ("deep", b"[" * 200_000)):
            found.append(Case("models", f"{name}: {kind}", PREDICT, model(replaced(name, content))))
        for make in (os.mkfifo, os.mkdir, device):
            found.append(Case("models", f"{name}: {make.__name__}", PREDICT, model(made(name, make))))
        found.append(Case("models", f"{name}: a bit", PREDICT, model(changed(name, 30)), (0, 1)))
    for kind, change in DESCRIPTIONS.items():
        found.append(Case("models", f"network.json: {kind}", PREDICT, model(rewritten(change))))
    for kind, content in {"empty": b"", "a NUL": b"\0", "binary": bytes(range(256)) * 80}.items():
        for name in ("model.pdmodel", "model.pdiparams", "classes.txt"):  # which nobody reads
            damage = replaced(name, content)
            found.append(Case("models", f"{name}: {kind}", PREDICT, model(damage), (0,)))
    for name in ("checkpoint.npz", "model.json"):
        for kind, content in (("empty", b""), ("binary", bytes(range(256)) * 80), ("deep", b"[" * 200_000)):
            damage = earlier(replaced(name, content))
            found.append(Case("models", f"earlier {name}: {kind}", PREDICT, model(damage)))
    for size in (10_000, 0, "32", None):
        damage = earlier(size=size)
        found.append(Case("models", f"earlier image_size {size}", PREDICT, model(damage)))
    found.append(Case("models", "an earlier model", PREDICT, model(earlier()), (0,)))
    for to in ("torch", "paddle"):
        found.append(Case("models", f"export to {to}", [*EXPORT, f"--to={to}"], model(nothing), (0,)))
    found.append(
        Case(
            "models", "export over a file", EXPORT, model(lambda _: None), (1,), 'touch mine.py; exec "$@"'
        )
    )
    for kind, change in DESCRIPTIONS.items():
        found.append(Case("models", f"export, {kind}", EXPORT, model(rewritten(change))))
    for kind, content in (("empty", b""), ("binary", bytes(range(256)) * 80)):
        found.append(
            Case("models", f"export, weights: {kind}", EXPORT, model(replaced("weights.npz", content)))
        )
    for flag in (
        "--output=",
        "--output=x",
        "--output=/dev/null/x.py",
        "--output=a b.py",
        "--to=x",
        "--model=",
    ):
        found.append(Case("models", f"export {flag}", [*EXPORT, flag], model(lambda _: None)))
    for arguments in (
        ["{base}/log"],
        ["{here}"],
        ["--labels=/dev/zero"],
        ["--labels={here}"],
        ["--output={here}"],
    ):
        command = ["predict.py", "--model={base}/model", *arguments]
        codes = (0, 1) if arguments == ["{base}/log"] else (1,)
        found.append(Case("models", f"predict {arguments[0]}", command, codes=codes, lines=1000))
    for kind, value in architectures().items():
        command = [part if "best" not in part else "--architecture={here}/best.json" for part in RETRAIN]
        found.append(Case("models", f"architecture: {kind}", command, architecture(value), (1,)))
    checkpoint = next(path.name for path in (base / "model").iterdir() if path.suffix == ".npz")
    for kind, damage in {
        "empty": replaced(checkpoint, b""),
        "binary": replaced(checkpoint, bytes(3000)),
        "a bit": changed(checkpoint, 5000),
        "fifo": made(checkpoint, os.mkfifo),
        "directory": made(checkpoint, os.mkdir),
        "device": made(checkpoint, device),
        "lock is a fifo": made("lock", os.mkfifo),
        "lock is a directory": made("lock", os.mkdir),
    }.items():
        found.append(Case("models", f"checkpoint: {kind}", GO_ON, model(damage), (0, 1)))
    pictures = [
        "p/1.png",
        "p/2.png",
        "p/3.jpg",
        "p/4.tif",
        "p/5.png",
        "p/6.png",
        "p/none.png",
        "p/7\x1b[2J\n.png",
    ]
    command = [
        "predict.py",
        "--model={base}/model",
        *(f"{{here}}/{name}" for name in pictures),
        "--",
        "-x.png",
    ]
    found.append(Case("models", "nine pictures that are none", command, no_pictures, lines=9))
    found.append(
        Case(
            "models",
            "pictures of odd kinds",
            ["predict.py", "--model={base}/model", *(f"{{here}}/{mode}" for mode in MODES)],
            odd_pictures,
            (0,),
        )
    )
    return found


def no_pictures(here: Path) -> None:
    directory = here / "p"
    directory.mkdir()
    for name, content in {
        "1.png": b"",
        "2.png": b"\x89PNG\r\n\x1a\n" + bytes(99),
        "3.jpg": b"\xff\xd8\xff" + bytes(99),
    }.items():
        (directory / name).write_bytes(content)
    (directory / "4.tif").write_bytes(b"II*\0\x08\0\0\0" + b"\xff" * 99)
    os.mkfifo(directory / "5.png")
    device(directory / "6.png")
    (directory / "7\x1b[2J\n.png").write_bytes(b"x")


MODES = (
    "1.png",
    "L.png",
    "LA.png",
    "P.png",
    "RGB.png",
    "RGBA.png",
    "I;16.png",
    "CMYK.jpg",
)


def odd_pictures(here: Path) -> None:
    for name in MODES:
        Image.new(name.split(".")[0], (7, 300)).save(here / name)
