"""Training computes what Paddle's own layers and PyTorch compute, over many updates."""

import importlib.util

import pytest

from autodl_design.backend import program_passes
from autodl_design.child_network.cpu_layers import ChannelsFirst, ChannelsLast
from autodl_design.child_network.operations import OPERATIONS
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.reference import REFERENCE_NAMES, Reference
from checks import training

SUBSET = training.images(training.UPDATES)


@pytest.mark.parametrize("kind", [ChannelsFirst, ChannelsLast])
@pytest.mark.parametrize("token", [1, 4, 7, 9], ids=lambda token: OPERATION_NAMES[token])
def test_ten_updates_are_those_of_paddles_own_layers(token, kind):
    """With an evaluation in between. The second update is the first that can show a wrong order."""
    with training.layers(kind):
        found = training.differences(training.one_operation(token, 16), SUBSET)
    most, worst = (training.BOUND * error for error in training.FLIP)  # of float32 itself
    assert found["momentum"].median < most and found["momentum"].worst < worst
    assert found["weights"].median < most
    assert found["statistics"].worst < 1e-3


@pytest.mark.parametrize("kind", [ChannelsFirst, ChannelsLast])
@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_ten_updates_of_a_reference_are_those_of_paddles_own_layers(name, kind):
    network = training.Network(name, Reference(name), training.REFERENCE)
    with training.layers(kind):
        found = training.differences(network, SUBSET)
    most, worst = (training.BOUND * error for error in training.FLIP)
    assert found["momentum"].median < most and found["momentum"].worst < worst
    assert found["statistics"].worst < 1e-3


@pytest.mark.parametrize("kind", [ChannelsFirst, ChannelsLast])
def test_an_operation_that_gives_its_input_back(kind, monkeypatch):
    """As "skip" in docs/extending.md. What several nodes sum up is then a ReLU's result, which lies in the
    place of its input."""

    def skip(layers, x, stride):
        return layers.conv2d(x, 2 * layers.channels(x), (1, 1), (2, 2)) if stride == 2 else x

    monkeypatch.setitem(OPERATIONS, "conv_1x1", skip)
    network = training.one_operation(0, 16)
    network = network._replace(design=Architecture.of([0, 0, 0, 1] * 2, [1, 1, 1, 1, 0, 1] * 2))
    with training.layers(kind):
        found = training.differences(network, SUBSET)
    assert found["momentum"].worst < training.BOUND * training.FLIP[1]


WITH_PYTORCH = pytest.mark.skipif(
    not importlib.util.find_spec("torch"), reason="PyTorch is in requirements/bench.txt"
)


@WITH_PYTORCH
def test_each_operation_and_a_random_network_of_each_size_against_pytorch():
    assert training.main([]) == 0


@WITH_PYTORCH
@pytest.mark.slow
def test_all_channels_layouts_and_random_networks_against_pytorch():
    assert training.main(["--all"]) == 0


def test_a_wrong_gradient_is_found(monkeypatch):
    """oneDNN's gradient of a filter, taken as it comes, has another order of its elements."""
    monkeypatch.setattr(program_passes, "_transpose_filter_gradient", reshape_filter_gradient)
    with training.layers(ChannelsLast):
        found = training.differences(training.one_operation(1, 16), SUBSET)
    assert found["momentum"].worst > 0.1


def reshape_filter_gradient(block, op):
    (gradient,) = op.output("Filter@GRAD")
    out, channels, height, width = block.var(op.input("Filter")[0]).shape
    last = block.create_var(name=f"{gradient}.last", dtype="float32", shape=[out, height, width, channels])
    op._rename_output(gradient, last.name)
    block._insert_op_without_sync(
        block.ops.index(op) + 1,
        type="reshape2",
        inputs={"X": last},
        outputs={
            "Out": block.var(gradient),
            "XShape": block.create_var(name=f"{gradient}.shape", dtype="float32"),
        },
        attrs={"shape": [out, channels, height, width]},
    )
