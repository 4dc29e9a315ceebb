"""The policy: an LSTM that writes an architecture down, decision by decision.

For the normal cell and then, with the LSTM's state carried over, for the reduction cell:

    the last token ------------------> token of node 0
    node i = 1 .. N-1:
        the last token --------------> i edges: which earlier nodes feed node i
        the edges just taken --------> token of node i

An arrow is one LSTM step followed by a fully connected head: that step's own, or with `shared_heads` one
for all tokens and one for all edges. So every step's input is the action of the step before it: a token as
one-hot, edges as 0/1, and zeros before the first step.

`sample` goes step by step, in NumPy on the host (autodl_design/policy/lstm_step.py). `score` knows all
actions, so it knows the LSTM's whole input and runs it once over the sequence and all heads in one batched
product, in Paddle. Both walk through the same parameters.

Shapes: B architectures, N nodes a cell, K tokens, E = N(N-1) edges, H hidden size; T = 2(2N - 1) steps
(autodl_design/policy/layout.py lists them); D the width of the LSTM's input and of a head's output, at
least that of the widest action. Where a step's action is narrower, the rest is padding: zero as an
action, and left out of every sum.
"""

import math
from typing import NamedTuple

import numpy as np

import distribute_generator as dist
from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.parl_backend import parl
from autodl_design.policy.layout import Layout, steps_of
from autodl_design.policy.lstm_step import LSTMStep

F = paddle.nn.functional
Tensor = paddle.Tensor

# Logits are RANGE tanh(x / TEMPERATURE): bounded, so that no action's probability vanishes.
TEMPERATURE, RANGE = 5, 2.5


class Sample(NamedTuple):
    tokens: Tensor  # int64 [B, 2N]
    adjvec: Tensor  # int64 [B, E]


class Score(NamedTuple):
    log_prob: Tensor  # [B]
    token_entropy: Tensor  # [B], nats, summed over the 2N token decisions
    edge_entropy: Tensor  # [B], nats, summed over the E edge decisions


class Probabilities(NamedTuple):
    tokens: np.ndarray  # [2N, K]
    edges: np.ndarray  # [E]


class PolicyModel(parl.Model):
    """input_size is D, by default max(N - 1, K); a smaller one raises ValueError.

    edge_probability: of each edge before anything is learnt, about. Its logit is added to the squashed ones
        of the edges, so that learning moves either way from it. Raises ValueError unless it is between 0
        and 1.
    shared_heads: one head for all tokens and one for all edges, of both cells, as in ENAS (Pham et al.
        2018), where a reward teaches about all nodes at once; the steps then differ by the LSTM's state.
    """

    def __init__(
        self,
        num_nodes: int = 10,
        num_tokens: int = 10,
        hidden_size: int = 64,
        num_layers: int = 2,
        input_size: int | None = None,
        edge_probability: float = 0.5,
        shared_heads: bool = False,
    ):
        super().__init__()
        N, K, H = num_nodes, num_tokens, hidden_size
        steps = steps_of(N, K)
        D = max(N - 1, K) if input_size is None else input_size
        if D < max(N - 1, K):
            raise ValueError(f"input_size {D} is less than an action needs, {max(N - 1, K)}")
        self.num_nodes, self.num_tokens = N, K
        if not 0 < edge_probability < 1:
            raise ValueError(f"edge_probability {edge_probability} is not between 0 and 1")
        self.edge_logit = math.log(edge_probability / (1 - edge_probability))

        # Paddle's LSTM has the four gates in the order i, f, j, o. Its fused form insists on a second bias,
        # and on its gradient: that bias stays at its zeros, since Adam would move the sum of two biases
        # twice as fast as one.
        initializer = paddle.nn.initializer
        uniform = paddle.ParamAttr(initializer=initializer.Uniform(-0.1, 0.1))
        zero = paddle.ParamAttr(initializer=initializer.Constant(0.0))
        self.lstm = paddle.nn.LSTM(
            D, H, num_layers, time_major=True,
            weight_ih_attr=uniform, weight_hh_attr=uniform, bias_ih_attr=zero, bias_hh_attr=zero,
        )  # fmt: skip
        # Scaled by hand: Paddle 3 truncates at -2 and 2 whatever the std, Paddle 2 at two of them.
        normal = paddle.ParamAttr(initializer=initializer.TruncatedNormal(std=1.0))
        self.shared_heads = shared_heads
        num_heads = 2 if shared_heads else len(steps)
        self.head_weight = self.create_parameter([num_heads, H, D], normal)
        self.head_weight.set_value(self.head_weight * math.sqrt(2 / H))
        self.head_bias = self.create_parameter([num_heads, 1, D], zero)

        layout, dtype = Layout(steps, D), paddle.get_default_dtype()
        self.is_token_step = layout.is_token.tolist()
        self.token_positions = paddle.to_tensor(layout.token_positions)
        self.edge_positions = paddle.to_tensor(layout.edge_positions)
        # A step's input is the action of the step before it; the first one's is padding, which is zero.
        zeros = np.full_like(layout.sources[:1], layout.is_action.sum())
        self.sources = paddle.to_tensor(np.concatenate([zeros, layout.sources[:-1]]).ravel())
        self.one_hot = paddle.eye(K, D, dtype)
        self.token_step_mask = paddle.to_tensor(layout.is_token[:, None, None])
        self.padding_noise = paddle.to_tensor(layout.padding_noise[:, None], dtype)

    def trainable_parameters(self) -> list[Tensor]:
        """All but the LSTM's second biases, which stay zero."""
        return [p for name, p in self.named_parameters() if "bias_hh" not in name]

    # Weights near the end of the finite numbers overflow; an update then sees it (LearningError).
    @np.errstate(over="ignore", invalid="ignore")
    @paddle.no_grad()
    def sample(self, batch_size: int) -> Sample:
        """Draws architectures; the randomness is that of Paddle's global generator."""
        weights, biases = (heads.numpy() for heads in self._heads())
        T, _, D = weights.shape
        shape = [T, batch_size, D]
        noise = paddle.where(self.token_step_mask, dist.gumbel_noise(shape), dist.logistic_noise(shape))
        noise += self.padding_noise  # padding is never chosen
        one_hot = self.one_hot.numpy()

        step = LSTMStep(self.lstm, batch_size)
        actions = []
        action = np.zeros([batch_size, D], one_hot.dtype)
        for is_token, weight, bias, step_noise in zip(
            self.is_token_step, weights, biases, noise.numpy(), strict=True
        ):
            logits = step(action) @ weight  # [B, D]
            logits += bias
            logits /= TEMPERATURE
            np.tanh(logits, out=logits)
            logits *= RANGE
            if is_token:
                action = one_hot[dist.categorical_sample(logits, step_noise)]
            else:
                logits += self.edge_logit
                action = dist.bernoulli_sample(logits, step_noise)
            actions.append(action)

        one_hots, edges = self._split(paddle.to_tensor(np.stack(actions)))
        return Sample(one_hots.argmax(axis=-1), edges.astype("int64"))

    def score(self, tokens: Tensor, adjvec: Tensor) -> Score:
        """Log-probability of given architectures, the LSTM fed those same actions, and the entropy of
        the decisions met on the way.

        tokens: int64 [B, 2N]; adjvec: int64 [B, E]. Differentiable in the parameters.
        """
        token_logits, edge_logits = self._logits(tokens, adjvec)
        token_log_prob = dist.categorical_log_prob(token_logits, tokens)
        edge_log_prob = dist.bernoulli_log_prob(edge_logits, adjvec)
        return Score(
            token_log_prob.sum(axis=1) + _sum_edges(edge_log_prob),
            dist.categorical_entropy(token_logits).sum(axis=1),
            _sum_edges(dist.bernoulli_entropy(edge_logits)),
        )

    @paddle.no_grad()
    def probabilities(self, tokens: Tensor, adjvec: Tensor) -> Probabilities:
        """Of each operation at each node, and of each edge: means over the given architectures, each of
        which decides what the policy has decided before. Of architectures that the policy has sampled these
        estimate its marginal probabilities, with much less noise than counting what was sampled."""
        token_logits, edge_logits = self._logits(tokens, adjvec)
        of_tokens, of_edges = F.softmax(token_logits).numpy(), 1 / (1 + np.exp(-edge_logits.numpy()))
        return Probabilities(of_tokens.mean(axis=0, dtype=float), of_edges.mean(axis=0, dtype=float))

    def _logits(self, tokens: Tensor, adjvec: Tensor) -> tuple[Tensor, Tensor]:
        """Of tokens [B, 2N, K] and of edges [B, E], each after the architecture's decisions before it."""
        assert tokens.shape == [len(tokens), 2 * self.num_nodes], tokens.shape
        assert adjvec.shape == [len(tokens), len(self.edge_positions)], adjvec.shape
        outputs, _ = self.lstm(self._inputs(tokens, adjvec))  # [T, B, H]
        weights, biases = self._heads()
        token_logits, edge_logits = self._split(_squash(outputs @ weights + biases))
        return token_logits, edge_logits + self.edge_logit

    def _heads(self) -> tuple[Tensor, Tensor]:
        """Each step's weights [T, H, D] and biases [T, 1, D]."""
        if not self.shared_heads:
            return self.head_weight, self.head_bias
        weight, bias = (
            paddle.where(self.token_step_mask, *heads) for heads in (self.head_weight, self.head_bias)
        )
        return weight, bias

    def _split(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """[T, B, D] -> tokens' part [B, 2N, K], edges' part [B, E]."""
        # Along axis 0: along others Paddle 2.6's gather has a wrong gradient.
        flat = steps.transpose([0, 2, 1]).flatten(0, 1)  # [T * D, B]
        tokens = paddle.gather(flat, self.token_positions).t()
        edges = paddle.gather(flat, self.edge_positions).t()
        return tokens.reshape([-1, 2 * self.num_nodes, self.num_tokens]), edges

    def _inputs(self, tokens: Tensor, adjvec: Tensor) -> Tensor:
        """tokens [B, 2N], adjvec [B, E] -> each step's input, the action before it, [T, B, D]."""
        T, D = len(self.is_token_step), self.one_hot.shape[1]
        one_hots = F.embedding(tokens, self.one_hot)[:, :, : self.num_tokens].flatten(1)
        zero = paddle.zeros([len(tokens), 1], one_hots.dtype)
        packed = paddle.concat([one_hots, adjvec.astype(one_hots.dtype), zero], axis=1)
        return paddle.gather(packed, self.sources, axis=1).reshape([-1, T, D]).transpose([1, 0, 2])


def _squash(x: Tensor) -> Tensor:
    """Logits from a head's outputs."""
    return paddle.stanh(x, 1 / TEMPERATURE, RANGE)


def _sum_edges(x: Tensor) -> Tensor:
    """[B, E] -> [B]; cells of one node have no edges, and Paddle 2 does not sum over nothing."""
    return x.sum(axis=1) if x.shape[1] else paddle.zeros([len(x)])
