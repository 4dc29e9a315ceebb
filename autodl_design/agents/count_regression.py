"""How good an architecture is, predicted from what it consists of: a ridge regression on counts.

    regression = CountRegression(tokens, adjvec, rewards, num_tokens=10)
    predicted = regression.predict(other_tokens, other_adjvec)

With ten operations there are twenty counts: the edges of either cell, and how many nodes of either cell
have each of the operations but the last, whose number follows from the others. Rewards of single trainings
are noisy, and so few numbers average that away. Kadlecova et al. 2024, "Surprisingly strong performance
prediction with neural graph features", found counts of this kind hard to beat.
"""

from collections.abc import Sequence

import numpy as np

from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES

PENALTIES = np.logspace(-2, 4, 25)  # in units of standardised counts, of which a model is one row


def counts(tokens: np.ndarray, adjvec: np.ndarray, num_tokens: int) -> np.ndarray:
    """float64 [M, 2 num_tokens] of tokens [M, 2N] and adjvec [M, N(N-1)]."""
    rows = len(tokens)
    operations = np.eye(num_tokens)[tokens.reshape(rows, 2, -1)].sum(axis=2)  # [M, 2, num_tokens]
    edges = adjvec.reshape(rows, 2, -1).sum(axis=2)
    return np.concatenate([edges, operations[:, :, :-1].reshape(rows, -1)], axis=1)


class CountRegression:
    """Ridge regression (Hoerl and Kennard 1970) on standardised counts. Of PENALTIES it takes the one whose
    predictions of each reward by a regression on all the others have the least squared error; these follow
    from one decomposition (Allen 1974; Hastie, Tibshirani and Friedman 2009, equation 7.52)."""

    def __init__(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray, num_tokens: int):
        """Of M >= 1 models: tokens [M, 2N], adjvec [M, N(N-1)], finite rewards [M]."""
        self.num_tokens = num_tokens
        inputs = counts(tokens, adjvec, num_tokens)
        self.mean = inputs.mean(axis=0)
        scale = inputs.std(axis=0)
        self.scale = np.where(scale > 0, scale, 1.0)
        self.mean_reward, self.spread = rewards.mean(), rewards.std()
        # X = U diag(s) V'; of penalty p the fitted values are U diag(s^2 / (s^2 + p)) U' y.
        left, singular, right = np.linalg.svd((inputs - self.mean) / self.scale, full_matrices=False)
        projected = left.T @ (rewards - self.mean_reward)
        errors = []
        for penalty in PENALTIES:
            shrinkage = singular**2 / (singular**2 + penalty)
            residuals = rewards - self.mean_reward - left @ (shrinkage * projected)
            leverage = 1 / len(rewards) + left**2 @ shrinkage
            errors.append(np.mean((residuals / np.maximum(1 - leverage, 1e-9)) ** 2))
        self.penalty = PENALTIES[np.argmin(errors)]
        self.weights = right.T @ (singular / (singular**2 + self.penalty) * projected)

    def predict(self, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Rewards [M] that architectures tokens [M, 2N], adjvec [M, N(N-1)] are expected to have."""
        inputs = (counts(tokens, adjvec, self.num_tokens) - self.mean) / self.scale
        # Rounded, so that equal counts have equal predictions, however a machine orders its sums.
        return self.mean_reward + self.spread * np.round(inputs @ (self.weights / (self.spread or 1.0)), 9)


def rank_by_counts(
    architectures: Sequence[Architecture], rewards: Sequence[float], num_tokens: int = len(OPERATION_NAMES)
) -> list[int]:
    """The places of a search's own models, first the one whose reward a regression on all of them predicts
    to be highest; of equal ones the earlier."""
    tokens, adjvec = (np.array(column) for column in zip(*architectures, strict=True))
    regression = CountRegression(tokens, adjvec, np.array(rewards, float), num_tokens)
    return np.argsort(-regression.predict(tokens, adjvec), kind="stable").tolist()
