"""A network as one readable file of PyTorch or Paddle, which needs nothing of this project.

    text = source_code("torch", network, "my_network.py", trained=True)
    state = module_state("torch", network, weights)    # for the file's own load_network

One template a framework (templates/) holds the program; here is what differs from network to network.
"""

import itertools
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from autodl_design.search_space.cells import Cell
from autodl_design.search_space.child import ChildSettings, crop_padding
from autodl_design.search_space.reference import Reference
from autodl_design.trained_model.model_files import Arrays, Network

TEMPLATES = Path(__file__).with_name("templates")
# Where the modules that an operation makes have their weights, at stride 1 and at stride 2.
_NONE, _ONE, _PAIR = (), ("weight",), ("0.weight", "1.weight")
_WEIGHTS = {
    **dict.fromkeys(("conv_1x1", "conv_3x3", "conv_5x5", "dilated_3x3"), (_ONE, _ONE)),
    **dict.fromkeys(("conv_1x3_3x1", "conv_1x5_5x1"), (_PAIR, (*_PAIR, "2.weight"))),
    **dict.fromkeys(
        ("maxpool_3x3", "maxpool_5x5", "avgpool_3x3", "avgpool_5x5"), (_NONE, ("widen.weight",))
    ),
}
_STATISTICS = {
    "torch": {"scale": "weight", "shift": "bias", "mean": "running_mean", "variance": "running_var"},
    "paddle": {"scale": "weight", "shift": "bias", "mean": "_mean", "variance": "_variance"},
}


class ExportError(Exception):
    """A network that cannot be exported; the text is for the user."""


def source_code(framework: str, network: Network, file: str, trained: bool, facts: str) -> str:
    """The text of a file called `file`. trained: whether weights lie beside it. facts: what is known of the
    network, for people.

    Raises ExportError where the network has an operation that the templates do not know, and where it is a
    reference.
    """
    config = network.config
    operations = _operations(framework, network)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{framework}.py.jinja").render(
        about=_about(framework, network, trained, facts),
        file=file,
        trained=trained,
        classes=_wrapped("CLASSES", network.class_names),
        size=network.image_size,
        num_classes=len(network.class_names),
        has=lambda start: any(name.startswith(start) for name in operations),
        operations=operations.values(),
        cells=[_cell(network, 0), *([_cell(network, 1)] if config.num_stages > 1 else [])],
        stages=_stages(config),
        ratio=config.ratio,
        width=config.width,
        features=config.features,
        dropout=config.dropout_rate,
        bn_shift=config.bn_shift,
        old_share=config.bn_decay,
        new_share=round(1 - config.bn_decay, 12),
        rate=config.lr_max / 10,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        decay=config.weight_decay,
    )


def _about(framework: str, network: Network, trained: bool, facts: str) -> str:
    size, num_classes = network.image_size, len(network.class_names)
    if framework == "onnx":
        takes = f"It takes `pixels`, red, green, blue in 0 .. 255, float32 [B, 3, {size}, {size}], and "
        gives = f"gives `probabilities` [B, {num_classes}]; its metadata have the names of the classes. It"
        needs = "onnxruntime, numpy and pillow"
    else:
        takes = (
            f"It takes pixels, red, green, blue in 0 .. 255, uint8 or float [B, 3, {size}, {size}], and "
        )
        gives = f"gives logits [B, {num_classes}]. It"
        needs = (
            f"{framework}, numpy, pillow and safetensors" if trained else f"{framework}, numpy and pillow"
        )
    scaled = "A picture is scaled so that a pixel is the mean of those that it covers (Pillow's BOX)."
    about = f"A network that a search found. {facts}\n\n{takes}{gives} needs {needs}. {scaled}"
    return "\n\n".join(textwrap.fill(paragraph, 108) for paragraph in about.split("\n\n"))


def recipe(network: Network) -> str:
    """How the network is trained, in a sentence."""
    config, size = network.config, network.image_size
    period, warmup = config.schedule
    flips = ", flips where they keep the class" if config.random_flip_left_right else ""
    return (
        f"Recipe: {config.epochs} epochs of batches of {config.train_batch_size}, Nesterov momentum "
        f"{config.momentum:g}, weight decay {config.weight_decay:g}, learning rate up to {config.lr_max:g} "
        f"after {warmup:g} epochs, along a cosine to {config.lr_min:g} at epoch {period:g}, "
        f"dropout {config.dropout_rate:g}, crops moved by up to {crop_padding(size)} pixels"
        f"{flips}."
    )


def _cells(network: Network) -> tuple[Cell, Cell]:
    """Raises ExportError."""
    if isinstance(network.design, Reference):
        raise ExportError(
            f"the model is the reference {network.design.name}, which is not written as a program: "
            "retrain.py --onnx writes it as model.onnx, and model.pdmodel is there already"
        )
    return network.design.cells()


def _operations(framework: str, network: Network) -> dict[str, str]:
    """The lines of the table of operations, by name, of those that occur."""
    normal, reduction = _cells(network)
    used = {*normal.operations, *(reduction.operations if network.config.num_stages > 1 else ())}
    if unknown := sorted(used - _WEIGHTS.keys()):
        raise ExportError(
            f"the network has the operation {unknown[0]}, which autodl_design/trained_model/source_code.py "
            "and its templates do not know: add it there"
        )
    square = "{0}" if framework == "torch" else "({0}, {0})"
    step = "s" if framework == "torch" else "(s, s)"
    forms = {
        "conv": f"Conv(c, s * c, {square}, {step})",
        "dilated": f"Conv(c, s * c, {square}, {step}, 2 if s == 1 else 1)",
        "maxpool": 'Pool(c, "max", {0}, s)',
        "avgpool": 'Pool(c, "avg", {0}, s)',
        "pair": "conv_pair(c, {0}, s)",
    }
    lines = {}
    for name in (name for name in _WEIGHTS if name in used):
        kind, shape, *second = name.split("_")
        form = forms["pair" if second else kind].format(shape[-1])
        lines[name] = f'"{name}": lambda c, s: {form},'
    return lines


def _cell(network: Network, index: int) -> dict[str, Any]:
    """What the template says of the normal cell (0) or the reduction cell (1)."""
    cell = _cells(network)[index]
    nodes = [
        {
            "number": number,
            "operation": operation,
            "inputs": inputs,
            "sum": " + ".join(f"node_{i}" for i in inputs) or "x",
        }
        for number, (operation, inputs) in enumerate(zip(cell.operations, cell.inputs, strict=True))
    ]
    reduction = index == 1
    return {
        "name": "ReductionCell" if reduction else "NormalCell",
        "does": "to twice the channels and half the size" if reduction else "keeps channels and size",
        "nodes": nodes,
        "stride": 2 if reduction else 1,
        "inner": "2 * nodes" if reduction else "nodes",
        "outputs": "2 * channels" if reduction else "channels",
        "leaves": [f"node_{i}" for i in cell.leaves],
        "shortcut": "x + " if network.config.shortcut and not reduction else "",
    }


def _stages(config: ChildSettings) -> str:
    """The cells of all stages, a stage a line where they do not fit into one."""
    lines = []
    for stage in range(config.num_stages):
        channels, normal = config.width * 2**stage, config.num_cells - (stage > 0)
        cells = [f"ReductionCell({channels // 2})"] if stage else []
        if normal > 1:
            cells.append(f"*[NormalCell({channels}) for _ in range({normal})]")
        elif normal:
            cells.append(f"NormalCell({channels})")
        lines.append(", ".join(cells))
    text = ", ".join(lines)
    if len(text) <= 70:
        return text
    return "".join(f"\n            {line}," for line in lines) + "\n        "


def _wrapped(name: str, values: tuple[str, ...]) -> str:
    """An assignment, in lines that fit."""
    text = f"{name} = ({', '.join(map(ascii, values))})"
    return text if len(text) <= 100 else f"{name} = (\n" + "".join(_lines(values)) + ")"


def _lines(values: tuple[str, ...]) -> Iterator[str]:
    line = "   "
    for value in map(ascii, values):
        if len(line) + len(value) > 98 and line.strip():
            yield f"{line}\n"
            line = "   "
        line += f" {value},"
    yield f"{line}\n"


def module_state(framework: str, network: Network, weights: Arrays) -> Arrays:
    """The weights by the names that the exported file's module has for them."""
    names = _names(network)
    state = {}
    for name, ours in names:
        if name.startswith("bn:"):
            for our_part, part in _STATISTICS[framework].items():
                state[f"{name.removeprefix('bn:')}.{part}"] = weights[f"{ours}.{our_part}"]
        else:
            state[name] = weights[ours]
    if framework == "torch":  # whose linear layer has outputs first
        state["classifier.weight"] = state["classifier.weight"].T
    return {name: np.ascontiguousarray(array) for name, array in state.items()}


def _names(network: Network) -> Iterator[tuple[str, str]]:
    """Names in the module and ours, in the order in which build_network makes the layers; those of a BN
    begin with "bn:" and stand for all of its arrays."""
    weights = (f"weight_{k}" for k in itertools.count())
    norms = (f"bn_{k}" for k in itertools.count())
    config, cells = network.config, _cells(network)
    yield "stem.weight", next(weights)
    for index in range(config.num_stages * config.num_cells):
        reduces = index > 0 and index % config.num_cells == 0
        for name in _names_in_cell(cells[reduces], stride=2 if reduces else 1):
            place = f"cells.{index}.{name.removeprefix('bn:')}"
            yield (f"bn:{place}", next(norms)) if name.startswith("bn:") else (place, next(weights))
    yield "bn:head.0", next(norms)
    yield "classifier.weight", next(weights)
    yield "classifier.bias", "bias_0"


def _names_in_cell(cell: Cell, stride: int) -> Iterator[str]:
    for number, (operation, inputs) in enumerate(zip(cell.operations, cell.inputs, strict=True)):
        node = f"node_{number}"
        if inputs:
            yield f"bn:{node}.0"
            parts, place = _WEIGHTS[operation][0], 2
        else:
            yield from (f"bn:{node}.0", f"{node}.2.weight", f"bn:{node}.3")
            parts, place = _WEIGHTS[operation][stride - 1], 5
        yield from (f"{node}.{place}.{part}" for part in parts)
    yield "output.weight"
