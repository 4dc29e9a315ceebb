"""Rewrites of a child network's finished program, its gradients included, that make it faster. They change
its results by rounding only.

Each was kept because it paid when measured beside a program without it; `benchmarks.child_training` times
them all together. What did not pay is in benchmarks/results/README.md.
"""

from typing import Any

import numpy as np

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.programs import on_gpu

Program = paddle.static.Program


def onednn_is_usable() -> bool:
    """Not in Paddle 2, whose conv2d_grad fails there."""
    return not paddle.__version__.startswith("2.")


def speed_up(program: Program) -> None:
    _share_gradients_of_sums(program)
    if not on_gpu():
        _vectorise_gradients_of_relu(program)
        _slice_gradients_of_concatenations(program)
    _use_onednn(program)
    if not on_gpu():
        _sum_in_place(program)


def _share_gradients_of_sums(program: Program) -> None:
    """Every summand of `add_n` gets a copy of the sum's gradient, an operator each. Take the copies out and
    let their readers read the gradient itself, which nothing has overwritten."""
    block = program.global_block()
    original: dict[str, str] = {}
    copies = []
    for index, op in enumerate(block.ops):
        _read_in_place_of(original, op)
        if op.type == "scale" and (op.attr("scale"), op.attr("bias")) == (1.0, 0.0):
            (copy,), (source,) = op.output("Out"), op.input("X")
            if "@GRAD" in copy:
                original[copy] = source
                copies.append(index)
    for index in reversed(copies):
        block._remove_op(index, sync=False)


def _vectorise_gradients_of_relu(program: Program) -> None:
    """Replace each `relu_grad`, seven times as slow on CPUs as the ReLU itself, by `clip_grad`, whose
    kernel the compiler vectorises: 1.16 times the images a second at the default size. It passes a gradient
    on where min <= the ReLU's output <= max, so with the smallest normal number as min it does the same,
    bit for bit. In float16, which GPUs have, that number is 0."""
    info = np.finfo(np.float32)
    for op in program.global_block().ops:
        if op.type == "relu_grad":
            output = op.input("Out")
            op.desc.set_type("clip_grad")
            op.desc.remove_input("Out")
            op.desc.set_input("X", output)
            op._set_attr("min", float(info.tiny))
            op._set_attr("max", float(info.max))


def _slice_gradients_of_concatenations(program: Program) -> None:
    """Replace each `concat_grad` over the last axis, which copies pixel by pixel, by a `slice` for each
    part, which takes a quarter of the time."""
    block = program.global_block()
    for op in [op for op in block.ops if op.type == "concat_grad"]:
        shapes = [block.var(name).shape for name in op.input("X")]
        last = len(shapes[0]) - 1
        if op.attr("axis") not in (last, -1):
            continue
        place, start = block.ops.index(op), 0
        for shape, name in zip(shapes, op.output("X@GRAD"), strict=True):
            block._insert_op_without_sync(
                place + 1,
                type="slice",
                inputs={"Input": op.input("Out@GRAD")},
                outputs={"Out": name},
                attrs={"axes": [last], "starts": [start], "ends": [start + shape[last]]},
            )
            start += shape[last]
        block._remove_op(place, sync=False)


def _use_onednn(program: Program) -> None:
    """Let operators run in oneDNN where that is faster on CPUs than Paddle's own kernel. Without effect on
    GPUs.

    Channels last: convolutions and average pooling. oneDNN's maximum pooling is left out: it keeps the
    places of the maxima in one workspace for all poolings of one result shape, which the executor does not
    see.

    Channels first: a convolution is up to three times as fast from 8 channels on, its gradient above 8.
    With fewer, which fill half a vector at most, oneDNN is faster for kernels of 5x5 only. A 1x1
    convolution is a plain matrix product in Paddle, and faster than rearranging its images for oneDNN and
    back.
    """
    if not onednn_is_usable():
        return
    block = program.global_block()
    for op in list(block.ops):
        last = op.has_attr("data_format") and op.attr("data_format") == "NHWC"
        if op.type in ("conv2d", "conv2d_grad"):
            _, channels, height, width = block.var(op.input("Filter")[0]).shape
            area = height * width
            least = 9 if op.type == "conv2d_grad" else 8
            if last or (area > 1 and channels >= least) or (area >= 25 and op.type == "conv2d"):
                op._set_attr("use_mkldnn", True)
            if last and op.type == "conv2d_grad":
                _transpose_filter_gradient(block, op)
        elif op.type in ("pool2d", "pool2d_grad") and last and op.attr("pooling_type") == "avg":
            op._set_attr("use_mkldnn", True)


def _transpose_filter_gradient(block: Any, op: Any) -> None:
    """oneDNN's conv2d_grad with the channels last puts out the filter's gradient as [O, kh, kw, I], and the
    optimiser takes it, since it has as many elements. Transpose it to the filter's own [O, I, kh, kw]."""
    (gradient,) = op.output("Filter@GRAD")
    out, channels, height, width = block.var(op.input("Filter")[0]).shape
    last = block.create_var(name=f"{gradient}.last", dtype="float32", shape=[out, height, width, channels])
    op._rename_output(gradient, last.name)
    block._insert_op_without_sync(
        block.ops.index(op) + 1,
        type="transpose2",
        inputs={"X": last},
        outputs={
            "Out": block.var(gradient),
            "XShape": block.create_var(name=f"{gradient}.shape", dtype="float32"),
        },
        attrs={"axis": [0, 3, 1, 2]},
    )


def _sum_in_place(program: Program) -> None:
    """Let a sum overwrite a summand that nobody reads after it, which spares the writing of other memory:
    1.025 times the images a second at the default size.

    Not where an operator in oneDNN reads or writes the summand: the executor keeps a variable that it has
    rearranged for oneDNN, under the variable's name, and could take the summand for the sum.
    """
    block = program.global_block()
    last_reader = {name: index for index, op in enumerate(block.ops) for name in op.input_arg_names}
    kept = {variable.name for variable in program.list_vars() if variable.persistable}
    for op in block.ops:
        if op.has_attr("use_mkldnn") and op.attr("use_mkldnn"):
            kept |= {*op.input_arg_names, *op.output_arg_names}
    place: dict[str, str] = {}  # of a sum: the summand that it overwrites
    for index, op in enumerate(block.ops):
        names = op.input("X") if op.type == "sum" else []
        free = [name for name in names if last_reader[name] == index and name not in kept]
        _read_in_place_of(place, op)
        if free:
            (total,) = op.output("Out")
            place[total] = place.get(free[0], free[0])
            others = [name for name in op.input("X") if name != place[total]]
            op.desc.set_input("X", [place[total], *others])
            op._rename_output(total, place[total])


def _read_in_place_of(stand_ins: dict[str, str], op: Any) -> None:
    """Let the operator read the variable that stands for another. One that it writes anew, as a ReLU in
    place and its gradient do, is itself again for all later operators."""
    for name in op.input_arg_names:
        if name in stand_ins:
            op._rename_input(name, stand_ins[name])
    for name in op.output_arg_names:
        stand_ins.pop(name, None)
