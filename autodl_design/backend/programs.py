"""Building and running static programs in Paddle's older (pre-PIR) form.

That form alone lets a single operator choose its kernel (see program_passes.py). On GPUs the same program
runs on cuDNN.

    with static_programs(), new_scope():
        executor = new_executor()
        ...
"""

import contextlib
import ctypes
import gc
import math
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from autodl_design.backend.paddle_backend import paddle

static = paddle.static
functional = paddle.nn.functional


@contextlib.contextmanager
def static_programs() -> Iterator[None]:
    """Within it, static programs are built and run in the pre-PIR form (see the top of the file)."""
    guard = getattr(getattr(paddle, "pir_utils", None), "OldIrGuard", None)
    was_dynamic = paddle.in_dynamic_mode()
    with guard() if guard else contextlib.nullcontext(), warnings.catch_warnings():
        # What operators did in Paddle 1, which python -W error would raise.
        warnings.filterwarnings("ignore", ".*\nThe behavior of expression", DeprecationWarning)
        paddle.enable_static()
        paddle.set_flags(
            {
                # Without it the executor keeps twice the memory and on CPUs runs no faster.
                "FLAGS_new_executor_serial_run": not on_gpu(),
                # Dead variables are freed 30 MB at a time, and not by a task of another thread for each.
                "FLAGS_eager_delete_tensor_gb": 0.0 if on_gpu() else 0.03,
            }
        )
        try:
            yield
        finally:
            if was_dynamic:
                paddle.disable_static()


@contextlib.contextmanager
def no_call_stacks() -> Iterator[None]:
    """Within it, new operators take no note of the Python lines that they come from, a fifth of the time of
    building a program."""
    before = getattr(sys, "tracebacklimit", 1000)
    sys.tracebacklimit = 0
    try:
        yield
    finally:
        sys.tracebacklimit = before


@contextlib.contextmanager
def new_scope() -> Iterator[Any]:
    """Within it, variables live in a scope of their own, which is freed with all of them at the end."""
    scope = static.Scope()
    try:
        with static.scope_guard(scope):
            yield scope
    finally:
        gc.collect()  # programs and executors are held by cycles
        scope._remove_from_pool()  # which otherwise keeps every scope as long as the process lives
        ctypes.CDLL(None).malloc_trim(0)  # or what was freed stays with the process, in ever more pieces


_layout = threading.local()  # of the programs that are open in a thread: their data_format, and how many


@contextlib.contextmanager
def one_layout(data_format: str) -> Iterator[None]:
    """Around programs with operators in oneDNN, from their building to the end of their executor.

    oneDNN takes the layout of a thread's first program for that of all programs until their executors are
    gone, and results of another layout would be rearranged. Raises RuntimeError where that would happen.
    """
    others, count = getattr(_layout, "open", (data_format, 0))
    if count and others != data_format:
        raise RuntimeError(
            f"a network with the layout {others} is open in this thread, and one with {data_format} is "
            "asked for: close the first one before, or use another thread"
        )
    _layout.open = data_format, count + 1
    try:
        yield
    finally:
        _layout.open = data_format, _layout.open[1] - 1


def on_gpu() -> bool:
    return paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0


def check_gpu() -> None:
    """Raises RuntimeError unless this process sees a GPU and computes rightly on it.

    Without GPUs Paddle computes on the CPU and says nothing. On a card that its build has no kernels for,
    launches fail and nobody looks: what was in the memory passes for the result.
    """
    if not on_gpu():
        raise RuntimeError("Paddle sees no GPU there")
    try:
        check_arithmetic()
    except Exception as error:  # what a broken driver or library may raise is up to Paddle
        *_, reason = ["", *str(error).strip().splitlines()]
        raise RuntimeError(f"the GPU does not compute: {reason}") from error


def check_arithmetic() -> None:
    """Small computations on Paddle's default device by its own kernels, by cuBLAS and by cuDNN, all of them
    exact in TF32 too. Raises ArithmeticError where one is wrong."""
    ones = paddle.ones
    results = {
        "a sum": (ones([4096]).sum(), 4096),
        "a matrix product": ((ones([64, 32]) @ ones([32, 64])).sum(), 64 * 32 * 64),
        "a convolution": (functional.conv2d(ones([1, 4, 9, 9]), ones([8, 4, 3, 3])).sum(), 36 * 8 * 49),
    }
    for name, (actual, expected) in results.items():
        if float(actual) != expected:
            raise ArithmeticError(f"{name} gives {float(actual):g} instead of {expected}")


def _place():
    return paddle.CUDAPlace(0) if on_gpu() else paddle.CPUPlace()


def new_executor() -> static.Executor:
    return static.Executor(_place())


def set_variables(values: dict[str, np.ndarray]) -> None:
    """Set variables of the current scope, new or not."""
    for name, value in values.items():
        static.global_scope().var(name).get_tensor().set(value, _place())


def get_variable(name: str) -> np.ndarray:
    return np.array(static.global_scope().find_var(name).get_tensor())


def count_parameters(program: static.Program) -> int:
    """Number of trainable parameters (BN's moving statistics are not)."""
    return sum(math.prod(p.shape) for p in program.all_parameters() if p.trainable)
