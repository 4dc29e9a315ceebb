"""Training computes what Paddle's own layers and PyTorch compute, over many updates."""

import importlib.util

import pytest

from autodl_design.child_network.cpu_layers import ChannelsFirst, ChannelsLast
from autodl_design.search_space.cells import OPERATION_NAMES
from checks import training

SUBSET = training.images(training.UPDATES)


@pytest.mark.parametrize("kind", [ChannelsFirst, ChannelsLast])
@pytest.mark.parametrize("token", [1, 4, 7, 9], ids=lambda token: OPERATION_NAMES[token])
def test_ten_updates_are_those_of_paddles_own_layers(token, kind):
    """With an evaluation in between. The second update is the first that can show a wrong order."""
    with training.layers(kind):
        found = training.differences(training.one_operation(token, 16), SUBSET)
    assert found["momentum"].median < 1e-3
    assert found["weights"].median < 1e-3
    assert found["statistics"].worst < 1e-4


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is in requirements/bench.txt")
def test_every_operation_and_random_networks_against_pytorch():
    assert training.main(["--all"]) == 0
