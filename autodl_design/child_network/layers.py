"""The layers that operations and cells are made of, as operators of the current static program.

`Layers` are Paddle's own, channels first: [B, C, H, W]. They serve GPUs and exported models. cpu_layers.py
has those of CPUs. All padding is TensorFlow's "SAME".

Convolutions carry no bias: the original's feed only sums, concatenations and 1x1 convolutions that end in a
BN, which takes a constant per channel away again (bar the border pixels of a pair).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodl_design.backend.paddle_backend import paddle

F = paddle.nn.functional
static = paddle.static
new_name = paddle.utils.unique_name.generate

Variable = Any  # a variable of a static program; Paddle's class for it has no public name
Initial = Callable[[np.random.Generator, Sequence[int]], np.ndarray]  # (rng, shape) -> initial values


class Layers:
    """training: whether BN normalises with the batch's own statistics, and gradients will be asked for.

    macs: multiply-accumulate operations for an image, of the convolutions and linear layers so far.
    """

    data_format = "NCHW"
    shares_sums = False  # whether what several nodes add up is added up once

    def __init__(self, training: bool):
        self.training = training
        self.macs = 0

    def images(self, pixels: Variable) -> Variable:
        """pixels [B, H, W, 3] in this layout."""
        return paddle.transpose(pixels, [0, 3, 1, 2])

    def channels(self, x: Variable) -> int:
        return x.shape[self.data_format.index("C")]

    def size(self, x: Variable) -> tuple[int, int]:
        """Height and width."""
        height = self.data_format.index("H")
        return tuple(x.shape[height : height + 2])

    def conv2d(
        self,
        x: Variable,
        channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
    ) -> Variable:
        """Convolution of x to `channels`, without a bias."""
        weight = conv_weight(channels, self.channels(x), kernel)
        places = [math.ceil(size / step) for size, step in zip(self.size(x), stride, strict=True)]
        self.macs += math.prod(places) * math.prod(weight.shape)
        return self.convolution(x, weight, stride, dilation)

    def convolution(
        self, x: Variable, weight: Variable, stride: tuple[int, int], dilation: int
    ) -> Variable:
        """weight: [channels out, channels in, height, width]."""
        padding = same_padding(self.size(x), weight.shape[2:], stride, dilation)
        return F.conv2d(x, weight, None, list(stride), padding, dilation, data_format=self.data_format)

    def linear(self, x: Variable, outputs: int) -> Variable:
        """x [B, C] to [B, outputs], with a bias."""
        inputs = x.shape[1]
        weight = parameter(new_name("weight"), [inputs, outputs], he_normal(fan_in=inputs))
        bias = parameter(new_name("bias"), [outputs], filled(0.0))
        self.macs += inputs * outputs
        return F.linear(x, weight, bias)

    def max_pool(self, x: Variable, kernel: int, stride: int) -> Variable:
        padding = same_padding(self.size(x), (kernel, kernel), (stride, stride))
        if self.training and stride == 1:
            return self.max_pool_with_mask(x, kernel, padding)
        return F.max_pool2d(x, kernel, stride, padding, data_format=self.data_format)

    def max_pool_with_mask(self, x: Variable, kernel: int, padding: list[int]) -> Variable:
        """The mask, which Paddle makes for symmetric padding only, spares the backward pass another search
        for the maxima."""
        return F.max_pool2d(x, kernel, 1, padding, return_mask=True)[0]

    def avg_pool(self, x: Variable, kernel: int, stride: int) -> Variable:
        top, bottom, left, right = padding = same_padding(self.size(x), (kernel, kernel), (stride, stride))
        if stride == 1:  # padded pixels are left out of the mean
            return F.avg_pool2d(x, kernel, stride, padding, exclusive=True, data_format=self.data_format)
        x = F.pad(x, [left, right, top, bottom], data_format=self.data_format)  # here they count as zeros
        return F.avg_pool2d(x, kernel, stride, data_format=self.data_format)

    def bn_relu(self, x: Variable, decay: float, initial_shift: float) -> Variable:
        """See `batch_norm`."""
        return self.relu(self.batch_norm(x, decay, initial_shift))

    def batch_norm(self, x: Variable, decay: float, initial_shift: float) -> Variable:
        """decay: share of the old value in the moving statistics."""
        scale, shift, mean, variance = bn_parameters(self.channels(x), initial_shift)
        statistics = {"training": self.training, "momentum": decay, "epsilon": 1e-3}
        return F.batch_norm(x, mean, variance, scale, shift, **statistics, data_format=self.data_format)

    def relu(self, x: Variable) -> Variable:
        """x: of a batch normalisation or a sum, and read by nothing else. In training the result takes its
        place, which F.relu does not do in a program: no gradient needs what it was."""
        if not self.training:
            return F.relu(x)
        block = static.default_main_program().global_block()
        block.append_op(type="relu", inputs={"X": x}, outputs={"Out": x})
        return x

    def concat(self, parts: Sequence[Variable]) -> Variable:
        """Along the channels."""
        if len(parts) == 1:
            return parts[0]  # Paddle would copy it
        return paddle.concat(list(parts), axis=self.data_format.index("C"))

    def mean(self, x: Variable) -> Variable:
        """Of each channel: [B, C]."""
        return paddle.flatten(F.adaptive_avg_pool2d(x, 1, data_format=self.data_format), 1)


def same_padding(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: int = 1
) -> list[int]:
    """[top, bottom, left, right] for an image of that height and width; the smaller half goes to the top
    and to the left."""
    padding: list[int] = []
    for length, k, s in zip(size, kernel, stride, strict=True):
        padding += same_padding_of(length, (k - 1) * dilation + 1, s)
    return padding


def same_padding_of(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Of one axis."""
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


# --- Parameters -------------------------------------------------------------------------------------


def conv_weight(channels_out: int, channels_in: int, kernel: tuple[int, int]) -> Variable:
    shape = [channels_out, channels_in, *kernel]
    return parameter(new_name("weight"), shape, he_normal(fan_in=math.prod(shape[1:])))


def bn_parameters(channels: int, initial_shift: float) -> tuple[Variable, Variable, Variable, Variable]:
    """Scale, shift, moving mean and moving variance, each [channels]."""
    name = new_name("bn")
    scale = parameter(f"{name}.scale", [channels], filled(1.0))
    shift = parameter(f"{name}.shift", [channels], filled(initial_shift))
    mean = parameter(f"{name}.mean", [channels], filled(0.0), trainable=False)
    variance = parameter(f"{name}.variance", [channels], filled(1.0), trainable=False)
    return scale, shift, mean, variance


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
