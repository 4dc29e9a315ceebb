"""The search space: the operations of nodes, and cells made of them.

    normal, reduction = decode(tokens, adjvec)

An architecture is a vector of tokens (the operation of every node) and an adjacency vector (which earlier
nodes feed it), for a normal cell and a reduction cell. Only this file knows how the vectors are laid out;
elsewhere they are one value, architecture.Architecture.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Vector = TypeVar("Vector", Sequence[int], np.ndarray)

# Token t is the t-th of these. child_network.operations.OPERATIONS says what each of them is.
OPERATION_NAMES = (
    "conv_1x1",
    "conv_3x3",
    "conv_5x5",
    "dilated_3x3",
    "conv_1x3_3x1",
    "conv_1x5_5x1",
    "maxpool_3x3",
    "maxpool_5x5",
    "avgpool_3x3",
    "avgpool_5x5",
)


class Cell(NamedTuple):
    """One cell as data: `operations[i]` names node i's operation, `inputs[i]` the nodes that feed it."""

    operations: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]

    @property
    def leaves(self) -> list[int]:
        """The nodes that feed no other node; their outputs make the cell's output."""
        used = {j for inputs in self.inputs for j in inputs}
        return [i for i in range(len(self.operations)) if i not in used]

    @property
    def depths(self) -> list[int]:
        """Of each node, the edges on the longest way from the cell's input; grows along every edge."""
        depths: list[int] = []
        for inputs in self.inputs:
            depths.append(max((depths[j] + 1 for j in inputs), default=0))
        return depths


def halves(vector: Vector) -> tuple[Vector, Vector]:
    """The normal cell's and the reduction cell's part of tokens or of an adjacency vector."""
    half = len(vector) // 2
    return vector[:half], vector[half:]


def check_architecture(tokens: Sequence[int], adjvec: Sequence[int]) -> int:
    """The number N of a cell's nodes. Raises ValueError as `decode` does, and takes a tenth of its time."""
    num_nodes, odd = divmod(len(tokens), 2)
    if odd or num_nodes < 1:
        raise ValueError(f"tokens must be two cells of the same size, not {len(tokens)} numbers")
    if len(adjvec) != num_nodes * (num_nodes - 1):
        raise ValueError(
            f"{len(tokens)} tokens need an adjvec of {num_nodes * (num_nodes - 1)}, not {len(adjvec)}"
        )
    last = len(OPERATION_NAMES) - 1
    for token in tokens:
        if not 0 <= token <= last:
            raise ValueError(f"tokens must lie in 0 .. {last}, and one is {token}")
    for edge in adjvec:
        if edge not in (0, 1):
            raise ValueError(f"adjvec must hold 0 and 1 only, and one is {edge}")
    return num_nodes


def decode(tokens: Sequence[int], adjvec: Sequence[int]) -> tuple[Cell, Cell]:
    """The normal and the reduction cell of an architecture.

    tokens: ints [2N], the normal cell's first; token t is the t-th of OPERATION_NAMES.
    adjvec: 0/1 [N(N-1)], the normal cell's first; within a cell node i owns the i entries from
        i(i-1)/2 on, and entry j of them says whether node j feeds node i.

    Raises ValueError where the lengths do not fit each other or a value is out of range.
    """
    num_nodes = check_architecture(tokens, adjvec)

    def cell(tokens: Sequence[int], edges: Sequence[int]) -> Cell:
        starts = [i * (i - 1) // 2 for i in range(num_nodes)]
        inputs = (tuple(j for j in range(i) if edges[start + j]) for i, start in enumerate(starts))
        return Cell(tuple(OPERATION_NAMES[token] for token in tokens), tuple(inputs))

    normal, reduction = zip(halves(tokens), halves(adjvec), strict=True)
    return cell(*normal), cell(*reduction)
