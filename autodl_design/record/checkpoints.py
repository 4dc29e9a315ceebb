"""Checkpoints of a search, LOG_DIR/checkpoint_N.npz: the agent before step N, and what it proposed for it.

Files of other names are left alone, `checkpoint_4 (copy).npz` among them.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.checked_io.files import read_arrays, write_arrays
from autodl_design.search_space.architecture import Architecture

KEPT = 2
NAME = re.compile(r"checkpoint_(0|[1-9][0-9]{0,17})\.npz", re.ASCII)
TENSOR = "tensors."  # before the name of an array of the agent's state


class Checkpoint(NamedTuple):
    step: int
    state: dict[str, Any]  # of the agent, before the step
    tokens: np.ndarray  # [B, 2N]
    adjvec: np.ndarray  # [B, N(N-1)]


def checkpoint_paths(directory: Path) -> list[tuple[int, Path]]:
    """(step, path), the newest first."""
    found = ((NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted(((int(match[1]), path) for match, path in found if match), reverse=True)


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Of those before it only the newest stay, so that there are KEPT. Raises OSError on a full disk."""
    numbers = {name: value for name, value in checkpoint.state.items() if name != "tensors"}
    arrays = {TENSOR + name: array for name, array in checkpoint.state["tensors"].items()}
    arrays |= {"tokens": checkpoint.tokens, "adjvec": checkpoint.adjvec}
    write_arrays(directory / f"checkpoint_{checkpoint.step}.npz", numbers, arrays)
    older = [path for step, path in checkpoint_paths(directory) if step < checkpoint.step]
    for path in older[KEPT - 1 :]:
        path.unlink()


def read_checkpoint(step: int, path: Path) -> Checkpoint:
    """Raises ValueError where the file is damaged or holds something else, OSError where it cannot be read.
    Whether the state is one of the agent's, the agent has to see."""
    numbers, arrays = read_arrays(path)
    try:
        tokens, adjvec = arrays.pop("tokens"), arrays.pop("adjvec")
        if {tokens.ndim, adjvec.ndim} != {2} or {tokens.dtype.kind, adjvec.dtype.kind} != {"i"}:
            raise ValueError("tokens and adjvec are no tables of whole numbers")
        if len(tokens) != len(adjvec) or not len(tokens):
            raise ValueError("tokens and adjvec are not of the same models")
        Architecture.of_batch(tokens, adjvec)
        if not isinstance(numbers, dict) or not all(name.startswith(TENSOR) for name in arrays):
            raise ValueError("no state of an agent")
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} is no checkpoint of a search: {error}") from error
    tensors = {name.removeprefix(TENSOR): array for name, array in arrays.items()}
    return Checkpoint(step, {**numbers, "tensors": tensors}, tokens, adjvec)
