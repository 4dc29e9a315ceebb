"""Reads the small part of the pickle language in which batches of images are written.

    batch = read_pickle(content)  # a dict, of bytes -> int, bytes, str, list, dict or np.ndarray

A pickle is a program for a stack machine. `pickle.Unpickler` lets that program call functions and set
attributes; even where it may call a few harmless functions only, it can build a tiny file into gigabytes or
an object that NumPy obeys. Batches come from the network, so this machine knows only the opcodes in OPCODES
and the names in FUNCTIONS, and for these it does what is needed of them itself. For any content

- dict, list, bytes, str, int and np.ndarray of integers come out, no subclass of them and nothing else (a
  float, None, True, False or a tuple in a list or dict comes out as the name of its type);
- time is linear in the content's length, and memory below 1.5 times the length + 40 MB (see MEMORY).

It reads the pickles of Python 2 and 3, of protocols 0 to 5, with arrays of NumPy 1 and 2. The language is
described in Python's pickletools.py.
"""

import codecs
import io
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data import pickled_arrays
from autodl_design.image_data.pickled_arrays import (
    Array,
    BatchPickleError,
    Function,
    IntegerType,
    refused,
    text_of,
)

# An account of the bytes that the machine may use. Every opcode costs OPCODE_COST, which covers the largest
# object that one opcode makes (an empty dict) and its places on the stack and in the memo; bytes and texts
# cost their lengths on top. A file that needs more than MEMORY and 1.5 times its own size is no batch.
MEMORY = 40_000_000
OPCODE_COST = 100
ARRAY_COST = 500

MAX_PROTOCOL = 5
MAX_KEY = 200  # characters; comparing long keys would take long
MAX_NAME = 1000  # bytes of a function's name
MAX_INTEGER = 8  # bytes
LONG_TEXT = 65_536  # bytes; longer ones are no texts but bytes in Python 3's protocols 0 to 2


def read_pickle(content: bytes) -> Any:
    """Raises BatchPickleError."""
    machine = _Machine(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that no Python knows; they stand for themselves
            return machine.run()
    except BatchPickleError:
        raise
    except (IndexError, ValueError) as error:  # too little on the stack, a wrong number of arguments, ...
        raise BatchPickleError(f"makes no sense at byte {machine.position}") from error


@dataclass(slots=True, eq=False)
class _LongText:
    """A text too long to be one: its characters stand for bytes. Where it is in the content."""

    start: int
    end: int
    encoding: str


def _no_bytes(arguments: tuple) -> bytes:
    if arguments:
        raise BatchPickleError("calls bytes with arguments; refused")
    return b""


ENCODE = Function(refused)  # the machine does this itself
FUNCTIONS = {
    **pickled_arrays.FUNCTIONS,
    "_codecs.encode": ENCODE,  # bytes before protocol 3
    "__builtin__.bytes": Function(_no_bytes),  # empty bytes before protocol 3
}


# --- The machine ----------------------------------------------------------------------------------


class _Machine:
    """Runs one pickle. The methods that follow `run` are what the opcodes do."""

    def __init__(self, content: bytes):
        self.content = content
        self.position = 0
        self.stack: list = []
        self.outer_stacks: list[list] = []  # those below each mark
        self.memo: list = []
        self.memory = MEMORY + len(content) + len(content) // 2
        self.running = True

    def run(self) -> object:
        while self.running:
            opcode = self.take(1)
            operation = OPCODES.get(opcode)
            if operation is None:
                raise BatchPickleError(f"has the opcode {opcode!r} at byte {self.position - 1}; refused")
            self.spend(OPCODE_COST)
            operation(self)
        if self.position < len(self.content):
            raise BatchPickleError(f"goes on after its end at byte {self.position}")
        if len(self.stack) != 1 or self.outer_stacks:
            raise BatchPickleError("ends in the middle of something")
        return self.kept(self.stack[0])

    def stop(self) -> None:
        self.running = False

    def spend(self, size: int) -> None:
        self.memory -= size
        if self.memory < 0:
            raise BatchPickleError("would take far more memory than its size; refused")

    # Reading the content

    def skip(self, size: int) -> tuple[int, int]:
        """Go on by `size` bytes -> where they start and end."""
        start, end = self.position, self.position + size
        if size < 0 or end > len(self.content):
            raise BatchPickleError("ends too early")
        self.position = end
        return start, end

    def take(self, size: int) -> bytes:
        start, end = self.skip(size)
        return self.content[start:end]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def signed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little", signed=True)

    def skip_line(self) -> tuple[int, int]:
        end = self.content.find(b"\n", self.position)
        if end < 0:
            raise BatchPickleError("ends too early")
        start, end = self.skip(end - self.position)
        self.position += 1
        return start, end

    def short_line(self, pattern: bytes = rb".*") -> bytes:
        start, end = self.skip_line()
        line = self.content[start : min(end, start + MAX_NAME)]
        if end - start > MAX_NAME or not re.fullmatch(pattern, line):
            raise BatchPickleError(f"makes no sense at byte {start}")
        return line

    # Stack and memo

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return self.stack.pop()

    def mark(self) -> None:
        self.outer_stacks.append(self.stack)
        self.stack = []

    def pop_to_mark(self) -> list:
        values = self.stack
        self.stack = self.outer_stacks.pop()
        return values

    def put(self, index: int) -> None:
        value = self.stack[-1]
        missing = index + 1 - len(self.memo)
        if missing > 0:
            self.spend(20 * missing)  # two lists of them, for a moment
            self.memo.extend([_UNSET] * missing)
        self.memo[index] = value

    def get(self, index: int) -> None:
        value = self.memo[index]
        if value is _UNSET:
            raise BatchPickleError(f"makes no sense at byte {self.position}")
        self.push(value)

    # Plain values

    def push_integer(self, size: int) -> None:
        if not 0 <= size <= MAX_INTEGER:
            raise BatchPickleError(f"holds an integer of {size} bytes; refused")
        self.push(self.signed(size))

    def push_bytes(self, size: int) -> None:
        start, end = self.skip(size)
        self.spend(size)
        self.push(self.content[start:end])

    def push_utf8(self, size: int) -> None:
        self.push_text(*self.skip(size), "utf-8")

    def push_text(self, start: int, end: int, encoding: str) -> None:
        if end - start > LONG_TEXT:
            self.push(_LongText(start, end, encoding))
        else:
            self.spend(4 * (end - start))  # bytes a character, at most
            self.push(self.content[start:end].decode(encoding))

    def push_decimal(self) -> None:
        line = self.short_line(rb"-?[0-9]{1,19}L?")
        booleans = {b"00": False, b"01": True}
        self.push(booleans[line] if line in booleans else int(line.rstrip(b"L")))

    def push_quoted_bytes(self) -> None:
        start, end = self.skip_line()
        quotes = self.content[start : start + 1], self.content[end - 1 : end]
        if end - start < 2 or quotes not in ((b"'", b"'"), (b'"', b'"')):
            raise BatchPickleError(f"makes no sense at byte {start}")
        self.spend(end - start)
        self.push(codecs.escape_decode(memoryview(self.content)[start + 1 : end - 1])[0])

    def encoded(self, arguments: tuple) -> bytes:
        text, encoding = arguments
        if text_of(encoding) not in ("latin1", "latin-1"):
            raise BatchPickleError("asks for a codec other than latin1; refused")
        if type(text) is str:
            self.spend(len(text))
            return text.encode("latin-1")
        if type(text) is not _LongText:
            raise BatchPickleError("makes bytes of something else than a text")
        self.spend(text.end - text.start)
        result = io.BytesIO()  # in pieces: a str of the whole would take up to four times as much
        for piece in codecs.iterdecode(self.pieces(text.start, text.end), text.encoding):
            result.write(piece.encode("latin-1"))
        return result.getvalue()

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        for piece in range(start, end, LONG_TEXT):
            yield self.content[piece : min(piece + LONG_TEXT, end)]

    # Containers

    def kept(self, value: object) -> object:
        """`value` as it may come out of the machine."""
        if type(value) is Array:
            self.spend(ARRAY_COST)
            return value.array()
        if type(value) is _LongText:
            raise BatchPickleError(f"holds a text of {value.end - value.start} bytes; refused")
        return value if type(value) in (int, bytes, str, list, dict) else type(value).__name__

    def extend(self, values: list) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise BatchPickleError("appends to something else than a list")
        target.extend(map(self.kept, values))

    def update(self, values: list) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise BatchPickleError("sets an item of something else than a dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) not in (bytes, str) or len(key) > MAX_KEY:
                raise BatchPickleError("has a key in a dict that is no short text")
            target[key] = self.kept(value)

    def new_list(self) -> None:
        values = self.pop_to_mark()
        self.push([])
        self.extend(values)

    def new_dict(self) -> None:
        values = self.pop_to_mark()
        self.push({})
        self.update(values)

    def new_tuple(self, size: int) -> None:
        values = [self.pop() for _ in range(size)]
        self.push(tuple(values[::-1]))

    # Functions

    def push_function(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise BatchPickleError("asks for a function whose name is no text; refused")
        full_name = f"{module}.{name}"
        # NumPy 2 calls its package `core` `_core`.
        function = FUNCTIONS.get(full_name.replace("numpy._core.", "numpy.core.", 1))
        if function is None:
            raise BatchPickleError(f"asks for {quoted(full_name)}; refused")
        self.push(function)

    def push_function_of_lines(self) -> None:
        module, name = self.short_line(), self.short_line()
        self.push_function(module.decode("latin-1"), name.decode("latin-1"))

    def push_function_of_stack(self) -> None:
        name, module = self.pop(), self.pop()
        self.push_function(module, name)

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if type(function) is not Function or type(arguments) is not tuple:
            raise BatchPickleError("calls something else than a function; refused")
        self.push(self.encoded(arguments) if function is ENCODE else function.result(arguments))

    def build(self) -> None:
        state, target = self.pop(), self.stack[-1]
        if type(target) not in (Array, IntegerType) or type(state) is not tuple:
            raise BatchPickleError("sets attributes; refused")
        target.build(state)

    # Headers

    def protocol(self) -> None:
        version = self.unsigned(1)
        if version > MAX_PROTOCOL:
            raise BatchPickleError(f"is of the unknown pickle protocol {version}")

    def frame(self) -> None:
        if self.unsigned(8) > len(self.content) - self.position:
            raise BatchPickleError("ends too early")


_UNSET = object()

# By the names in Python's pickletools.py.
OPCODES: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.protocol,  # PROTO
    b"\x95": _Machine.frame,  # FRAME
    b".": _Machine.stop,  # STOP
    b"(": _Machine.mark,  # MARK
    # memo
    b"q": lambda machine: machine.put(machine.unsigned(1)),  # BINPUT
    b"r": lambda machine: machine.put(machine.unsigned(4)),  # LONG_BINPUT
    b"p": lambda machine: machine.put(int(machine.short_line(rb"[0-9]{1,10}"))),  # PUT
    b"\x94": lambda machine: machine.put(len(machine.memo)),  # MEMOIZE
    b"h": lambda machine: machine.get(machine.unsigned(1)),  # BINGET
    b"j": lambda machine: machine.get(machine.unsigned(4)),  # LONG_BINGET
    b"g": lambda machine: machine.get(int(machine.short_line(rb"[0-9]{1,10}"))),  # GET
    # integers
    b"K": lambda machine: machine.push(machine.unsigned(1)),  # BININT1
    b"M": lambda machine: machine.push(machine.unsigned(2)),  # BININT2
    b"J": lambda machine: machine.push(machine.signed(4)),  # BININT
    b"\x8a": lambda machine: machine.push_integer(machine.unsigned(1)),  # LONG1
    b"\x8b": lambda machine: machine.push_integer(machine.signed(4)),  # LONG4
    b"I": _Machine.push_decimal,  # INT
    b"L": _Machine.push_decimal,  # LONG
    # other constants
    b"N": lambda machine: machine.push(None),  # NONE
    b"\x88": lambda machine: machine.push(True),  # NEWTRUE
    b"\x89": lambda machine: machine.push(False),  # NEWFALSE
    b"G": lambda machine: machine.push(struct.unpack(">d", machine.take(8))[0]),  # BINFLOAT
    b"F": lambda machine: machine.push(float(machine.short_line(rb"[-+.0-9a-z]{1,40}"))),  # FLOAT
    # bytes
    b"S": _Machine.push_quoted_bytes,  # STRING
    b"U": lambda machine: machine.push_bytes(machine.unsigned(1)),  # SHORT_BINSTRING
    b"T": lambda machine: machine.push_bytes(machine.signed(4)),  # BINSTRING
    b"C": lambda machine: machine.push_bytes(machine.unsigned(1)),  # SHORT_BINBYTES
    b"B": lambda machine: machine.push_bytes(machine.unsigned(4)),  # BINBYTES
    b"\x8e": lambda machine: machine.push_bytes(machine.unsigned(8)),  # BINBYTES8
    b"\x96": lambda machine: machine.push_bytes(machine.unsigned(8)),  # BYTEARRAY8
    # texts
    b"V": lambda machine: machine.push_text(*machine.skip_line(), "raw-unicode-escape"),  # UNICODE
    b"\x8c": lambda machine: machine.push_utf8(machine.unsigned(1)),  # SHORT_BINUNICODE
    b"X": lambda machine: machine.push_utf8(machine.unsigned(4)),  # BINUNICODE
    b"\x8d": lambda machine: machine.push_utf8(machine.unsigned(8)),  # BINUNICODE8
    # containers
    b"]": lambda machine: machine.push([]),  # EMPTY_LIST
    b"l": _Machine.new_list,  # LIST
    b"a": lambda machine: machine.extend([machine.pop()]),  # APPEND
    b"e": lambda machine: machine.extend(machine.pop_to_mark()),  # APPENDS
    b"}": lambda machine: machine.push({}),  # EMPTY_DICT
    b"d": _Machine.new_dict,  # DICT
    b"s": lambda machine: machine.update([machine.pop(), machine.pop()][::-1]),  # SETITEM
    b"u": lambda machine: machine.update(machine.pop_to_mark()),  # SETITEMS
    b")": lambda machine: machine.push(()),  # EMPTY_TUPLE
    b"t": lambda machine: machine.push(tuple(machine.pop_to_mark())),  # TUPLE
    b"\x85": lambda machine: machine.new_tuple(1),  # TUPLE1
    b"\x86": lambda machine: machine.new_tuple(2),  # TUPLE2
    b"\x87": lambda machine: machine.new_tuple(3),  # TUPLE3
    # functions and their state
    b"c": _Machine.push_function_of_lines,  # GLOBAL
    b"\x93": _Machine.push_function_of_stack,  # STACK_GLOBAL
    b"R": _Machine.call,  # REDUCE
    b"b": _Machine.build,  # BUILD
}
