"""The LSTM, sampling and scoring, against the specification in plain NumPy."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy.stats import chisquare

import distribute_generator as dist
from autodl_design.backend.paddle_backend import paddle
from policy_model import PolicyModel

SIZES = [
    {},
    {"num_nodes": 1, "num_tokens": 3, "hidden_size": 4, "num_layers": 1},
    {"num_nodes": 2, "num_tokens": 2, "hidden_size": 5, "num_layers": 2},
    {"num_nodes": 6, "num_tokens": 2, "hidden_size": 8, "num_layers": 3},
    {"num_nodes": 3, "num_tokens": 4, "hidden_size": 7, "num_layers": 2, "input_size": 9},
    {"num_nodes": 4, "num_tokens": 3, "hidden_size": 6, "edge_probability": 0.15},
    {"num_nodes": 4, "num_tokens": 3, "hidden_size": 6, "shared_heads": True},
]


def make_policy(seed: int = 0, spread: float = 1.0, **sizes) -> PolicyModel:
    """spread > 1 moves the policy away from the near-uniform one that it starts as."""
    paddle.seed(seed)
    model = PolicyModel(**sizes)
    for parameter in model.trainable_parameters():
        parameter.set_value(spread * parameter + (spread - 1) * 0.1 * paddle.randn(parameter.shape))
    return model


def log_prob_by_the_specification(model: PolicyModel, tokens, adjvec) -> float:
    """log p of one architecture by the formulas of the module's docstring alone: one step, one head, one
    decision at a time, in float64, with the gates' sigmoid and tanh."""
    weights = {name: p.numpy().astype(np.float64) for name, p in model.named_parameters()}
    hidden = weights["lstm.weight_hh_l0"].shape[1]
    layers = sum("weight_hh" in name for name in weights)
    depth = weights["head_weight"].shape[2]
    num_nodes, num_tokens = len(tokens) // 2, model.num_tokens
    h, c = np.zeros([layers, hidden]), np.zeros([layers, hidden])
    heads = list(zip(weights["head_weight"], weights["head_bias"], strict=True))
    of_tokens, of_edges = heads[:2]
    heads = iter(heads)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def decide(x, outputs, shared_head):
        """An LSTM step and the logits of the next head, or of the one for all decisions of this kind."""
        for layer in range(layers):
            gates = (
                weights[f"lstm.weight_ih_l{layer}"] @ x
                + weights[f"lstm.weight_hh_l{layer}"] @ h[layer]
                + weights[f"lstm.bias_ih_l{layer}"]
            )
            i, f, j, o = gates.reshape([4, hidden])  # Paddle's order of the specification's gates
            c[layer] = c[layer] * sigmoid(f) + sigmoid(i) * np.tanh(j)
            h[layer] = np.tanh(c[layer]) * sigmoid(o)
            x = h[layer]
        weight, bias = shared_head if model.shared_heads else next(heads)
        return 2.5 * np.tanh((x @ weight + bias[0])[:outputs] / 5)

    def padded(values):
        return np.concatenate([values, np.zeros(depth - len(values))])

    def token_log_prob(logits, token):
        return logits[token] - np.log(np.exp(logits).sum())

    total = 0.0
    x = np.zeros(depth)
    for cell in range(2):
        cell_tokens = tokens[cell * num_nodes : (cell + 1) * num_nodes]
        cell_edges = adjvec[cell * len(adjvec) // 2 : (cell + 1) * len(adjvec) // 2]
        for node in range(num_nodes):
            if node > 0:
                taken = cell_edges[node * (node - 1) // 2 : node * (node - 1) // 2 + node]
                p = sigmoid(decide(x, node, of_edges) + model.edge_logit)
                total += np.log(np.where(taken, p, 1 - p)).sum()
                x = padded(taken)
            total += token_log_prob(decide(x, num_tokens, of_tokens), cell_tokens[node])
            x = padded(np.eye(num_tokens)[cell_tokens[node]])
    assert model.shared_heads or next(heads, None) is None
    return total


@pytest.fixture
def float64():
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("spread", [1, 8])
def test_score_is_the_log_probability_of_the_draw(sizes, spread, monkeypatch, float64):
    # In float64: at spread 8 the LSTM makes differences of 0.01 out of the roundings of float32.
    check_score_of_the_draw(make_policy(spread=spread, **sizes), 1e-6, monkeypatch)


@pytest.mark.parametrize("sizes", SIZES)
def test_score_is_the_log_probability_of_the_draw_in_float32(sizes, monkeypatch):
    check_score_of_the_draw(make_policy(**sizes), 1e-5, monkeypatch)


def check_score_of_the_draw(model, tolerance, monkeypatch):
    log_prob = np.zeros(100)  # summed up decision by decision, as they are drawn

    def categorical_sample(logits, noise, draw=dist.categorical_sample):
        action = draw(logits, noise)
        actions = logits[:, : model.num_tokens].astype(float)
        taken = actions[np.arange(100), action]
        log_prob[:] += taken - np.log(np.exp(actions).sum(axis=1))
        return action

    num_edges = itertools.cycle(range(1, model.num_nodes))

    def bernoulli_sample(logits, noise, draw=dist.bernoulli_sample):
        action = draw(logits, noise)
        n = next(num_edges)
        signs = 2 * action[:, :n] - 1
        log_prob[:] -= np.log1p(np.exp(-signs * logits[:, :n])).sum(axis=1)
        assert not action[:, n:].any()
        return action

    monkeypatch.setattr(dist, "categorical_sample", categorical_sample)
    monkeypatch.setattr(dist, "bernoulli_sample", bernoulli_sample)
    sample = model.sample(100)
    score = model.score(sample.tokens, sample.adjvec)
    np.testing.assert_allclose(score.log_prob.numpy(), log_prob, rtol=tolerance / 10, atol=tolerance)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("spread", [1, 8])
def test_score_is_that_of_the_specification(sizes, spread, float64):
    model = make_policy(spread=spread, **sizes)
    sample = model.sample(5)
    score = model.score(sample.tokens, sample.adjvec)
    expected = [
        log_prob_by_the_specification(model, tokens, adjvec)
        for tokens, adjvec in zip(sample.tokens.numpy(), sample.adjvec.numpy(), strict=True)
    ]
    np.testing.assert_allclose(score.log_prob.numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("sizes", SIZES)
def test_samples_have_the_shapes_and_values_of_architectures(sizes):
    model = make_policy(spread=8, **sizes)
    nodes, num_tokens = sizes.get("num_nodes", 10), sizes.get("num_tokens", 10)
    tokens, adjvec = model.sample(200)
    assert tokens.dtype == adjvec.dtype == paddle.int64
    assert list(tokens.shape) == [200, 2 * nodes]
    assert list(adjvec.shape) == [200, nodes * (nodes - 1)]
    assert set(np.unique(tokens.numpy())) == set(range(num_tokens))
    assert set(np.unique(adjvec.numpy())) == ({0, 1} if nodes > 1 else set())


def test_frequencies_of_whole_architectures_match_their_probabilities():
    model = make_policy(spread=8, num_nodes=2, num_tokens=2, hidden_size=4, num_layers=1)
    every = np.array(list(itertools.product([0, 1], repeat=6)))  # 4 tokens, 2 edges
    score = model.score(paddle.to_tensor(every[:, :4]), paddle.to_tensor(every[:, 4:]))
    p = np.exp(score.log_prob.numpy().astype(float))
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert p.max() > 5 * p.min()  # else the test could not tell the policy from a coin

    draws = 50_000
    paddle.seed(1)
    sample = model.sample(draws)
    bits = np.concatenate([sample.tokens.numpy(), sample.adjvec.numpy()], axis=1)
    counts = np.bincount(bits @ (2 ** np.arange(5, -1, -1)), minlength=64)
    assert chisquare(counts, draws * p / p.sum()).pvalue > 1e-3


def test_weights_that_overflow_are_sampled_from_without_a_warning():
    model = PolicyModel(num_nodes=2, num_tokens=3, hidden_size=8)
    for parameter in model.parameters():
        parameter.set_value(paddle.full_like(parameter, 3e38))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample = model.sample(4)
    assert set(sample.tokens.numpy().ravel()) <= {0, 1, 2}


def test_entropies_average_to_minus_the_log_probability():
    model = make_policy(spread=8, num_nodes=3, num_tokens=3, hidden_size=8)
    sample = model.sample(20_000)
    score = model.score(sample.tokens, sample.adjvec)
    entropy = (score.token_entropy + score.edge_entropy).numpy()
    gap = entropy + score.log_prob.numpy()  # of mean zero: both average to the policy's entropy
    assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(len(gap))


def test_entropy_of_the_uniform_policy():
    model = make_policy()
    model.head_weight.set_value(paddle.zeros_like(model.head_weight))
    sample = model.sample(2)
    score = model.score(sample.tokens, sample.adjvec)
    np.testing.assert_allclose(score.token_entropy.numpy(), 20 * math.log(10), rtol=1e-5)
    np.testing.assert_allclose(score.edge_entropy.numpy(), 90 * math.log(2), rtol=1e-5)
    np.testing.assert_allclose(score.log_prob.numpy(), -20 * math.log(10) - 90 * math.log(2), rtol=1e-5)


def test_the_seed_decides_weights_and_samples():
    def run(seed):
        model = make_policy(seed)
        sample = model.sample(10)
        return np.concatenate([model.head_weight.numpy().ravel(), sample.tokens.numpy().ravel()])

    assert (run(0) == run(0)).all()
    assert (run(0) != run(1)).any()


def test_only_padding_gets_no_gradient():
    nodes, num_tokens = 4, 2
    # spread: the very first step's output is zero until the biases move
    model = make_policy(spread=2, num_nodes=nodes, num_tokens=num_tokens, hidden_size=8)
    sample = model.sample(50)
    model.score(sample.tokens, sample.adjvec).log_prob.sum().backward()
    widths = 2 * [num_tokens, 1, num_tokens, 2, num_tokens, 3, num_tokens]
    is_action = np.arange(3) < np.array(widths)[:, None]  # [T, D]
    assert ((model.head_bias.grad.numpy()[:, 0] != 0) == is_action).all()
    assert ((model.head_weight.grad.numpy() != 0).any(axis=1) == is_action).all()


def test_shared_heads_learn_from_every_node():
    model = make_policy(num_nodes=4, num_tokens=3, hidden_size=6, shared_heads=True)
    assert list(model.head_weight.shape) == [2, 6, 3]
    own = make_policy(num_nodes=4, num_tokens=3, hidden_size=6)
    is_token = np.array(own.is_token_step)
    shared = dict(model.named_parameters())
    for name, parameter in own.named_parameters():  # the same policy, with heads of its own for each step
        parameter.set_value(shared[name][np.where(is_token, 0, 1)] if "head" in name else shared[name])
    tokens, adjvec = model.sample(20)
    for policy in (model, own):
        policy.score(tokens, adjvec).log_prob.sum().backward()
    of_steps = own.head_weight.grad.numpy()
    expected = [of_steps[is_token].sum(axis=0), of_steps[~is_token].sum(axis=0)]
    np.testing.assert_allclose(model.head_weight.grad.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_initial_weights():
    model = make_policy()
    std = math.sqrt(2 / 64)
    heads = model.head_weight.numpy()
    assert abs(heads).max() <= 2 * std
    assert heads.std() == pytest.approx(0.88 * std, rel=0.02)  # what truncation at two std leaves
    assert not model.head_bias.numpy().any()
    for name, parameter in model.lstm.named_parameters():
        if "bias" in name:
            assert not parameter.numpy().any()
        else:
            assert 0.099 < abs(parameter.numpy()).max() <= 0.1
            assert parameter.numpy().std() == pytest.approx(0.1 / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("probability", [0.15, 0.5, 0.8])
def test_edges_begin_with_their_probability(probability):
    paddle.seed(0)
    model = PolicyModel(edge_probability=probability)
    sample = model.sample(2000)
    of_edges = sample.adjvec.numpy().mean(axis=0)
    np.testing.assert_allclose(of_edges, probability, atol=0.06)
    assert of_edges.mean() == pytest.approx(probability, abs=0.01)
    of_tokens = [(sample.tokens.numpy() == token).mean() for token in range(10)]
    np.testing.assert_allclose(of_tokens, 0.1, atol=0.02)
    # An edge's entropy, in nats, at that probability.
    entropy = -sum(p * math.log(p) for p in (probability, 1 - probability))
    score = model.score(*sample)
    assert float(score.edge_entropy.mean()) / 90 == pytest.approx(entropy, abs=0.01)


@pytest.mark.parametrize("probability", [0, 1, math.nan])
def test_what_is_no_probability_of_an_edge_is_refused(probability):
    with pytest.raises(ValueError, match=f"edge_probability {probability} is not between 0 and 1"):
        PolicyModel(edge_probability=probability)


def test_an_input_size_too_small_is_refused():
    with pytest.raises(ValueError, match="input_size 4 "):
        PolicyModel(num_nodes=6, num_tokens=2, input_size=4)


@pytest.mark.parametrize("sizes", SIZES)
def test_probabilities_are_those_of_what_is_sampled(sizes):
    """Means over the conditional probabilities agree with the shares of the samples, and vary less."""
    policy = make_policy(spread=3, **sizes)
    paddle.seed(0)
    count = 4000
    tokens, adjvec = policy.sample(count)
    found = policy.probabilities(tokens, adjvec)
    shares = np.eye(policy.num_tokens)[tokens.numpy()].mean(axis=0), adjvec.numpy().mean(axis=0)
    for probabilities, share in zip(found, shares, strict=True):
        assert probabilities.shape == share.shape
        error = np.sqrt(probabilities * (1 - probabilities) / count)
        assert (np.abs(share - probabilities) <= 5 * error + 1e-6).all()
    np.testing.assert_allclose(found.tokens.sum(axis=1), 1, rtol=1e-5)
