"""An architecture in a file of its own, to read, to keep and to train again: LOG_DIR/best.json.

    write_architecture(path, model, config, seed)
    architecture = read_architecture(path)

The file shows each cell as operations and the nodes that feed them ([]: the cell's input), and has the same
as `tokens` and `adjvec`; with them the accuracy in the search, the recipe it was trained by, and the seed.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from record.files import write_whole
from record.history import ModelRecord
from search_space.cells import Cell, decode
from search_space.child import ChildConfig

VERSION = 1


class ArchitectureError(Exception):
    """A file that holds no architecture; the text is for the user."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    tokens: list[int]
    adjvec: list[int]
    mid: int
    seed: int
    accuracy: float
    config: ChildConfig


def write_architecture(path: Path, model: ModelRecord, config: ChildConfig, seed: int) -> None:
    """The file is whole or not written."""
    normal, reduction = decode(model.tokens, model.adjvec)
    content = {
        "version": VERSION,
        "accuracy": model.accuracy,
        "num_params": model.num_params,
        "mid": model.mid,
        "seed": seed,
        "normal_cell": _nodes(normal),
        "reduction_cell": _nodes(reduction),
        "tokens": [int(token) for token in model.tokens],
        "adjvec": [int(edge) for edge in model.adjvec],
        "recipe": dataclasses.asdict(config),
    }
    lines = [f" {json.dumps(key)}: {_indented(value)}" for key, value in content.items()]
    write_whole(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


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
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ArchitectureError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ArchitectureError(f"{path} is not JSON: {error}") from error
    try:
        if content["version"] != VERSION:
            raise ArchitectureError(f"{path} has version {content['version']}, not {VERSION}")
        fields = {name: content[name] for name in ("tokens", "adjvec", "mid", "seed", "accuracy")}
        architecture = Architecture(**fields, config=_config(content["recipe"]))
        cells = decode(architecture.tokens, architecture.adjvec)
        for name, cell in zip(("normal_cell", "reduction_cell"), cells, strict=True):
            if content[name] != _nodes(cell):
                raise ValueError(f"{name} is not the one of tokens and adjvec")
    except KeyError as error:
        raise ArchitectureError(f"{path}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ArchitectureError(f"{path}: {error}") from error
    return architecture


def _config(recipe: dict[str, Any]) -> ChildConfig:
    if not isinstance(recipe, dict):
        raise ValueError("recipe is not an object")
    names = {field.name for field in dataclasses.fields(ChildConfig)}
    if recipe.keys() != names:
        names = ", ".join(sorted(recipe.keys() ^ names))
        raise ValueError(f"recipe has not the fields of this version: {names}")
    try:
        return ChildConfig(**recipe)
    except ValueError as error:
        raise ValueError(f"recipe: {error}") from error
