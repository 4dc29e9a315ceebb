"""Samples, log-probabilities and entropies of the two distributions."""

import math

import numpy as np
import pytest
from scipy.stats import chisquare

import distribute_generator as dist
from autodl_design.backend.paddle_backend import paddle

LOG_1_2_7 = [math.log(1), math.log(2), math.log(7)]  # probabilities 0.1, 0.2, 0.7


def test_categorical_log_prob():
    logits = paddle.to_tensor([LOG_1_2_7, LOG_1_2_7, [0.0, 0.0, 0.0]])
    log_prob = dist.categorical_log_prob(logits, paddle.to_tensor([0, 2, 1]))
    np.testing.assert_allclose(log_prob.numpy(), np.log([0.1, 0.7, 1 / 3]), rtol=1e-6)


def test_bernoulli_log_prob():
    logits = paddle.to_tensor([math.log(3), math.log(3), 0.0])  # probabilities 3/4, 3/4, 1/2
    log_prob = dist.bernoulli_log_prob(logits, paddle.to_tensor([1, 0, 1]))
    np.testing.assert_allclose(log_prob.numpy(), np.log([0.75, 0.25, 0.5]), rtol=1e-6)


def test_entropies():
    categorical = dist.categorical_entropy(paddle.to_tensor([LOG_1_2_7, [5.0, 5.0, 5.0]]))
    np.testing.assert_allclose(categorical.numpy(), [0.8018186, math.log(3)], rtol=1e-6)
    bernoulli = dist.bernoulli_entropy(paddle.to_tensor([math.log(3), 0.0]))
    np.testing.assert_allclose(bernoulli.numpy(), [0.5623351, math.log(2)], rtol=1e-6)


def test_entropy_gradients():
    logits = paddle.to_tensor([[1.0, -0.5]], stop_gradient=False)
    dist.categorical_entropy(logits).sum().backward()
    p = 1 / (1 + math.exp(-1.5))
    expected = -p * (1 - p) * 1.5  # of two outcomes with logits 1.5 apart
    np.testing.assert_allclose(logits.grad.numpy(), [[expected, -expected]], rtol=1e-5)

    logit = paddle.to_tensor([1.5], stop_gradient=False)
    dist.bernoulli_entropy(logit).sum().backward()
    np.testing.assert_allclose(logit.grad.numpy(), [expected], rtol=1e-5)


def test_large_logits_stay_exact():
    categorical = paddle.to_tensor([[1000.0, -1000.0]] * 2)
    log_prob = dist.categorical_log_prob(categorical, paddle.to_tensor([0, 1]))
    assert log_prob.tolist() == [0, -2000]
    assert dist.categorical_entropy(categorical).tolist() == [0, 0]

    bernoulli = paddle.to_tensor([1000.0, 1000.0, -1000.0])
    log_prob = dist.bernoulli_log_prob(bernoulli, paddle.to_tensor([1, 0, 1]))
    assert log_prob.tolist() == [0, -1000, -1000]
    assert dist.bernoulli_entropy(bernoulli).tolist() == [0, 0, 0]

    paddle.seed(0)
    noise = dist.gumbel_noise([1000, 1, 2])
    assert (dist.categorical_sample(categorical, noise) == 0).all()
    noise = dist.logistic_noise([1000, 3])
    assert (dist.bernoulli_sample(bernoulli, noise) == paddle.to_tensor([1.0, 1.0, 0.0])).all()


@pytest.mark.parametrize("seed", range(3))
def test_categorical_samples_follow_the_softmax(seed):
    paddle.seed(seed)
    draws = 20_000
    logits = paddle.to_tensor([LOG_1_2_7, [2.5, -2.5, 0.0]])
    actions = dist.categorical_sample(logits, dist.gumbel_noise([draws, 2, 3])).numpy()
    probabilities = paddle.nn.functional.softmax(logits).numpy().astype(float)
    for column, p in zip(actions.T, probabilities, strict=True):
        assert chisquare(np.bincount(column, minlength=3), draws * p / p.sum()).pvalue > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_bernoulli_samples_follow_the_sigmoid(seed):
    paddle.seed(seed)
    draws = 20_000
    logits = [math.log(3), 0.0, -2.5]
    actions = dist.bernoulli_sample(paddle.to_tensor(logits), dist.logistic_noise([draws, 3]))
    assert set(np.unique(actions.numpy())) == {0, 1}
    for ones, logit in zip(actions.sum(axis=0).tolist(), logits, strict=True):
        p = 1 / (1 + math.exp(-logit))
        assert chisquare([ones, draws - ones], [draws * p, draws * (1 - p)]).pvalue > 1e-3


def test_noise_is_finite_and_seeded():
    def draw(seed):
        paddle.seed(seed)
        return np.concatenate([dist.gumbel_noise([10**6]), dist.logistic_noise([10**6])])

    assert np.isfinite(draw(0)).all()
    assert (draw(0) == draw(0)).all()
    assert (draw(0) != draw(1)).any()
