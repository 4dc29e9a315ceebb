"""An architecture as one value: what an agent proposes, a trainer trains, and a history records.

architecture = Architecture.of(tokens, adjvec)
normal, reduction = architecture.cells()
"""

import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autodl_design.search_space import network_id
from autodl_design.search_space.cells import Cell, check_architecture, decode, halves


class Architecture(NamedTuple):
    """Tokens (the operation of every node) and adjacency vector (which earlier nodes feed it) of the normal
    cell, then of the reduction cell; see `cells.decode`."""

    tokens: tuple[int, ...]  # [2N]
    adjvec: tuple[int, ...]  # [N(N-1)]

    @classmethod
    def of(cls, tokens: Sequence[int], adjvec: Sequence[int]) -> "Architecture":
        """Of any sequences of whole numbers, NumPy's included. Raises ValueError where they are no
        architecture, TypeError where they are no whole numbers."""
        architecture = cls(tuple(map(operator.index, tokens)), tuple(map(operator.index, adjvec)))
        check_architecture(*architecture)
        return architecture

    @classmethod
    def of_batch(cls, tokens: np.ndarray, adjvec: np.ndarray) -> list["Architecture"]:
        """The rows of what an agent proposes, tokens [B, 2N] and adjvec [B, N(N-1)]. Raises as `of`."""
        return [cls.of(*row) for row in zip(tokens.tolist(), adjvec.tolist(), strict=True)]

    @property
    def num_nodes(self) -> int:
        """N, of either cell."""
        return len(self.tokens) // 2

    def cells(self) -> tuple[Cell, Cell]:
        """The normal and the reduction cell."""
        return decode(*self)

    def edges(self) -> tuple[int, int]:
        """How many edges between nodes either cell has."""
        normal, reduction = halves(self.adjvec)
        return sum(normal), sum(reduction)

    def network_id(self, num_stages: int) -> str:
        """Equal where two architectures describe the same network; see network_id.py."""
        return network_id.of_cells(*self.cells(), num_stages)
