"""An architecture as one value: what an agent proposes, a trainer trains, and a history records.

architecture = Architecture.of(tokens, adjvec)
normal, reduction = architecture.cells()
"""

from collections.abc import Sequence
from typing import NamedTuple

from autodl_design.search_space.cells import Cell, check_architecture, decode
from autodl_design.search_space.network_id import network_id


class Architecture(NamedTuple):
    """Tokens (the operation of every node) and adjacency vector (which earlier nodes feed it) of the normal
    cell, then of the reduction cell; see `cells.decode`."""

    tokens: tuple[int, ...]  # [2N]
    adjvec: tuple[int, ...]  # [N(N-1)]

    @classmethod
    def of(cls, tokens: Sequence[int], adjvec: Sequence[int]) -> "Architecture":
        """Of any sequences of whole numbers, NumPy's included. Raises ValueError where they are no
        architecture."""
        architecture = cls(tuple(map(int, tokens)), tuple(map(int, adjvec)))
        check_architecture(*architecture)
        return architecture

    @property
    def num_nodes(self) -> int:
        """N, of either cell."""
        return len(self.tokens) // 2

    def cells(self) -> tuple[Cell, Cell]:
        """The normal and the reduction cell."""
        return decode(*self)

    def edges(self) -> tuple[int, int]:
        """How many edges between nodes either cell has."""
        half = len(self.adjvec) // 2
        return sum(self.adjvec[:half]), sum(self.adjvec[half:])

    def network_id(self, num_stages: int) -> str:
        """Equal where two architectures describe the same network; see network_id.py."""
        return network_id(*self, num_stages)
