"""A surrogate of child training: the accuracy of any architecture, learnt from recorded trainings.

    surrogate = Surrogate(trained(models))
    accuracies = surrogate.mean(tokens, adjvec)

A regression on recorded architectures, as NAS-Bench-301 is (Zela et al. 2022, "Surrogate NAS benchmarks").
Its trees average recorded accuracies, so it predicts nothing above them, and its predictions vary less than
the true accuracies do. `study.replay` replays agents on it.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from autodl_design.record.history import ModelRecord
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES, Cell


def features(architecture: Architecture) -> np.ndarray:
    """What an accuracy is predicted from, [F]. For either cell, how often each operation occurs: in all
    nodes, in nodes that feed no other, in nodes that no other feeds, and weighted with the nodes' depths;
    and how many nodes of these kinds, edges and layers there are."""
    return np.concatenate([_cell_features(cell) for cell in architecture.cells()])


def _cell_features(cell: Cell) -> np.ndarray:
    depths = cell.depths
    operation = np.array([OPERATION_NAMES.index(name) for name in cell.operations])
    one_hot = np.eye(len(OPERATION_NAMES))[operation]  # [N, 10]
    is_leaf = np.isin(np.arange(len(depths)), cell.leaves)
    num_inputs = np.array([len(inputs) for inputs in cell.inputs])
    weights = np.array([np.ones(len(depths)), is_leaf, num_inputs == 0, depths])
    counts = [is_leaf.sum(), (num_inputs == 0).sum(), num_inputs.sum(), max(depths), sum(depths)]
    return np.concatenate([(weights @ one_hot).ravel(), counts])


class Surrogate:
    """Fitted to models that were trained, all of them of one number of nodes."""

    def __init__(self, models: Sequence[ModelRecord]):
        self.trees = ExtraTreesRegressor(300, min_samples_leaf=3, max_features=0.5, random_state=0)
        inputs = [features(model.architecture) for model in models]
        self.trees.fit(inputs, [model.accuracy for model in models])

    def mean(self, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Expected accuracies [B] of architectures tokens [B, 2N], adjvec [B, N(N-1)]."""
        return self.trees.predict(list(map(features, Architecture.of_batch(tokens, adjvec))))
