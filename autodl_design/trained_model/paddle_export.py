"""Writes a trained network in Paddle's own form, for other programs: to_paddle(network, weights)."""

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.programs import (
    new_executor,
    new_scope,
    no_call_stacks,
    set_variables,
    static_programs,
)
from autodl_design.child_network.layers import Layers, Variable, static
from autodl_design.trained_model.inference import probabilities_of
from autodl_design.trained_model.model_files import Arrays, Network


def to_paddle(network: Network, weights: Arrays) -> tuple[bytes, bytes]:
    """The contents of a .pdmodel and a .pdiparams file, for paddle.inference: the network from raw pixels,
    float32 [B, 3, S, S] in 0 .. 255, to the classes' probabilities [B, num_classes]."""
    with (
        static_programs(),
        new_scope(),
        static.program_guard(program := static.Program(), static.Program()),
        paddle.utils.unique_name.guard(),
        no_call_stacks(),  # whose paths are of no use to others
    ):
        pixels = static.data("pixels", [-1, 3, network.image_size, network.image_size])
        ends = [pixels], [probabilities_of(Layers(training=False), _standardised(pixels), network)]
        set_variables(weights)
        executor = new_executor()
        try:
            return (
                static.serialize_program(*ends, program=program),
                static.serialize_persistables(*ends, executor, program=program),
            )
        finally:
            executor.close()


def _standardised(pixels: Variable) -> Variable:
    """What augmentation.standardise does, within the program."""
    flat = paddle.flatten(pixels, 1)
    centred = flat - paddle.mean(flat, 1, keepdim=True)
    variance = paddle.mean(centred * centred, 1, keepdim=True)
    images = centred / paddle.clip(variance, min=1 / flat.shape[1]) ** 0.5
    return paddle.reshape(images, pixels.shape)
