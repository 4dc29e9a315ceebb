"""Networks as a user would write them by hand, of the same layers as the found ones and trained alike.

features = REFERENCES["vgg"](layers, images, config)

In a network of width w the first stage has w channels, and each further one twice as many at half the size:

vgg      two convolutions 3x3 a stage, max pooling 2x2 between stages (Simonyan and Zisserman 2015)
conv5    one convolution a stage, 5x5 in the first two and 3x3 later, max pooling 3x3 between stages
resnet8  a convolution 3x3, then a residual block of two of them a stage (He et al. 2016, fig. 2)

Batch normalisation and ReLU follow each convolution; network.py adds the classifier.
"""

from collections.abc import Callable

from autodl_design.backend.paddle_backend import paddle
from autodl_design.child_network.layers import Layers, Variable
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.reference import REFERENCE_NAMES


def _conv_bn(
    layers: Layers, x: Variable, config: ChildSettings, stage: int, kernel: int, stride: int = 1
) -> Variable:
    x = layers.conv2d(x, config.width * 2**stage, (kernel, kernel), (stride, stride))
    return layers.batch_norm(x, config.bn_decay, config.bn_shift)


def _conv_bn_relu(
    layers: Layers, x: Variable, config: ChildSettings, stage: int, kernel: int, stride: int = 1
) -> Variable:
    return layers.relu(_conv_bn(layers, x, config, stage, kernel, stride))


def _vgg(layers: Layers, x: Variable, config: ChildSettings) -> Variable:
    for stage in range(config.num_stages):
        if stage > 0:
            x = layers.max_pool(x, 2, 2)
        x = _conv_bn_relu(layers, x, config, stage, 3)
        x = _conv_bn_relu(layers, x, config, stage, 3)
    return x


def _conv5(layers: Layers, x: Variable, config: ChildSettings) -> Variable:
    for stage in range(config.num_stages):
        if stage > 0:
            x = layers.max_pool(x, 3, 2)
        x = _conv_bn_relu(layers, x, config, stage, 5 if stage < 2 else 3)
    return x


def _resnet8(layers: Layers, x: Variable, config: ChildSettings) -> Variable:
    x = _conv_bn_relu(layers, x, config, 0, 3)
    for stage in range(config.num_stages):
        stride = 1 if stage == 0 else 2
        y = _conv_bn_relu(layers, x, config, stage, 3, stride)
        y = _conv_bn(layers, y, config, stage, 3)
        if stage > 0:  # x gets the size and the channels of y
            x = _conv_bn(layers, x, config, stage, 1, stride)
        x = layers.relu(paddle.add_n([x, y]))
    return x


REFERENCES: dict[str, Callable[[Layers, Variable, ChildSettings], Variable]] = {
    "vgg": _vgg,
    "conv5": _conv5,
    "resnet8": _resnet8,
}
assert tuple(REFERENCES) == REFERENCE_NAMES, "autodl_design/search_space/reference.py names others"
