"""The policy: an LSTM that writes an architecture down, decision by decision.

For the normal cell and then, with the LSTM's state carried over, for the reduction cell:

    the last token ------------------> token of node 0
    node i = 1 .. N-1:
        the last token --------------> i edges: which earlier nodes feed node i
        the edges just taken --------> token of node i

An arrow is one LSTM step followed by a fully connected head: that step's own, or with `shared_heads` one
for all tokens and one for all edges. So every step's input is the action of the step before it: a token as
one-hot, edges as 0/1, and zeros before the first step.

`sample` goes step by step, in NumPy on the host: a step is a few products of matrices so small that Paddle
would spend most of its time on calling them, more so on a GPU. `score` knows all actions, so it knows the
LSTM's whole input and runs it once over the sequence and all heads in one batched product, in Paddle. Both
walk through the same parameters.

Shapes: B architectures, N nodes a cell, K tokens, E = N(N-1) edges, H hidden size; T = 2(2N - 1)
steps; D the width of the LSTM's input and of a head's output, at least that of the widest action. Where
a step's action is narrower, the rest is padding: zero as an action, and left out of every sum.
"""

import math
from typing import NamedTuple

import numpy as np

import distribute_generator as dist
from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.parl_backend import parl

F = paddle.nn.functional
Tensor = paddle.Tensor


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
        N, K, H, T = num_nodes, num_tokens, hidden_size, 2 * (2 * num_nodes - 1)
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
        num_heads = 2 if shared_heads else T
        self.head_weight = self.create_parameter([num_heads, H, D], normal)
        self.head_weight.set_value(self.head_weight * math.sqrt(2 / H))
        self.head_bias = self.create_parameter([num_heads, 1, D], zero)

        # In either cell node i takes its i edges in step 2i - 1 and its token in step 2i.
        step = np.arange(2 * N - 1)
        is_token_step = np.tile(step % 2 == 0, 2)[:, None]  # [T, 1]
        action_width = np.tile(np.where(step % 2 == 0, K, (step + 1) // 2), 2)[:, None]  # [T, 1]
        is_action = np.arange(D) < action_width  # [T, D]: which outputs of a step are its action
        self.is_token_step = is_token_step[:, 0].tolist()
        # Flat positions in [T, D] of all tokens' one-hot vectors and of all edges, and the inverse, a step
        # later, for the LSTM's inputs: which of (one-hot vectors, edges, a zero for the rest) goes where.
        token_positions = np.flatnonzero(is_action & is_token_step)
        edge_positions = np.flatnonzero(is_action & ~is_token_step)
        sources = np.full((T + 1) * D, is_action.sum())
        sources[D + np.concatenate([token_positions, edge_positions])] = np.arange(is_action.sum())

        dtype = paddle.get_default_dtype()
        self.token_positions = paddle.to_tensor(token_positions)
        self.edge_positions = paddle.to_tensor(edge_positions)
        self.sources = paddle.to_tensor(sources[: T * D])
        self.one_hot = paddle.eye(K, D, dtype)
        self.token_step_mask = paddle.to_tensor(is_token_step[:, :, None])
        never = np.where(is_token_step, -np.inf, np.inf)
        self.padding_noise = paddle.to_tensor(np.where(is_action, 0, never)[:, None], dtype)

    def trainable_parameters(self) -> list[Tensor]:
        """All but the LSTM's second biases, which stay zero."""
        return [p for name, p in self.named_parameters() if "bias_hh" not in name]

    @paddle.no_grad()
    def sample(self, batch_size: int) -> Sample:
        """Draws architectures; the randomness is that of Paddle's global generator."""
        weights, biases = (heads.numpy() for heads in self._heads())
        T, _, D = weights.shape
        shape = [T, batch_size, D]
        noise = paddle.where(self.token_step_mask, dist.gumbel_noise(shape), dist.logistic_noise(shape))
        noise += self.padding_noise  # padding is never chosen
        one_hot, noise = self.one_hot.numpy(), noise.numpy()

        step = _LSTMStep(self.lstm, batch_size)
        actions = []
        action = np.zeros([batch_size, D], one_hot.dtype)
        for is_token, weight, bias, step_noise in zip(
            self.is_token_step, weights, biases, noise, strict=True
        ):
            logits = step(action) @ weight  # [B, D]
            logits += bias
            logits /= 5
            np.tanh(logits, out=logits)
            logits *= 2.5  # see `_squash`
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
        return tuple(
            paddle.where(self.token_step_mask, *heads) for heads in (self.head_weight, self.head_bias)
        )

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


class _LSTMStep:
    """Paddle's `LSTM` in NumPy, a step a call, from a state of zeros: inputs [B, D] -> outputs [B, H].

    As sigmoid(x) = tanh(x / 2) / 2 + 1 / 2, one tanh serves all gates: i, f and o are computed as halves.
    Everything is computed in place, in arrays and views made once: small as they are, that takes longer
    than to compute them.
    """

    def __init__(self, lstm: paddle.nn.LSTM, batch_size: int):
        B, H = batch_size, lstm.hidden_size
        dtype = lstm.weight_ih_l0.numpy().dtype
        scale = np.repeat(np.array([0.5, 0.5, 1, 0.5], dtype), H)  # i, f, j, o
        self.scale = np.tile(scale, [B, 1])  # of the gates' shape: broadcasting costs a third more
        self.shift = 1 - self.scale
        self.layers = []
        for layer in range(lstm.num_layers):
            names = (f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih"))
            from_input, from_output, bias = (getattr(lstm, name).numpy() for name in names)
            weight = np.concatenate([from_input, from_output], axis=1)
            # [D + H, 4H], contiguous; the product is four times as fast so.
            weight = np.multiply(weight.T, scale, order="C")
            inputs = np.zeros([B, len(weight)], dtype)
            x, output = inputs[:, :-H], inputs[:, -H:]
            gates = np.empty([B, 4 * H], dtype)
            memory, product = np.zeros([B, H], dtype), np.empty([B, H], dtype)
            self.layers.append(
                (weight, np.tile(bias * scale, [B, 1]), inputs, x, gates, np.split(gates, 4, axis=1),
                 memory, product, output)
            )  # fmt: skip

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for weight, bias, inputs, own_x, gates, (i, f, j, o), memory, product, output in self.layers:
            own_x[...] = x
            np.matmul(inputs, weight, out=gates)
            gates += bias
            np.tanh(gates, out=gates)
            gates *= self.scale
            gates += self.shift
            memory *= f
            np.multiply(i, j, out=product)
            memory += product
            np.tanh(memory, out=output)
            output *= o
            x = output
        return x


def _squash(x: Tensor) -> Tensor:
    """Logits 2.5 tanh(x / 5): bounded, so that no action's probability vanishes."""
    return paddle.stanh(x, 1 / 5, 2.5)


def _sum_edges(x: Tensor) -> Tensor:
    """[B, E] -> [B]; cells of one node have no edges, and Paddle 2 does not sum over nothing."""
    return x.sum(axis=1) if x.shape[1] else paddle.zeros([len(x)])
