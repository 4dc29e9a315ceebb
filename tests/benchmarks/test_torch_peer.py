"""The benchmarks' PyTorch peers do the same work as our policy and our child network."""

import json
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is for the benchmarks alone")

from autodl_design.backend import programs  # noqa: E402
from autodl_design.backend.paddle_backend import paddle  # noqa: E402
from autodl_design.child_network.cpu_layers import ChannelsFirst, ChannelsLast  # noqa: E402
from autodl_design.child_network.layers import Layers, static  # noqa: E402
from autodl_design.child_network.network import build_network  # noqa: E402
from autodl_design.search_space.architecture import Architecture  # noqa: E402
from autodl_design.search_space.cells import decode  # noqa: E402
from autodl_design.search_space.child import ChildSettings  # noqa: E402
from benchmarks import torch_peer  # noqa: E402
from checks import reference as check_reference  # noqa: E402
from policy_model import PolicyModel  # noqa: E402

torch.set_num_threads(1)  # many threads wait for each other where cores are busy


def run_peer(case, training):
    config = types.SimpleNamespace(
        width=case["width"], num_stages=case["num_stages"], num_cells=case["num_cells"],
        ratio=case.get("ratio", 4), bn_decay=0.9, bn_shift=0.0, dropout_rate=0.0, shortcut=False,
    )  # fmt: skip
    model = torch_peer.ChildNetwork(decode(case["tokens"], case["adjvec"]), config).train(training)
    model = model.to(memory_format=torch.channels_last)
    weights = [p for p in model.parameters() if p.ndim >= 2]
    shapes = [list(p.shape if p.ndim == 4 else p.T.shape) for p in weights]
    for k, (parameter, shape) in enumerate(zip(weights, shapes, strict=True)):
        value = torch.from_numpy(check_reference.set_weight(k, shape))
        parameter.data.copy_(value if parameter.ndim == 4 else value.T)
    feed = check_reference.inputs(case)
    images = torch.from_numpy(feed["images"]).contiguous(memory_format=torch.channels_last)
    logits = model(images)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(feed["labels"][:, 0]))
    loss.backward()
    return check_reference.Outputs(
        logits=logits.detach().numpy(),
        loss=loss.item(),
        weight_shapes=shapes,
        trainable_params=sum(p.numel() for p in model.parameters()),
        weight_gradients=[p.grad.numpy() for p in weights],
    )


@pytest.mark.skipif(not check_reference.DEFAULT_CASES.exists(), reason="the reference numbers are not here")
def test_child_network_against_the_reference():
    for case in json.loads(check_reference.DEFAULT_CASES.read_text()):
        wrong = [d for d in check_reference.check(case, run_peer) if not d.ok]
        assert not wrong


@pytest.mark.parametrize("kind", [Layers, ChannelsFirst, ChannelsLast])
def test_multiply_accumulate_operations(kind):
    """Of a network with every operation, counted by what its layers put out."""
    tokens, adjvec = [*range(10)] * 2, (np.random.default_rng(0).random(90) < 0.2).astype(int)
    config = ChildSettings(width=16, num_cells=2)
    counted = []

    def count(layer, inputs, output):
        counted.append(output.numel() * layer.weight[0].numel())

    model = torch_peer.ChildNetwork(decode(tokens, adjvec), config)
    for layer in model.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            layer.register_forward_hook(count)
    model.eval()(torch.zeros(1, 3, 16, 16))
    with programs.static_programs():
        with static.program_guard(static.Program(), static.Program()), paddle.utils.unique_name.guard():
            layers = kind(training=True)
            images = layers.images(static.data("images", [2, 16, 16, 3]))
            build_network(layers, images, Architecture.of(tokens, adjvec), 10, config)
    assert layers.macs == sum(counted) > 100_000


def test_policy_scores_as_ours():
    ours, peer = PolicyModel(), torch_peer.Policy()
    weights = dict(ours.named_parameters())
    for name, parameter in peer.named_parameters():
        parameter.data.copy_(torch.from_numpy(weights[name].numpy()))
    tokens, adjvec = peer.sample(10)
    assert tokens.shape == (10, 20) and adjvec.shape == (10, 90)
    expected = ours.score(paddle.to_tensor(tokens.numpy()), paddle.to_tensor(adjvec.numpy()))
    for actual, value in zip(peer.score(tokens, adjvec), expected, strict=True):
        np.testing.assert_allclose(actual.detach().numpy(), value.numpy(), rtol=1e-4, atol=1e-4)


def test_policy_samples_and_learns():
    torch.manual_seed(0)
    agent = torch_peer.Agent(learning_rate=5e-3, bl_decay=0.9)

    def count_ones(tokens):
        return (tokens == 1).sum(axis=1)

    before = count_ones(agent.policy.sample(500)[0].numpy()).mean()
    for _ in range(100):
        agent.update(count_ones, batch_size=10)
    assert abs(before - 2) < 0.3
    assert count_ones(agent.policy.sample(500)[0].numpy()).mean() > 6
