"""A surrogate of child training: the accuracy of any architecture, learnt from recorded trainings.

    trainings = read_trainings(sorted(Path("benchmarks/results/small").glob("*.jsonl.gz")))
    accuracies = Surrogate(trainings, noise=0.01).mean(tokens, adjvec)

A regression on recorded architectures, as NAS-Bench-301 is (Zela et al. 2022, "Surrogate NAS benchmarks").
`benchmarks.replay` replays agents on it.
"""

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from record.history import from_json
from search_space.cells import OPERATION_NAMES, Cell, decode


class Trainings(NamedTuple):
    tokens: np.ndarray  # int64 [M, 2N]
    adjvec: np.ndarray  # int64 [M, N(N-1)]
    accuracy: np.ndarray  # float64 [M]


def read_trainings(paths: Iterable[Path]) -> Trainings:
    """The models that were trained, of compressed histories (see record/history.py)."""
    models = []
    for path in paths:
        with gzip.open(path, "rt") as lines:
            models += [model for model in map(from_json, map(json.loads, lines)) if model.status == "ok"]
    columns = ([getattr(model, name) for model in models] for name in Trainings._fields)
    return Trainings(*map(np.array, columns))


def features(tokens: Sequence[int], adjvec: Sequence[int]) -> np.ndarray:
    """What an accuracy is predicted from, [F]. For either cell, how often each operation occurs: in all
    nodes, in nodes that feed no other, in nodes that no other feeds, and weighted with the nodes' depths;
    and how many nodes of these kinds, edges and layers there are."""
    return np.concatenate([_cell_features(cell) for cell in decode(tokens, adjvec)])


def _cell_features(cell: Cell) -> np.ndarray:
    depth: list[int] = []  # edges on the longest way from the cell's input
    for inputs in cell.inputs:
        depth.append(max((depth[j] + 1 for j in inputs), default=0))
    operation = np.array([OPERATION_NAMES.index(name) for name in cell.operations])
    one_hot = np.eye(len(OPERATION_NAMES))[operation]  # [N, 10]
    is_leaf = np.isin(np.arange(len(depth)), cell.leaves)
    num_inputs = np.array([len(inputs) for inputs in cell.inputs])
    weights = np.array([np.ones(len(depth)), is_leaf, num_inputs == 0, depth])
    counts = [is_leaf.sum(), (num_inputs == 0).sum(), num_inputs.sum(), max(depth), sum(depth)]
    return np.concatenate([(weights @ one_hot).ravel(), counts])


class Surrogate:
    """noise: standard deviation of the accuracy between two trainings of one architecture."""

    def __init__(self, trainings: Trainings, noise: float):
        self.noise = noise
        self.trees = ExtraTreesRegressor(
            300, min_samples_leaf=3, max_features=0.5, random_state=0, n_jobs=1
        )
        self.trees.fit(self._features(trainings), trainings.accuracy)

    @staticmethod
    def _features(architectures: Trainings) -> np.ndarray:
        rows = zip(architectures.tokens, architectures.adjvec, strict=True)
        return np.array([features(*row) for row in rows])

    def mean(self, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Expected accuracies [B] of architectures tokens [B, 2N], adjvec [B, N(N-1)]."""
        return self.trees.predict(self._features(Trainings(tokens, adjvec, np.zeros(len(tokens)))))
