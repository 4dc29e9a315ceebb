"""Loss, baseline and updates of REINFORCE."""

import numpy as np
import pytest

from autodl_design.backend.paddle_backend import paddle
from policy_model import PolicyModel
from reinforce_policy_gradient import (
    LearningError,
    ReinforcePolicyGradient,
    moving_average,
    reinforce_loss,
)

TINY = {"num_nodes": 3, "num_tokens": 2, "hidden_size": 4, "num_layers": 2}


def make_algorithm(power: int = 1, learning_rate: float = 1e-3, **sizes) -> ReinforcePolicyGradient:
    paddle.seed(0)
    return ReinforcePolicyGradient(PolicyModel(**(sizes or TINY)), learning_rate, 0.9, power)


def test_loss():
    log_prob = paddle.to_tensor([-1.0, -2.0, -3.0], stop_gradient=False)
    loss = reinforce_loss(log_prob, paddle.to_tensor([1.0, 0.5, -2.0]))
    assert float(loss) == pytest.approx((1 + 1 - 6) / 3)
    loss.backward()
    np.testing.assert_allclose(log_prob.grad.numpy(), [-1 / 3, -1 / 6, 2 / 3], rtol=1e-6)


def test_loss_refuses_shapes_that_would_broadcast():
    with pytest.raises(AssertionError):
        reinforce_loss(paddle.zeros([3]), paddle.zeros([3, 1]))


def test_moving_average():
    assert moving_average(None, 5.0, 0.9) == 5.0
    assert moving_average(5.0, 3.0, 0.9) == pytest.approx(4.8)
    assert moving_average(5.0, 3.0, 0.0) == 3.0


@pytest.mark.parametrize("power", [1, 3])
def test_baseline_and_advantage(power):
    algorithm = make_algorithm(power)
    sample = algorithm.model.sample(2)
    first = algorithm.learn(sample.tokens, sample.adjvec, paddle.to_tensor([1.0, 3.0]))
    assert first.baseline == 2.0  # the first batch starts the baseline
    log_prob = algorithm.model.score(sample.tokens, sample.adjvec).log_prob.numpy()
    second = algorithm.learn(sample.tokens, sample.adjvec, paddle.to_tensor([2.0, 5.0]))
    assert second.baseline == pytest.approx(0.9 * 2.0 + 0.1 * 3.5)  # 2.15, before it is used
    advantage = np.array([-0.15, 2.85]) ** power
    assert second.loss == pytest.approx((-log_prob * advantage).mean(), rel=1e-4)


def test_an_even_power_is_refused():
    with pytest.raises(ValueError, match="advantage_power 2"):
        make_algorithm(power=2)


@pytest.fixture
def float64():
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


def test_gradients_equal_finite_differences(float64):
    model = make_algorithm().model
    for parameter in model.trainable_parameters():  # away from the zeros of the biases
        parameter.set_value(parameter + 0.3 * paddle.randn(parameter.shape))
    sample = model.sample(4)
    advantage = paddle.to_tensor([1.0, -0.5, 2.0, -3.0])

    def loss():
        return reinforce_loss(model.score(sample.tokens, sample.adjvec).log_prob, advantage)

    loss().backward()
    gradients = [parameter.grad.numpy().copy() for parameter in model.trainable_parameters()]
    epsilon = 1e-5
    for parameter, gradient in zip(model.trainable_parameters(), gradients, strict=True):
        value = parameter.numpy().copy()
        expected = np.empty_like(value)
        for index in np.ndindex(*value.shape):
            either_side = []
            for change in (epsilon, -epsilon):
                moved = value.copy()
                moved[index] += change
                parameter.set_value(moved)
                either_side.append(float(loss()))
            expected[index] = (either_side[0] - either_side[1]) / (2 * epsilon)
        parameter.set_value(value)
        assert abs(expected).max() > 1e-3
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def test_an_update_is_one_step_of_adam():
    algorithm = make_algorithm(learning_rate=0.01)
    model = algorithm.model
    sample = model.sample(4)
    rewards = paddle.to_tensor([0.0, 1.0, 2.0, 5.0])  # their mean 2 is the baseline
    loss = reinforce_loss(model.score(sample.tokens, sample.adjvec).log_prob, rewards - 2)
    loss.backward()
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}
    gradients = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
    model.clear_gradients()

    result = algorithm.learn(sample.tokens, sample.adjvec, rewards)
    squares = 0.0
    for name, parameter in model.named_parameters():
        change = parameter.numpy() - before[name]
        if "bias_hh" in name:  # no parameter of the specification
            assert not parameter.numpy().any()
            continue
        gradient = gradients[name]
        squares += (gradient.astype(float) ** 2).sum()
        # Adam's first step: both moments' corrections cancel.
        expected = -0.01 * gradient / (abs(gradient) + 1e-8)
        np.testing.assert_allclose(change, expected, rtol=1e-2, atol=1e-6)
    assert result.loss == pytest.approx(float(loss), rel=1e-5)
    assert result.gradient_norm == pytest.approx(squares**0.5, rel=1e-4)
    assert all(p.grad is None or not p.grad.numpy().any() for p in model.parameters())


def test_rewarded_actions_become_likely():
    algorithm = make_algorithm(learning_rate=0.02)
    for step in range(100):
        sample = algorithm.model.sample(10)
        reward = (sample.tokens == 1).sum(axis=1) + (sample.adjvec == 0).sum(axis=1)
        result = algorithm.learn(sample.tokens, sample.adjvec, reward.astype("float32"))
        if step == 0:
            first = result
    assert first.baseline < 8  # of 12, at most; 6 on average at the start
    assert result.baseline > 10
    assert result.token_entropy < 2 / 3 * first.token_entropy
    assert result.edge_entropy < 2 / 3 * first.edge_entropy


@pytest.mark.parametrize("rewards", [[1e30, 0.0], [np.inf, 0.0], [np.nan, 0.0]])
def test_an_update_that_is_not_finite_leaves_everything_as_it_was(rewards):
    algorithm = make_algorithm(power=3)
    sample = algorithm.model.sample(2)
    good = paddle.to_tensor([1.0, 3.0])
    algorithm.learn(sample.tokens, sample.adjvec, good)
    weights = [parameter.numpy() for parameter in algorithm.parameters]
    with pytest.raises(LearningError, match="update 1 left the finite numbers"):
        algorithm.learn(sample.tokens, sample.adjvec, paddle.to_tensor(rewards))
    assert (algorithm.updates, algorithm.baseline) == (1, 2.0)
    for parameter, weight in zip(algorithm.parameters, weights, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), weight)

    other = make_algorithm(power=3)  # which never met those rewards, goes on to the same weights
    for _ in range(2):
        other.learn(sample.tokens, sample.adjvec, good)
    algorithm.learn(sample.tokens, sample.adjvec, good)
    for parameter, expected in zip(algorithm.parameters, other.parameters, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), expected.numpy())
