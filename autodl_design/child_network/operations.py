"""What each operation of the search space is: OPERATIONS[name](layers, x, stride) -> y.

An operation maps x of C channels to C channels at stride 1 and, in a reduction cell's source nodes, to 2C
channels of half the size at stride 2. Nothing normalises between the parts of one.
"""

from collections.abc import Callable

from autodl_design.child_network.layers import Layers, Variable
from autodl_design.search_space.cells import OPERATION_NAMES

Operation = Callable[[Layers, Variable, int], Variable]


def _conv(kernel: int, dilation: int = 1) -> Operation:
    def operation(layers: Layers, x: Variable, stride: int) -> Variable:
        dilated = dilation if stride == 1 else 1
        channels = stride * layers.channels(x)
        return layers.conv2d(x, channels, (kernel, kernel), (stride, stride), dilated)

    return operation


def _conv_pair(kernel: int) -> Operation:
    def operation(layers: Layers, x: Variable, stride: int) -> Variable:
        channels = layers.channels(x)
        x = layers.conv2d(x, channels, (1, kernel), (1, stride))
        x = layers.conv2d(x, channels, (kernel, 1), (stride, 1))
        return layers.conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _max_pool(kernel: int) -> Operation:
    def operation(layers: Layers, x: Variable, stride: int) -> Variable:
        channels = layers.channels(x)
        x = layers.max_pool(x, kernel, stride)
        return layers.conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


def _avg_pool(kernel: int) -> Operation:
    def operation(layers: Layers, x: Variable, stride: int) -> Variable:
        channels = layers.channels(x)
        x = layers.avg_pool(x, kernel, stride)
        return layers.conv2d(x, 2 * channels, (1, 1)) if stride == 2 else x

    return operation


OPERATIONS: dict[str, Operation] = {
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
