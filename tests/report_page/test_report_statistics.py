"""Statistics of a search that report.py shows."""

import math

import numpy as np
import pytest
from model_records import CACHED, FAILED, model

from autodl_design.record.best import best_by_reward
from autodl_design.report_page.statistics import (
    compare,
    edge_shares,
    first_and_last,
    mean_accuracy,
    operation_shares,
    pareto_front,
)


def test_mean_of_independent_models_has_the_usual_standard_error():
    accuracies = np.random.default_rng(0).random(50)
    models = [model(mid, accuracy, network=str(mid)) for mid, accuracy in enumerate(accuracies)]
    mean, error, count = mean_accuracy([*models, model(50, **FAILED)])
    assert mean == pytest.approx(accuracies.mean())
    assert error == pytest.approx(accuracies.std(ddof=1) / math.sqrt(50))
    assert count == 50


def test_a_cached_model_repeats_a_sample_and_is_none_of_its_own():
    models = [model(0, 0.2, network="a"), model(1, 0.4, network="b")]
    models += [model(mid, 0.4, network="b", **CACHED) for mid in (2, 3)]
    # Weights 1 and 3 are worth 4^2 / (1 + 9) = 1.6 models; the spread of 0.2 and 0.4 is 0.1414.
    assert mean_accuracy(models) == pytest.approx((0.35, 0.1118, 4), abs=1e-4)
    assert math.isnan(mean_accuracy(models[1:]).error)
    assert math.isnan(mean_accuracy([model(0, **FAILED)]).mean)


@pytest.mark.parametrize(
    ("num_steps", "names", "first", "last"),
    [(3, "step", 1, 2), (5, "2 steps", 2, 3), (9, "3 steps", 3, 6), (1000, "50 steps", 50, 950)],
)
def test_compares_a_quarter_of_the_steps_at_most_50(num_steps, names, first, last):
    models = [model(mid, 0.5) for mid in range(2 * num_steps)]  # two models a step
    (first_name, first_models), (last_name, last_models) = first_and_last(models)
    assert (first_name, last_name) == (f"first {names}", f"last {names}")
    assert first_models == models[: 2 * first] and last_models == models[2 * last :]


def test_the_last_step_is_compared_with_the_first_one():
    models = [model(0, 0.2), model(1, 0.4), model(2, 0.5), model(3, 0.7)]  # two models a step
    difference = compare(models).differences["last - first"]
    assert difference[:2] == pytest.approx((0.3, math.hypot(0.1, 0.1)))
    assert difference.in_errors == pytest.approx(0.3 / math.hypot(0.1, 0.1))


def test_a_single_step_is_compared_with_nothing():
    comparison = compare([model(0, 0.5), model(1, 0.7)])
    assert comparison.means.keys() == {"first step"} and not comparison.differences


def test_pareto_front_is_what_no_other_model_dominates():
    rng = np.random.default_rng(0)
    values = zip(rng.integers(1, 30, 300) / 100, rng.integers(1, 60, 300), strict=True)
    models = [model(mid, accuracy, num_params=int(size)) for mid, (accuracy, size) in enumerate(values)]
    models += [model(300, **FAILED), model(301, 0.9, num_params=1, **CACHED)]
    front = pareto_front(models)

    def dominates(a, b):
        at_least = a.accuracy >= b.accuracy and a.num_params <= b.num_params
        return at_least and (a.accuracy, a.num_params) != (b.accuracy, b.num_params)

    expected = [a for a in models[:300] if not any(dominates(b, a) for b in models[:300])]
    assert {(m.accuracy, m.num_params) for m in front} == {(m.accuracy, m.num_params) for m in expected}
    assert [m.num_params for m in front] == sorted({m.num_params for m in front})


def test_best_are_by_reward_and_each_network_once():
    models = [
        model(0, 0.2, network="a"),
        model(1, 0.5, network="b"),
        model(2, 0.5, network="b", **CACHED),
        model(3, **FAILED),
        model(4, 0.3, network="a"),
        model(5, 0.6, reward=0.25, network="c"),
    ]
    assert [m.mid for m in best_by_reward(models, 10)] == [1, 4, 5]
    assert [m.mid for m in best_by_reward(models, 1)] == [1]


def test_shares_of_operations_and_edges_by_cell():
    # Three nodes a cell. Edges of a cell: 0 to 1; 0 to 2; 1 to 2.
    models = [
        model(0, 0.5, tokens=[0, 1, 1, 9, 9, 9], adjvec=[1, 0, 1, 0, 0, 0]),
        model(1, tokens=[0, 2, 1, 9, 9, 8], adjvec=[1, 0, 0, 0, 0, 1], **FAILED),
    ]
    normal = operation_shares(models, reduction=False)
    assert normal.shape == (10, 3)
    assert normal[:3].tolist() == [[1, 0, 0], [0, 0.5, 1], [0, 0.5, 0]] and not normal[3:].any()
    assert operation_shares(models, reduction=True)[8:].tolist() == [[0, 0, 0.5], [1, 1, 0.5]]
    np.testing.assert_equal(edge_shares(models, reduction=False), [[1, np.nan], [0, 0.5]])
    np.testing.assert_equal(edge_shares(models, reduction=True), [[0, np.nan], [0, 0.5]])
