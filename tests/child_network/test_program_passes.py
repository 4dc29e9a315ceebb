"""The rewrites of a program: each leaves what it computes as it was."""

from collections.abc import Callable

import numpy as np
import pytest

from autodl_design.backend import program_passes, programs
from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.program_passes import speed_up
from autodl_design.child_network.cpu_layers import ChannelsFirst
from autodl_design.child_network.layers import F, static
from autodl_design.child_network.network import build_network, draw_parameters
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings

TOKENS = [1, 4, 6, 9, 0, 3, 8, 7]
EVERY_EDGE = 12 * [1]


def no_rewrite(program: static.Program) -> None:
    pass


def gradients(
    rewrite: Callable[[static.Program], None], tokens: list[int] = TOKENS, width: int = 8
) -> tuple[list[np.ndarray], list[str]]:
    """Gradients of all weights of a network in which sums have up to three summands, and its operators."""
    config = ChildSettings(width=width, num_stages=2, num_cells=1)
    rng = np.random.default_rng(0)
    feed = {
        "images": rng.standard_normal((4, 3, 32, 32)).astype(np.float32),
        "labels": np.arange(4)[:, None],
    }
    with programs.static_programs(), programs.new_scope():
        program = static.Program()
        with static.program_guard(program, static.Program()), paddle.utils.unique_name.guard():
            images = static.data("images", [4, 3, 32, 32])
            labels = static.data("labels", [4, 1], "int64")
            architecture = Architecture.of(tokens, EVERY_EDGE)
            logits = build_network(ChannelsFirst(training=True), images, architecture, 10, config)
            loss = F.cross_entropy(logits, labels)
            fetches = [gradient for _, gradient in static.append_backward(loss)]
        rewrite(program)
        programs.set_variables(draw_parameters(program, rng))
        values = programs.new_executor().run(program, feed, fetches)
        return values, [op.type for op in program.global_block().ops]


def test_speed_up_takes_copies_out_and_leaves_gradients_alone():
    plain, operators = gradients(no_rewrite)
    faster, fewer_operators = gradients(speed_up)
    # A copy for each summand, in two cells; if summands are shared, the sum of three has that of two in it.
    assert operators.count("scale") == 2 * (2 + 2)
    assert fewer_operators.count("scale") == 0
    assert len(plain) == len(faster) > 20
    largest = max(abs(gradient).max() for gradient in plain)
    for before, after in zip(plain, faster, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-5 * largest)


@pytest.mark.skipif(programs.on_gpu(), reason="for CPUs")
def test_gradients_of_relu_are_the_same_bit_for_bit():
    plain, operators = gradients(no_rewrite)
    faster, other_operators = gradients(program_passes._vectorise_gradients_of_relu)
    assert operators.count("relu_grad") == other_operators.count("clip_grad") > 10
    assert other_operators.count("relu_grad") == 0
    for before, after in zip(plain, faster, strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.skipif(programs.on_gpu(), reason="for CPUs")
def test_sums_in_place_leave_gradients_alone_beside_convolutions_in_onednn():
    def in_place(program: static.Program) -> None:
        program_passes._use_onednn(program)
        program_passes._sum_in_place(program)
        sums = [op for op in program.global_block().ops if op.type == "sum"]
        assert sum(op.output("Out")[0] in op.input("X") for op in sums) > 4

    tokens = [1, 0, 5, 1, 3, 2, 4, 0]
    plain, _ = gradients(program_passes._use_onednn, tokens, width=32)
    faster, _ = gradients(in_place, tokens, width=32)
    largest = max(abs(gradient).max() for gradient in plain)
    for before, after in zip(plain, faster, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-6 * largest)
