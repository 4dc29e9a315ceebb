"""An architecture in a file of its own, to read, to keep and to train again: LOG_DIR/best.json.

    write_architecture(path, FoundArchitecture(architecture, config, mid, seed, accuracy, num_params))
    found = read_architecture(path)

The file shows each cell as operations and the nodes that feed them ([]: the cell's input), and has the same
as `tokens` and `adjvec`; with them the accuracy in the search, the recipe it was trained by, the seed, and
which images it was searched on.
"""

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

from autodl_design.checked_io.files import read_json, write_whole
from autodl_design.checked_io.messages import quoted
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import Cell
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.search_space.reference import Design, Reference

VERSION = 1


class ArchitectureError(Exception):
    """A file that holds no architecture; the text is for the user."""


@dataclasses.dataclass(frozen=True)
class FoundArchitecture:
    """An architecture, and how a search came to it."""

    architecture: Architecture
    config: ChildSettings
    mid: int  # its number in the search
    seed: int  # of the search
    accuracy: float  # in the search, on the validation images
    num_params: int
    accuracy_of: str = "one run"  # what the accuracy is, for people who read the file
    accuracy_error: float | None = None  # its standard error; None where it is not known
    images: ImageOrigin | None = None  # None in files of earlier versions


def write_architecture(path: Path, found: FoundArchitecture) -> None:
    """The file is whole or not written."""
    content = {
        "version": VERSION,
        "accuracy": float(found.accuracy),
        "accuracy_of": found.accuracy_of,
        "accuracy_error": found.accuracy_error and round(found.accuracy_error, 4),
        "num_params": int(found.num_params),
        "mid": int(found.mid),
        "seed": int(found.seed),
        **network_content(found.architecture, found.config),
        "images": found.images and found.images.to_json(),
    }
    write_content(path, content)


def write_content(path: Path, content: dict[str, Any]) -> None:
    """As JSON, one field a line, and the nodes of a cell one a line."""
    lines = [f" {json.dumps(key)}: {_indented(value)}" for key, value in content.items()]
    write_whole(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def network_content(design: Design, config: ChildSettings) -> dict[str, Any]:
    """The fields of a file that say what a network is; `parse_network` reads them."""
    recipe = {"recipe": dataclasses.asdict(config)}
    if isinstance(design, Reference):
        return {"reference": design.name, **recipe}
    normal, reduction = design.cells()
    return {
        "normal_cell": _nodes(normal),
        "reduction_cell": _nodes(reduction),
        "tokens": list(design.tokens),
        "adjvec": list(design.adjvec),
        **recipe,
    }


def _nodes(cell: Cell) -> list[dict[str, Any]]:
    pairs = zip(cell.operations, cell.inputs, strict=True)
    return [{"operation": operation, "inputs": list(inputs)} for operation, inputs in pairs]


def _indented(value: Any) -> str:
    """A cell as one node a line."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {json.dumps(node)}" for node in value) + "\n ]"
    return json.dumps(value)


def read_architecture(path: str | os.PathLike) -> FoundArchitecture:
    """Raises ArchitectureError where the file is not as `write_architecture` makes them."""
    try:
        content = read_json(Path(path))
    except OSError as error:
        raise ArchitectureError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ArchitectureError(f"{path} is not JSON: {quoted(str(error))}") from error
    try:
        return _found(content)
    except KeyError as error:
        raise ArchitectureError(f"{path}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ArchitectureError(f"{path}: {quoted(str(error))}") from error


def _found(content: Any) -> FoundArchitecture:
    """Raises KeyError, TypeError or ValueError."""
    if not isinstance(content, dict):
        raise ValueError("not an object")
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']!r}, not {VERSION}")
    architecture, config = _parse_architecture(content), parse_recipe(content["recipe"])
    early = {"accuracy_of": "one run", "accuracy_error": None, "num_params": 0, "images": None}
    content = early | content  # of early versions
    bounds = {"mid": math.inf, "seed": 2**32 - 1, "accuracy": 1, "num_params": math.inf}
    if content["accuracy_error"] is not None:
        bounds["accuracy_error"] = 1
    for name, high in bounds.items():
        if type(content[name]) not in ((int, float) if name.startswith("accuracy") else (int,)):
            raise ValueError(f"{name} is not a number")
        if not 0 <= content[name] <= high:  # nor where it is NaN
            raise ValueError(f"{name} is out of bounds")
    if type(content["accuracy_of"]) is not str:
        raise ValueError("accuracy_of is not a text")
    origin = content["images"]
    images = None if origin is None else ImageOrigin.from_json(origin)
    names = ("mid", "seed", "accuracy", "num_params", "accuracy_of", "accuracy_error")
    numbers = {name: content[name] for name in names}
    return FoundArchitecture(architecture, config, **numbers, images=images)


def parse_network(content: dict[str, Any]) -> tuple[Design, ChildSettings]:
    """Raises KeyError, TypeError or ValueError where the fields are not as
    `network_content` makes them."""
    recipe = parse_recipe(content["recipe"])
    if "reference" in content:
        return Reference.of(content["reference"]), recipe
    return _parse_architecture(content), recipe


def _parse_architecture(content: dict[str, Any]) -> Architecture:
    """Raises KeyError, TypeError or ValueError."""
    tokens, adjvec = content["tokens"], content["adjvec"]
    for name, numbers in (("tokens", tokens), ("adjvec", adjvec)):
        if not isinstance(numbers, list) or any(type(number) is not int for number in numbers):
            raise ValueError(f"{name} is not a list of whole numbers")
    architecture = Architecture.of(tokens, adjvec)
    for name, cell in zip(("normal_cell", "reduction_cell"), architecture.cells(), strict=True):
        if content[name] != _nodes(cell):
            raise ValueError(f"{name} is not the one of tokens and adjvec")
    return architecture


def parse_recipe(recipe: Any) -> ChildSettings:
    """Raises ValueError where it has not the fields of a recipe, or values out of bounds."""
    if not isinstance(recipe, dict):
        raise ValueError("recipe is not an object")
    fields = dataclasses.fields(ChildSettings)
    names = {field.name for field in fields}
    old_names = {field.metadata["alias"]: field.name for field in fields}
    before = {field.name: field.metadata["before"] for field in fields}  # newer than some files
    before = {name: value for name, value in before.items() if value is not dataclasses.MISSING}
    recipe = before | {old_names.get(name, name): value for name, value in recipe.items()}
    if recipe.keys() != names:
        others = ", ".join(sorted(recipe.keys() ^ names))
        raise ValueError(f"recipe has not the fields of this version: {others}")
    try:
        return ChildSettings(**recipe)
    except ValueError as error:
        raise ValueError(f"recipe: {error}") from error
