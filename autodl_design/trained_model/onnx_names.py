"""Mends an ONNX file of paddle2onnx: names of the output and the classes, no constants that nobody reads.

content = with_names(content, output="probabilities", metadata={"classes": "cat,dog"})

An ONNX file is a message of Protocol Buffers, a sequence of numbered fields, some of which are messages
again (https://onnx.ai/onnx/repo-docs/IR.html). The package onnx, which could edit it, contradicts PARL's
protobuf; so the few fields that matter are taken apart here.
"""

from collections.abc import Iterator

# Numbers of fields, by onnx.proto3.
MODEL_GRAPH, MODEL_METADATA = 7, 14
GRAPH_NODE, GRAPH_OUTPUT, GRAPH_VALUE = 1, 12, 13
NODE_INPUT, NODE_OUTPUT, VALUE_NAME = 1, 2, 1
ENTRY_KEY, ENTRY_VALUE = 1, 2
_VARINT, _EIGHT_BYTES, _TEXT, _FOUR_BYTES = 0, 1, 2, 5  # wire types


def with_names(model: bytes, output: str, metadata: dict[str, str]) -> bytes:
    """The model, whose only output is called `output`, with the metadata added, and without constants that
    no node reads, of which ONNX Runtime would warn."""
    (graph,) = _texts(model, MODEL_GRAPH)
    (old,) = (name for value in _texts(graph, GRAPH_OUTPUT) for name in _texts(value, VALUE_NAME))
    names = {old: output.encode()}
    read = {name for node in _texts(graph, GRAPH_NODE) for name in _texts(node, NODE_INPUT)}
    parts = []
    for number, content, raw in _fields(graph):
        if number == GRAPH_NODE and not {old, *read} & set(_texts(content, NODE_OUTPUT)):
            continue
        if number == GRAPH_NODE:
            raw = _field(number, _renamed(content, (NODE_INPUT, NODE_OUTPUT), names))
        elif number in (GRAPH_OUTPUT, GRAPH_VALUE):
            raw = _field(number, _renamed(content, (VALUE_NAME,), names))
        parts.append(raw)
    graph = b"".join(parts)
    result = [
        _field(MODEL_GRAPH, graph) if number == MODEL_GRAPH else raw for number, _, raw in _fields(model)
    ]
    for key, value in metadata.items():
        entry = _field(ENTRY_KEY, key.encode()) + _field(ENTRY_VALUE, value.encode())
        result.append(_field(MODEL_METADATA, entry))
    return b"".join(result)


def _texts(message: bytes, number: int) -> list[bytes]:
    """The contents of all fields of this number."""
    return [content for found, content, _ in _fields(message) if found == number]


def _renamed(message: bytes, numbers: tuple[int, ...], names: dict[bytes, bytes]) -> bytes:
    """The message with the texts of these fields replaced, where they are among the names."""
    return b"".join(
        _field(number, names[content]) if number in numbers and content in names else raw
        for number, content, raw in _fields(message)
    )


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Of each field its number, its content (empty where it is a number) and all of its bytes."""
    place = 0
    while place < len(message):
        start, content = place, b""
        key, place = _varint(message, place)
        if (kind := key & 7) == _TEXT:
            length, place = _varint(message, place)
            content = message[place : place + length]
            place += length
        elif kind == _VARINT:
            _, place = _varint(message, place)
        else:
            place += {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}[kind]
        yield key >> 3, content, message[start:place]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _field(number: int, content: bytes) -> bytes:
    return _packed(number << 3 | _TEXT) + _packed(len(content)) + content


def _packed(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
