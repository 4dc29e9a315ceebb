"""What each operation of the search space is in Paddle, and the layers that operations and network share.

    y = OPERATIONS["conv_3x3"](x, stride=1, training=True)

Everything here adds operators to the current static program.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.programs import on_gpu
from autodl_design.search_space.cells import OPERATION_NAMES

F = paddle.nn.functional
static = paddle.static
new_name = paddle.utils.unique_name.generate

Variable = Any  # a variable of a static program; Paddle's class for it has no public name
Initial = Callable[[np.random.Generator, Sequence[int]], np.ndarray]  # (rng, shape) -> initial values


# An operation maps x of C channels to C channels at stride 1 and, in a reduction cell's source nodes,
# to 2C channels of half the size at stride 2. Nothing normalises between the parts of one. In training,
# pooling takes a form that is faster to differentiate; elsewhere it is Paddle's own operator, so that
# converters of exported models know it.
# Convolutions carry no bias: the original's feed only sums, concatenations and 1x1 convolutions that
# end in a BN, which takes a constant per channel away again (bar the border pixels of a pair).


def _conv(kernel: int, dilation: int = 1) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        dilated = dilation if stride == 1 else 1
        return conv2d(x, stride * x.shape[1], (kernel, kernel), (stride, stride), dilated)

    return operation


def _conv_pair(kernel: int) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        channels = x.shape[1]
        x = conv2d(x, channels, (1, kernel), (1, stride))
        x = conv2d(x, channels, (kernel, 1), (stride, 1))
        return conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _max_pool(kernel: int) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        channels = x.shape[1]
        padding = same_padding(x, (kernel, kernel), (stride, stride))
        if training and stride == 1:
            # The mask, which Paddle makes for symmetric padding only, spares the backward pass another
            # search for the maxima.
            return F.max_pool2d(x, kernel, stride, padding, return_mask=True)[0]
        x = F.max_pool2d(x, kernel, stride, padding)
        return conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _avg_pool(kernel: int) -> Callable:
    def operation(x: Variable, stride: int, training: bool) -> Variable:
        channels = x.shape[1]
        top, bottom, left, right = padding = same_padding(x, (kernel, kernel), (stride, stride))
        if training and not on_gpu():
            # On CPUs an eighth of the time of Paddle's own pooling. A GPU would copy the matrices from the
            # host in every update and round them to TF32's ten bits.
            matrix = averaging_matrix(x.shape[2], kernel, stride)
            x = paddle.mm(_constant(matrix), paddle.mm(x, _constant(matrix.T)))
        elif stride == 1:  # padded pixels are left out of the mean
            x = F.avg_pool2d(x, kernel, stride, padding, exclusive=True)
        else:  # here they count as zeros
            x = F.avg_pool2d(F.pad(x, [left, right, top, bottom]), kernel, stride)
        return conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _constant(values: np.ndarray) -> Variable:
    constant = paddle.assign(values)
    constant.stop_gradient = True
    return constant


def averaging_matrix(size: int, kernel: int, stride: int) -> np.ndarray:
    """float32 [size / stride, size]: the matrix A for which A x A^T is the average pooling of an image
    x [size, size]."""
    before, _ = _same_padding_of(size, kernel, stride)
    starts = np.arange(0, size, stride)[:, None] - before
    inside = (np.arange(size) >= starts) & (np.arange(size) < starts + kernel)
    count = inside.sum(axis=1, keepdims=True) if stride == 1 else kernel
    return (inside / count).astype(np.float32)


OPERATIONS: dict[str, Callable[[Variable, int, bool], Variable]] = {
    "conv_1x1": _conv(1),
    "conv_3x3": _conv(3),
    "conv_5x5": _conv(5),
    "dilated_3x3": _conv(3, dilation=2),
    "conv_1x3_3x1": _conv_pair(3),
    "conv_1x5_5x1": _conv_pair(5),
    "maxpool_3x3": _max_pool(3),
    "maxpool_5x5": _max_pool(5),
    "avgpool_3x3": _avg_pool(3),
    "avgpool_5x5": _avg_pool(5),
}
assert tuple(OPERATIONS) == OPERATION_NAMES, "autodl_design/search_space/cells.py names other operations"


# --- Layers -----------------------------------------------------------------------------------------


def same_padding(
    x: Variable, kernel: tuple[int, int], stride: tuple[int, int], dilation: int = 1
) -> list[int]:
    """TensorFlow's "SAME" padding of x [B, C, H, W] as [top, bottom, left, right]; the smaller half
    goes to the top and to the left."""
    padding: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        padding += _same_padding_of(size, (k - 1) * dilation + 1, s)
    return padding


def _same_padding_of(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


def conv2d(
    x: Variable,
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: int = 1,
) -> Variable:
    """Convolution of x [B, C, H, W] to `channels` with "same" padding and no bias."""
    shape = [channels, x.shape[1], *kernel]
    weight = parameter(new_name("weight"), shape, he_normal(fan_in=math.prod(shape[1:])))
    padding = same_padding(x, kernel, stride, dilation)
    return F.conv2d(x, weight, None, list(stride), padding, dilation)


def filled(value: float) -> Initial:
    return lambda rng, shape: np.full(shape, value)


def he_normal(fan_in: int) -> Initial:
    """Normal, truncated at two standard deviations, of std sqrt(2 / fan-in) (He et al. 2015, eq. 10)."""
    return lambda rng, shape: math.sqrt(2 / fan_in) * _truncated_normal(rng, shape)


def _truncated_normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Standard normal values, those beyond 2 drawn again."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(outside.sum())
    return values


def parameter(name: str, shape: Sequence[int], initial: Initial, trainable: bool = True) -> Variable:
    """Without an operator that initialises it: `draw_parameters` draws its `initial` values, and Paddle's
    own layers look through all initialisers for each new one, half the time of building a network."""
    block = static.default_main_program().global_block()
    variable = block.create_parameter(name=name, shape=list(shape), dtype="float32", trainable=trainable)
    variable.stop_gradient = not trainable
    variable.initial = initial
    return variable
