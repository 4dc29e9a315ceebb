"""Categorical and Bernoulli distributions given by logits: sample, log-probability, entropy.

Pure functions of Paddle tensors; those that sample take NumPy arrays as well. A sample is a function of
the logits and of noise drawn beforehand, so that a policy that takes many small decisions one after
another asks the random generator only once: argmax(logits + Gumbel noise) is distributed as
softmax(logits) (the Gumbel-max trick: Maddison et al. 2014, "A* sampling", section 2), and a logit
exceeds logistic noise, whose distribution function is the sigmoid, with probability sigmoid(logit).
"""

from typing import TypeVar

import numpy as np

from autodl_design.backend.paddle_backend import paddle

F = paddle.nn.functional
Tensor = paddle.Tensor
TensorOrArray = TypeVar("TensorOrArray", Tensor, np.ndarray)


def gumbel_noise(shape: list[int]) -> Tensor:
    return -paddle.log(-paddle.log(_open_uniform(shape)))


def logistic_noise(shape: list[int]) -> Tensor:
    uniform = _open_uniform(shape)
    return paddle.log(uniform) - paddle.log1p(-uniform)


def categorical_sample(logits: TensorOrArray, noise: TensorOrArray) -> TensorOrArray:
    """logits, Gumbel noise [..., K] -> int64 [...]."""
    return (logits + noise).argmax(axis=-1)


def categorical_log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    """logits [..., K], int64 actions [...] -> [...]."""
    taken = F.one_hot(actions, logits.shape[-1]).astype(logits.dtype)
    return (_log_softmax(logits) * taken).sum(axis=-1)


def categorical_entropy(logits: Tensor) -> Tensor:
    """logits [..., K] -> [...], in nats."""
    log_probs = _log_softmax(logits)
    return -(log_probs.exp() * log_probs).sum(axis=-1)


def bernoulli_sample(logits: TensorOrArray, noise: TensorOrArray) -> TensorOrArray:
    """logits, logistic noise [...] -> 0/1 [...] of the logits' type."""
    return (logits > noise).astype(logits.dtype)


def bernoulli_log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    """logits [...], 0/1 actions [...] of any numeric type -> [...]."""
    return -F.binary_cross_entropy_with_logits(logits, actions.astype(logits.dtype), reduction="none")


def bernoulli_entropy(logits: Tensor) -> Tensor:
    """logits [...] -> [...], in nats."""
    return F.softplus(logits) - logits * F.sigmoid(logits)


def _log_softmax(logits: Tensor) -> Tensor:
    """Paddle's own, and its cross entropy, return -64 where the result is less."""
    return logits - paddle.logsumexp(logits, axis=-1, keepdim=True)


def _open_uniform(shape: list[int]) -> Tensor:
    """Uniform numbers strictly between 0 and 1, so that their logarithms are finite."""
    return paddle.clip(paddle.rand(shape), 1e-7, 1 - 1e-7)
