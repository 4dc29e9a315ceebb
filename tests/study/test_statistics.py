"""Means, ranks and noise as the study computes them."""

import numpy as np
import pytest
from model_records import model
from scipy.stats import kendalltau

from study.statistics import (
    accuracies_of,
    between_and_noise,
    by_network,
    mean_accuracies,
    tau_and_error,
    tau_b,
)


def test_tau_b_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, (2, 12))  # with ties
        assert tau_b(x, y) == pytest.approx(kendalltau(x, y)[0])
    assert np.isnan(tau_b([1, 1], [1, 2]))


def runs_of(accuracies):
    """Of accuracies [runs, networks]."""
    return [
        model(mid, accuracy, network=f"{mid:016x}", run=run)
        for run, row in enumerate(accuracies, 1)
        for mid, accuracy in enumerate(row)
    ]


def test_complete_runs_only():
    runs = runs_of([[0.25, 0.5, 0.75], [0.25, 0.75, 0.5], [0.5]])
    networks = [f"{mid:016x}" for mid in range(3)]
    accuracies = accuracies_of(runs, networks)
    assert accuracies.tolist() == [[0.25, 0.5, 0.75], [0.25, 0.75, 0.5]]
    tau, _ = tau_and_error(accuracies, np.array([0.1, 0.2, 0.3]))
    assert tau == pytest.approx(2 / 3)
    between, noise = between_and_noise(accuracies)
    assert noise == pytest.approx((2 * 0.03125 / 3) ** 0.5) and between > noise
    assert np.isnan(between_and_noise(accuracies[:1])).all()


def test_a_training_in_two_files_counts_once():
    runs = runs_of([[0.25, 0.5], [0.75, 0.5]])
    assert mean_accuracies(by_network([*runs, *runs[:1]])) == {f"{0:016x}": 0.5, f"{1:016x}": 0.5}
