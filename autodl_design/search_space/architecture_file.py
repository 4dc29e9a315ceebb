"""An architecture in a file of its own, to read, to keep and to train again: LOG_DIR/best.json.

    write_architecture(path, Architecture(tokens, adjvec, mid, seed, accuracy, config), num_params)
    architecture = read_architecture(path)

The file shows each cell as operations and the nodes that feed them ([]: the cell's input), and has the same
as `tokens` and `adjvec`; with them the accuracy in the search, the recipe it was trained by, and the seed.
"""

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autodl_design.checked_io.files import read_json, write_whole
from autodl_design.checked_io.messages import quoted
from autodl_design.search_space.cells import Cell, decode
from autodl_design.search_space.child import ChildConfig

VERSION = 1


class ArchitectureError(Exception):
    """A file that holds no architecture; the text is for the user."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    tokens: list[int]  # [2N]
    adjvec: list[int]  # [N(N-1)]
    mid: int  # its number in the search
    seed: int  # of the search
    accuracy: float  # in the search, on the validation images
    config: ChildConfig


def write_architecture(
    path: Path, architecture: Architecture, num_params: int, accuracy_of: str = "one run"
) -> None:
    """The file is whole or not written. accuracy_of: for people who read the file, what the accuracy is."""
    content = {
        "version": VERSION,
        "accuracy": float(architecture.accuracy),
        "accuracy_of": accuracy_of,
        "num_params": int(num_params),
        "mid": int(architecture.mid),
        "seed": int(architecture.seed),
        **network_content(architecture.tokens, architecture.adjvec, architecture.config),
    }
    write_content(path, content)


def write_content(path: Path, content: dict[str, Any]) -> None:
    """As JSON, one field a line, and the nodes of a cell one a line."""
    lines = [f" {json.dumps(key)}: {_indented(value)}" for key, value in content.items()]
    write_whole(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def network_content(tokens: Sequence[int], adjvec: Sequence[int], config: ChildConfig) -> dict[str, Any]:
    """The fields of a file that say what a network is; `parse_network` reads them."""
    normal, reduction = decode(tokens, adjvec)
    return {
        "normal_cell": _nodes(normal),
        "reduction_cell": _nodes(reduction),
        "tokens": [int(token) for token in tokens],
        "adjvec": [int(edge) for edge in adjvec],
        "recipe": dataclasses.asdict(config),
    }


def _nodes(cell: Cell) -> list[dict[str, Any]]:
    pairs = zip(cell.operations, cell.inputs, strict=True)
    return [{"operation": operation, "inputs": list(inputs)} for operation, inputs in pairs]


def _indented(value: Any) -> str:
    """A cell as one node a line."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {json.dumps(node)}" for node in value) + "\n ]"
    return json.dumps(value)


def read_architecture(path: str | os.PathLike) -> Architecture:
    """Raises ArchitectureError where the file is not as `write_architecture` makes them."""
    try:
        content = read_json(Path(path))
    except OSError as error:
        raise ArchitectureError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ArchitectureError(f"{path} is not JSON: {quoted(str(error))}") from error
    try:
        return _architecture(content)
    except KeyError as error:
        raise ArchitectureError(f"{path}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ArchitectureError(f"{path}: {quoted(str(error))}") from error


def _architecture(content: Any) -> Architecture:
    """Raises KeyError, TypeError or ValueError."""
    if not isinstance(content, dict):
        raise ValueError("not an object")
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']!r}, not {VERSION}")
    tokens, adjvec, config = parse_network(content)
    for name, kinds in (("mid", (int,)), ("seed", (int,)), ("accuracy", (int, float))):
        if type(content[name]) not in kinds:
            raise ValueError(f"{name} is not a number")
    for name, high in (("mid", math.inf), ("seed", 2**32 - 1), ("accuracy", 1)):
        if not 0 <= content[name] <= high:  # nor where it is NaN
            raise ValueError(f"{name} is out of bounds")
    return Architecture(tokens, adjvec, content["mid"], content["seed"], content["accuracy"], config)


def parse_network(content: dict[str, Any]) -> tuple[list[int], list[int], ChildConfig]:
    """Tokens, adjvec and recipe. Raises KeyError, TypeError or ValueError where the fields are not as
    `network_content` makes them."""
    tokens, adjvec = content["tokens"], content["adjvec"]
    for name, numbers in (("tokens", tokens), ("adjvec", adjvec)):
        if not isinstance(numbers, list) or any(type(number) is not int for number in numbers):
            raise ValueError(f"{name} is not a list of whole numbers")
    for name, cell in zip(("normal_cell", "reduction_cell"), decode(tokens, adjvec), strict=True):
        if content[name] != _nodes(cell):
            raise ValueError(f"{name} is not the one of tokens and adjvec")
    return tokens, adjvec, parse_recipe(content["recipe"])


def parse_recipe(recipe: Any) -> ChildConfig:
    """Raises ValueError where it has not the fields of a recipe, or values out of bounds."""
    if not isinstance(recipe, dict):
        raise ValueError("recipe is not an object")
    names = {field.name for field in dataclasses.fields(ChildConfig)}
    old_names = {field.metadata["alias"]: field.name for field in dataclasses.fields(ChildConfig)}
    recipe = {old_names.get(name, name): value for name, value in recipe.items()}
    if recipe.keys() != names:
        others = ", ".join(sorted(recipe.keys() ^ names))
        raise ValueError(f"recipe has not the fields of this version: {others}")
    try:
        return ChildConfig(**recipe)
    except ValueError as error:
        raise ValueError(f"recipe: {error}") from error
