"""A trained model as files in a directory, with checksums, so that damage is found before Paddle reads it.

    write_model(directory, TrainedModel(program, parameters, class_names, image_size=32))
    model = read_model(directory)

model.pdmodel and model.pdiparams are Paddle's, model.onnx, if asked for, is ONNX's. classes.txt has the
name of a class in each line. model.json, which is written last, has the size of the images and the SHA-256
of each other file. Paddle itself crashes on some damaged models.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from autodl_design.checked_io.files import read_json, write_whole
from autodl_design.checked_io.regular_files import check_regular, open_regular

PROGRAM, PARAMETERS, CLASSES = "model.pdmodel", "model.pdiparams", "classes.txt"
ONNX, DESCRIPTION = "model.onnx", "model.json"
NAMES = (PROGRAM, PARAMETERS, CLASSES, ONNX, DESCRIPTION)


class ModelError(Exception):
    """A directory without a whole model; the text is for the user."""


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """From pixels, float32 [B, 3, image_size, image_size] in 0 .. 255, to probabilities of classes."""

    program: bytes
    parameters: bytes
    class_names: tuple[str, ...]
    image_size: int
    onnx: bytes | None = None


def check_places(directory: Path) -> None:
    """Raises OSError where something else than a file has the name of one of a model's files."""
    for name in NAMES:
        if os.path.lexists(directory / name):
            check_regular(directory / name)


def write_model(directory: Path, model: TrainedModel) -> None:
    """Raises OSError where a file cannot be written."""
    files = {
        PROGRAM: model.program,
        PARAMETERS: model.parameters,
        CLASSES: "".join(f"{name}\n" for name in model.class_names).encode(),
    }
    if model.onnx:
        files[ONNX] = model.onnx
    for name, content in files.items():
        write_whole(directory / name, content)
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    description = {"image_size": model.image_size, "sha256": checksums}
    write_whole(directory / DESCRIPTION, (json.dumps(description, indent=1) + "\n").encode())


def read_model(directory: Path) -> TrainedModel:
    """Without its ONNX form. Raises ModelError where a file is missing or is not the one written."""
    try:
        size, checksums = _checked(read_json(directory / DESCRIPTION))
        files = {name: _read(directory / name, checksum) for name, checksum in checksums.items()}
        class_names = tuple(files[CLASSES].decode().split("\n")[:-1])
    except FileNotFoundError as error:
        raise ModelError(
            f"{error.filename} is missing: name a directory that retrain.py wrote by --model"
        ) from error
    except OSError as error:
        raise ModelError(f"{error.filename or directory}: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelError(f"{directory / DESCRIPTION} is damaged: {_ADVICE}") from error
    return TrainedModel(files[PROGRAM], files[PARAMETERS], class_names, size)


_ADVICE = "`python retrain.py --resume` with that --output_dir writes the model again"


def _checked(description: Any) -> tuple[int, dict[str, str]]:
    """Image size and checksums. Raises ValueError."""
    try:
        size, checksums = description["image_size"], description["sha256"]
        if type(size) is not int or not 1 <= size <= 10_000:
            raise ValueError("no size of images")
        return size, {name: str(checksums[name]) for name in (PROGRAM, PARAMETERS, CLASSES)}
    except (KeyError, TypeError) as error:
        raise ValueError("no description of a model") from error


def _read(path: Path, checksum: str) -> bytes:
    with open_regular(path) as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != checksum:
        raise ModelError(f"{path} is damaged: {_ADVICE}")
    return content
