"""What a search found and whether it learned, in numbers: for report.py and the study.

    comparison = compare(models)

The first and the last steps of a search, which are compared, are a quarter of its steps each, at least 3
where there are 6, and at most 50.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from autodl_design.record.history import ModelRecord
from autodl_design.search_space.cells import OPERATION_NAMES, halves

SHORTEST_WINDOW, LONGEST_WINDOW = 3, 50  # steps


class Estimate(NamedTuple):
    """A mean, or a difference of two, with its standard error (NaN where it has none)."""

    mean: float
    error: float
    count: int = 0  # type: ignore[assignment]  # models; a tuple's own `count` is not used

    @property
    def in_errors(self) -> float | None:
        """The mean in standard errors; None where it has none."""
        return self.mean / self.error if self.error > 0 else None

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.mean - other.mean, math.hypot(self.error, other.error))


def trained(models: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Those that neither failed nor are `cached`, which repeats an earlier accuracy."""
    return [model for model in models if model.trained]


def mean_accuracy(models: Iterable[ModelRecord]) -> Estimate:
    """Mean over the models with an accuracy."""
    return mean_of(models, "accuracy")


def mean_of(models: Iterable[ModelRecord], field: str) -> Estimate:
    """Mean of the accuracy or of the reward, over the models with an accuracy.

    `cached` models share the result of one training, which is one sample of a larger weight: n models of
    which n_g share training g are worth n^2 / sum(n_g^2) independent ones (Kish 1965, "Survey Sampling":
    the effective sample size).
    """
    weights: dict[tuple, int] = {}
    for model in models:
        if not model.failed:
            training = (model.network or model.mid, getattr(model, field))
            weights[training] = weights.get(training, 0) + 1
    n = sum(weights.values())
    if not n:
        return Estimate(math.nan, math.nan)
    mean = sum(value * weight for (_, value), weight in weights.items()) / n
    if len(weights) < 2:
        return Estimate(mean, math.nan, n)
    spread = np.std([value for _, value in weights], ddof=1)
    independent = n**2 / sum(weight**2 for weight in weights.values())
    return Estimate(mean, float(spread / math.sqrt(independent)), n)


def first_and_last(models: Sequence[ModelRecord]) -> list[tuple[str, list[ModelRecord]]]:
    """The first and the last steps: a name and the models of each. Of one step there is the former only."""
    steps = sorted({model.step for model in models})
    # Three of few steps: of one or two the standard error is not worth much.
    window = min(max(len(steps) // 4, min(SHORTEST_WINDOW, len(steps) // 2), 1), LONGEST_WINDOW)
    name = "step" if window == 1 else f"{window} steps"
    parts = {f"first {name}": set(steps[:window])}
    if len(steps) > 1:
        parts[f"last {name}"] = set(steps[-window:])
    return [(name, [model for model in models if model.step in part]) for name, part in parts.items()]


class Comparison(NamedTuple):
    """Mean accuracies by what they are of, and differences between them."""

    means: dict[str, Estimate]
    differences: dict[str, Estimate]


def compare(models: Sequence[ModelRecord]) -> Comparison:
    """The last steps of a search with its first ones."""
    means = {name: mean_accuracy(part) for name, part in first_and_last(models)}
    first, last = list(means.values())[0], list(means.values())[-1]
    differences = {"last - first": last - first} if len(means) > 1 else {}
    return Comparison(means, differences)


def pareto_front(
    models: Iterable[ModelRecord],
    accuracy: Callable[[ModelRecord], float] = lambda model: model.accuracy or 0.0,
) -> list[ModelRecord]:
    """The trained models that no other beats: none is as accurate with fewer parameters, or more accurate
    with as many. From the smallest to the largest; of equal ones the earliest."""
    front: list[ModelRecord] = []
    for model in sorted(trained(models), key=lambda model: (model.num_params, -accuracy(model), model.mid)):
        if not front or accuracy(model) > accuracy(front[-1]):
            front.append(model)
    return front


def operation_shares(models: Sequence[ModelRecord], reduction: bool) -> np.ndarray:
    """[K, N]: the share of the models in which a node (a column) of the cell takes an operation (a row)."""
    tokens = np.array([halves(model.architecture.tokens)[reduction] for model in models])
    return np.stack([(tokens == token).mean(axis=0) for token in range(len(OPERATION_NAMES))])


def edge_shares(models: Sequence[ModelRecord], reduction: bool) -> np.ndarray:
    """[N - 1, N - 1]: the share of the models in which node j (a column) of the cell feeds node i + 1 (row
    i); NaN where there is no such edge, since a node is fed by earlier ones only."""
    return edge_table(np.mean([halves(model.architecture.adjvec)[reduction] for model in models], axis=0))


def edge_table(edges: np.ndarray) -> np.ndarray:
    """[N - 1, N - 1] of the N(N-1)/2 edges of a cell, as they stand in an adjvec; see `edge_shares`."""
    N = (1 + math.isqrt(1 + 8 * len(edges))) // 2
    table = np.full((N - 1, N - 1), np.nan)
    table[np.tril_indices(N - 1)] = edges  # row by row
    return table


def operation_counts(model: ModelRecord) -> list[dict[str, int]]:
    """For the normal and the reduction cell: nodes by operation, the most frequent first."""
    counts = []
    for cell in model.architecture.cells():
        names = sorted(set(cell.operations), key=lambda name: (-cell.operations.count(name), name))
        counts.append({name: cell.operations.count(name) for name in names})
    return counts
