"""What a pickle says about NumPy's arrays, and what of it is believed.

NumPy's own functions are not called with what a pickle says: they trust it, and an array of objects made
from raw bytes is a list of memory addresses. Only arrays of integers are known, and an np.ndarray is made
when kind, shape and data are checked. The classes here have no attributes but their fields.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autodl_design.checked_io.messages import quoted

INTEGER_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
BYTE_ORDERS: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
MAX_DIMENSIONS = 32  # NumPy 1's limit


class BatchPickleError(ValueError):
    """A pickle that is damaged or holds what no batch holds; the text completes "it ..."."""


@dataclass(slots=True, eq=False)
class IntegerType:
    """Stands for an np.dtype."""

    code: str
    byte_order: str = "="

    @property
    def size(self) -> int:
        return int(self.code[1])

    def build(self, state: tuple) -> None:
        byte_order = text_of(state[1])
        if byte_order not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
            raise BatchPickleError("holds an array that is not of integers")
        self.byte_order = byte_order

    def dtype(self) -> np.dtype:
        return np.dtype(self.byte_order + self.code)

    def integer(self, data: bytes) -> int:
        return int.from_bytes(
            data, BYTE_ORDERS.get(self.byte_order, sys.byteorder), signed=self.code[0] == "i"
        )


@dataclass(slots=True, eq=False)
class Array:
    """Stands for an np.ndarray, whose parts may come later than itself."""

    data: bytes | None = None
    type: IntegerType | None = None
    shape: tuple[int, ...] = ()
    order: Literal["C", "F"] = "C"

    def build(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        self.fill(data, dtype, shape, "F" if is_fortran in (True, 1) else "C")

    def fill(self, data: object, dtype: object, shape: object, order: Literal["C", "F"]) -> None:
        if type(data) is not bytes or type(dtype) is not IntegerType or type(shape) is not tuple:
            raise BatchPickleError("holds an array of something else than integers")
        if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
            raise BatchPickleError("holds an array of an impossible shape")
        if math.prod(shape) * dtype.size != len(data):
            raise BatchPickleError("holds an array whose shape does not fit its data")
        self.data, self.type, self.shape, self.order = data, dtype, shape, order

    def array(self) -> np.ndarray:
        """Shares its memory with `data`."""
        if self.data is None or self.type is None:
            raise BatchPickleError("holds an array without data")
        return np.ndarray(self.shape, self.type.dtype(), self.data, order=self.order)


@dataclass(slots=True, eq=False)
class Function:
    """Stands for a function that a pickle may name: what is done with the arguments instead."""

    result: Callable[[tuple], object]


def text_of(value: object) -> str | None:
    """A short text, which Python 2 writes as bytes."""
    if type(value) is bytes:
        return value[:100].decode("latin-1")
    return value if type(value) is str else None


def _integer_type(arguments: tuple) -> IntegerType:
    code = text_of(arguments[0])
    if code not in INTEGER_TYPES:
        shown = "unknown" if code is None else repr(quoted(code))
        raise BatchPickleError(f"holds an array of type {shown}, not of integers")
    return IntegerType(code)


def _array_to_be_filled(arguments: tuple) -> Array:
    return Array()  # the arguments describe an empty array


def _array_from_buffer(arguments: tuple) -> Array:
    data, dtype, shape, order = arguments
    if type(order) is not str or order not in ("C", "F"):
        raise BatchPickleError("holds an array of an unknown order")
    array = Array()
    array.fill(data, dtype, shape, "F" if order == "F" else "C")
    return array


def _integer_of_scalar(arguments: tuple) -> int:
    dtype, data = arguments
    if type(dtype) is not IntegerType or type(data) is not bytes or len(data) != dtype.size:
        raise BatchPickleError("holds a number that is no integer")
    return dtype.integer(data)


def refused(arguments: tuple) -> object:
    raise BatchPickleError("calls a function that batches do not call; refused")


FUNCTIONS = {  # NumPy 2 calls its package `core` `_core`
    "numpy.dtype": Function(_integer_type),
    "numpy.ndarray": Function(refused),  # only an argument of the next one
    "numpy.core.multiarray._reconstruct": Function(_array_to_be_filled),  # arrays before protocol 5
    "numpy.core.numeric._frombuffer": Function(_array_from_buffer),  # and from then on
    "numpy.core.multiarray.scalar": Function(_integer_of_scalar),  # a label that is no Python int
}
