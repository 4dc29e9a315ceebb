"""The child network: the cells of an architecture, and the network that repeats them, as a static program.

logits = build_network(images, cells, num_classes, ChildConfig(), training=False)
"""

from collections.abc import Sequence

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.programs import on_gpu
from autodl_design.child_network.operations import (
    OPERATIONS,
    F,
    Variable,
    conv2d,
    filled,
    he_normal,
    new_name,
    parameter,
    static,
)
from autodl_design.child_network.shared_sums import share_summands
from autodl_design.search_space.cells import Cell
from autodl_design.search_space.child import ChildConfig


def bn_relu(
    x: Variable, config: ChildConfig, training: bool, initial_shift: float | None = None
) -> Variable:
    """initial_shift: by default config.bn_shift."""
    initial_shift = config.bn_shift if initial_shift is None else initial_shift
    name = new_name("bn")
    shape = [x.shape[1]]
    scale = parameter(f"{name}.scale", shape, filled(1.0))
    shift = parameter(f"{name}.shift", shape, filled(initial_shift))
    mean = parameter(f"{name}.mean", shape, filled(0.0), trainable=False)
    variance = parameter(f"{name}.variance", shape, filled(1.0), trainable=False)
    x = F.batch_norm(x, mean, variance, scale, shift, training, config.bn_decay, epsilon=1e-3)
    if not training:
        return F.relu(x)
    # In place, which F.relu does not do in a program: no gradient needs what the BN put out.
    block = static.default_main_program().global_block()
    block.append_op(type="relu", inputs={"X": x}, outputs={"Out": x})
    return x


def build_cell(x: Variable, cell: Cell, stride: int, config: ChildConfig, training: bool):
    """x [B, F, H, W] -> [B, F, H, W] for the normal cell (stride 1), [B, 2F, H/2, W/2] for the
    reduction cell (stride 2)."""
    channels = x.shape[1]
    # Shared summands save a third of all additions, gradients' included: 1.03 times the images a second at
    # the default size. A GPU adds up all inputs of a node in one kernel, and would have more of them.
    sums, pairs = (cell.inputs, {}) if on_gpu() else share_summands(cell.inputs)
    outputs: dict[int, Variable] = {}

    def add(terms: Sequence[int]) -> Variable:
        for term in terms:
            if term not in outputs:
                outputs[term] = add(pairs[term])
        return paddle.add_n([outputs[term] for term in terms]) if len(terms) > 1 else outputs[terms[0]]

    for index, (name, terms) in enumerate(zip(cell.operations, sums, strict=True)):
        if terms:
            node = OPERATIONS[name](bn_relu(add(terms), config, training), 1, training)
        else:
            source = conv2d(bn_relu(x, config, training), channels // config.ratio, (1, 1))
            node = OPERATIONS[name](bn_relu(source, config, training), stride, training)
        outputs[index] = node
    leaves = paddle.concat([outputs[i] for i in cell.leaves], axis=1)
    return conv2d(leaves, stride * channels, (1, 1))


def build_network(
    images: Variable,
    cells: tuple[Cell, Cell],
    num_classes: int,
    config: ChildConfig,
    training: bool,
    dropout_mask: Variable | None = None,
) -> Variable:
    """Logits [B, num_classes] of images [B, 3, H, W], within the current program.

    Parameters are named in the order of construction: weight_0, weight_1, ... (rank >= 2),
    bn_0.scale, bn_0.shift, bn_0.mean, bn_0.variance, bn_1.scale, ...; the final bias is bias_0.
    dropout_mask: [B, C], what the pooled features are multiplied by in training.
    """
    normal, reduction = cells
    x = conv2d(images, config.width, (3, 3))
    for stage in range(config.num_stages):
        for index in range(config.num_cells):
            if stage > 0 and index == 0:
                x = build_cell(x, reduction, 2, config, training)
            else:
                x = build_cell(x, normal, 1, config, training)
    x = bn_relu(x, config, training, initial_shift=0.0)
    features = paddle.flatten(F.adaptive_avg_pool2d(x, 1), 1)
    if dropout_mask is not None:
        features = features * dropout_mask
    num_features = features.shape[1]
    weight = parameter(new_name("weight"), [num_features, num_classes], he_normal(fan_in=num_features))
    bias = parameter(new_name("bias"), [num_classes], filled(0.0))
    return F.linear(features, weight, bias)


def draw_parameters(program: static.Program, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Initial values, by name, of every parameter of a network built by `build_network`.

    Weights: see `he_normal`. BN: scales 1, shifts `config.bn_shift`, except the last one's, which is 0.
    Bias: 0.

    A positive shift keeps most of ReLU's inputs positive, so the untrained network is nearly linear.
    With shifts of 0 the 50 and more BN-ReLU layers of a dense network take a small change of an image
    to an unrelated output (and blow up gradients alike; Yang et al. 2019, "A mean field theory of batch
    normalization"), and 20 epochs on 900 images then teach it next to nothing.
    """
    return {
        variable.name: variable.initial(rng, variable.shape).astype(np.float32)
        for variable in program.all_parameters()
    }
