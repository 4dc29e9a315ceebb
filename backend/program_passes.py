"""Rewrites of a child network's finished program, its gradients included, that make it faster and leave
its results alone, but for rounding.

Each was kept because it paid when measured beside a program without it; `benchmarks.child_training` times
them all together. What did not pay: oneDNN for batch norm, ReLU, pooling and sums (in a layout of its
own, so at Paddle's operators around them everything is rearranged), programs in NHWC, Paddle's inplace
pass, chains of additions for `add_n`.
"""

from backend.paddle_backend import paddle

Program = paddle.static.Program


def speed_up(program: Program) -> None:
    _share_gradients_of_sums(program)
    _use_onednn_convolutions(program)


def _share_gradients_of_sums(program: Program) -> None:
    """Every summand of `add_n` gets a copy of the sum's gradient, an operator each. Take the copies out and
    let their readers read the gradient itself, which nothing overwrites."""
    block = program.global_block()
    original: dict[str, str] = {}
    copies = []
    for index, op in enumerate(block.ops):
        for name in op.input_arg_names:
            if name in original:
                op._rename_input(name, original[name])
        if op.type == "scale" and (op.attr("scale"), op.attr("bias")) == (1.0, 0.0):
            (copy,), (source,) = op.output("Out"), op.input("X")
            if "@GRAD" in copy:
                original[copy] = source
                copies.append(index)
    for index in reversed(copies):
        block._remove_op(index, sync=False)


def _use_onednn_convolutions(program: Program) -> None:
    """Let convolutions run in oneDNN, about twice as fast on CPUs as Paddle's own, but for 1x1: those are
    plain matrix products in Paddle, and faster than rearranging their images for oneDNN and back. Without
    effect on GPUs."""
    if paddle.__version__.startswith("2."):  # whose conv2d_grad fails there
        return
    block = program.global_block()
    for op in block.ops:
        if op.type in ("conv2d", "conv2d_grad"):
            *_, height, width = block.var(op.input("Filter")[0]).shape
            if height * width > 1:
                op._set_attr("use_mkldnn", True)
