"""The layers of networks on CPUs, faster than Paddle's own and equal to them but for rounding.

    layers = layers_for(config, training=True)

Wide networks have their channels last, [B, H, W, C]: oneDNN's convolutions then rearrange no images, and a
1x1 convolution is a matrix product. Narrow ones, whose channels do not fill a vector, have them first.
"""

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.program_passes import onednn_is_usable
from autodl_design.backend.programs import on_gpu
from autodl_design.child_network.layers import (
    Layers,
    Variable,
    new_name,
    same_padding_of,
    static,
)
from autodl_design.search_space.child import ChildSettings

LAST_FROM = 8  # channels of a node from which they are last; half a vector of AVX-512


def layers_for(config: ChildSettings, training: bool) -> Layers:
    """The layers that are fastest on this process's device."""
    if on_gpu():
        return Layers(training)
    if config.width // config.ratio >= LAST_FROM and onednn_is_usable():
        return ChannelsLast(training)
    return ChannelsFirst(training)


class ChannelsFirst(Layers):
    shares_sums = True

    def avg_pool(self, x: Variable, kernel: int, stride: int) -> Variable:
        # An eighth of the time of Paddle's own pooling. A GPU would copy the matrices from the host in
        # every update and round them to TF32's ten bits.
        matrix = averaging_matrix(x.shape[2], kernel, stride)
        return paddle.mm(_constant(matrix), paddle.mm(x, _constant(matrix.T)))


class ChannelsLast(Layers):
    data_format = "NHWC"
    shares_sums = True

    def images(self, pixels: Variable) -> Variable:
        return pixels

    def convolution(
        self, x: Variable, weight: Variable, stride: tuple[int, int], dilation: int
    ) -> Variable:
        if tuple(weight.shape[2:]) != (1, 1) or stride != (1, 1):
            return super().convolution(x, weight, stride, dilation)
        return _product(x, paddle.reshape(weight, weight.shape[:2]))

    def max_pool_with_mask(self, x: Variable, kernel: int, padding: list[int]) -> Variable:
        # Its kernel wants the channels first. oneDNN's pooling, five times as fast, keeps the places of the
        # maxima where the executor does not see them, and takes those of one pooling for another's.
        x = super().max_pool_with_mask(paddle.transpose(x, [0, 3, 1, 2]), kernel, padding)
        return paddle.transpose(x, [0, 2, 3, 1])

    def mean(self, x: Variable) -> Variable:
        return paddle.mean(x, axis=[1, 2])


def _product(x: Variable, weight: Variable) -> Variable:
    """x [B, H, W, C] times weight [D, C] over the channels: [B, H, W, D]."""
    block = static.default_main_program().global_block()
    out = block.create_var(name=new_name("product"), dtype="float32")
    # As an operator of the old form, whose kernel takes the transposition of the weight into the product.
    block.append_op(
        type="matmul_v2",
        inputs={"X": x, "Y": weight},
        outputs={"Out": out},
        attrs={"trans_x": False, "trans_y": True},
    )
    return out


def _constant(values: np.ndarray) -> Variable:
    constant = paddle.assign(values)
    constant.stop_gradient = True
    return constant


def averaging_matrix(size: int, kernel: int, stride: int) -> np.ndarray:
    """float32 [size / stride, size]: the matrix A for which A x A^T is the average pooling of an image
    x [size, size]."""
    before, _ = same_padding_of(size, kernel, stride)
    starts = np.arange(0, size, stride)[:, None] - before
    inside = (np.arange(size) >= starts) & (np.arange(size) < starts + kernel)
    count = inside.sum(axis=1, keepdims=True) if stride == 1 else kernel
    return (inside / count).astype(np.float32)
