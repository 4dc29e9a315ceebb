"""The child network: the cells of an architecture, and the network that repeats them, as a static program.

logits = build_network(Layers(training=False), images, architecture, num_classes, ChildSettings())
"""

from collections.abc import Sequence

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.child_network.layers import Layers, Variable, static
from autodl_design.child_network.operations import OPERATIONS
from autodl_design.child_network.references import REFERENCES
from autodl_design.child_network.shared_sums import share_summands
from autodl_design.search_space.cells import Cell
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.reference import Design, Reference


def build_cell(layers: Layers, x: Variable, cell: Cell, stride: int, config: ChildSettings) -> Variable:
    """x of F channels -> F channels for the normal cell (stride 1), 2F channels of half the size for the
    reduction cell (stride 2)."""
    channels = layers.channels(x)
    sums, pairs = share_summands(cell.inputs) if layers.shares_sums else (cell.inputs, {})
    outputs: dict[int, Variable] = {}

    def add(terms: Sequence[int]) -> Variable:
        for term in terms:
            if term not in outputs:
                outputs[term] = add(pairs[term])
        return paddle.add_n([outputs[term] for term in terms]) if len(terms) > 1 else outputs[terms[0]]

    def bn_relu(x: Variable) -> Variable:
        return layers.bn_relu(x, config.bn_decay, config.bn_shift)

    for index, (name, terms) in enumerate(zip(cell.operations, sums, strict=True)):
        if terms:
            node = OPERATIONS[name](layers, bn_relu(add(terms)), 1)
        else:
            source = layers.conv2d(bn_relu(x), channels // config.ratio, (1, 1))
            node = OPERATIONS[name](layers, bn_relu(source), stride)
        outputs[index] = node
    leaves = layers.concat([outputs[i] for i in cell.leaves])
    return layers.conv2d(leaves, stride * channels, (1, 1))


def build_cells(
    layers: Layers, images: Variable, cells: tuple[Cell, Cell], config: ChildSettings
) -> Variable:
    """Images in the layout of the layers -> what the last stage puts out."""
    normal, reduction = cells
    x = layers.conv2d(images, config.width, (3, 3))
    for stage in range(config.num_stages):
        for index in range(config.num_cells):
            if stage > 0 and index == 0:
                x = build_cell(layers, x, reduction, 2, config)
            else:
                y = build_cell(layers, x, normal, 1, config)
                x = paddle.add_n([x, y]) if config.shortcut else y
    return layers.bn_relu(x, config.bn_decay, initial_shift=0.0)


def build_network(
    layers: Layers,
    images: Variable,
    design: Design,
    num_classes: int,
    config: ChildSettings,
    dropout_mask: Variable | None = None,
) -> Variable:
    """Logits [B, num_classes] of images in the layout of the layers, within the current program.

    Parameters are named in the order of construction: weight_0, weight_1, ... (rank >= 2),
    bn_0.scale, bn_0.shift, bn_0.mean, bn_0.variance, bn_1.scale, ...; the final bias is bias_0. They are
    the same ones in every layout.
    dropout_mask: [B, C], what the pooled features are multiplied by in training.
    """
    if isinstance(design, Reference):
        x = REFERENCES[design.name](layers, images, config)
    else:
        x = build_cells(layers, images, design.cells(), config)
    features = layers.mean(x)
    if dropout_mask is not None:
        features = features * dropout_mask
    return layers.linear(features, num_classes)


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
