"""The regression on counts."""

import numpy as np
import pytest

from autodl_design.agents.count_regression import PENALTIES, CountRegression, counts, rank_by_counts
from autodl_design.agents.random_search import random_architectures
from autodl_design.search_space.architecture import Architecture

K = 3


def noisy(count, seed=0, noise=0.5):
    """Architectures of three nodes. Good: token 1 in the first cell, few edges in the second."""
    rng = np.random.default_rng(seed)
    tokens, adjvec = random_architectures(rng, count, 3, K)
    good = (tokens[:, :3] == 1).sum(axis=1) - 0.5 * adjvec[:, 3:].sum(axis=1)
    return tokens, adjvec, good, good + rng.normal(0, noise, count)


def test_counts():
    tokens, adjvec = np.array([[0, 1, 1, 2, 2, 0]]), np.array([[1, 0, 1, 0, 0, 1]])
    #                                       edges, then tokens 0 and 1 of the normal and the reduction cell
    assert counts(tokens, adjvec, K).tolist() == [[2, 1, 1, 2, 1, 0]]
    assert counts(np.zeros((5, 20), int), np.zeros((5, 90), int), 10).shape == (5, 20)


def test_predicts_what_it_has_not_seen_better_than_one_noisy_reward():
    tokens, adjvec, good, rewards = noisy(200)
    regression = CountRegression(tokens, adjvec, rewards, K)
    new_tokens, new_adjvec, new_good, _ = noisy(300, seed=1)
    predicted = regression.predict(new_tokens, new_adjvec)
    assert np.corrcoef(predicted, new_good)[0, 1] > 0.98
    assert np.abs(predicted - new_good).mean() < 0.15
    own = regression.predict(tokens, adjvec)
    assert np.corrcoef(own, good)[0, 1] > np.corrcoef(rewards, good)[0, 1]


def test_the_penalty_is_the_best_one_when_each_model_is_left_out():
    tokens, adjvec, _, rewards = noisy(25, noise=2)
    inputs = counts(tokens, adjvec, K)
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    with_constant = np.concatenate([np.ones((25, 1)), inputs], axis=1)

    def error(penalty):
        """By 25 regressions, whose constant has no penalty."""
        penalties = np.diag([0] + [penalty] * inputs.shape[1])
        squares = []
        for out in range(25):
            rows = np.arange(25) != out
            x, y = with_constant[rows], rewards[rows]
            weights = np.linalg.solve(x.T @ x + penalties, x.T @ y)
            squares.append((rewards[out] - with_constant[out] @ weights) ** 2)
        return np.mean(squares)

    expected = min(PENALTIES, key=error)
    assert CountRegression(tokens, adjvec, rewards, K).penalty == expected
    assert PENALTIES[0] < expected < PENALTIES[-1]


@pytest.mark.parametrize("count", [1, 2])
def test_of_too_few_models_it_predicts_their_mean(count):
    tokens, adjvec, _, _ = noisy(5)
    regression = CountRegression(
        tokens[:1].repeat(count, 0), adjvec[:1].repeat(count, 0), np.full(count, 0.3), K
    )
    assert regression.predict(tokens, adjvec) == pytest.approx([0.3] * 5)


def test_the_luckiest_reward_is_not_ranked_first():
    tokens, adjvec, good, rewards = noisy(200, noise=0.2)
    rewards[good.argmin()] = 9  # luck
    order = rank_by_counts(Architecture.of_batch(tokens, adjvec), rewards.tolist())
    assert sorted(order) == list(range(200)) and order[0] != good.argmin()
    assert good[order[:10]].mean() > np.sort(good)[-30]
    # Of equal ones the earlier is first.
    assert rank_by_counts([Architecture.of([0] * 6, [1] * 6)] * 3, [1, 2, 3]) == [0, 1, 2]
