"""An ONNX model that takes its columns as one matrix a type, instead of one by one.

A bundle's model has an input for every feature and joins them first of all. To hand over 88 arrays costs more than
scoring a row does (150 µs against 25), so the server takes those joins away and hands over their results. What the
joins do is move data, so no score changes; the golden rows are checked after it. The edit is made in protobuf's wire
format, because the serving environment has no `onnx`: a message is a list of (field, content), and only the graph's
nodes and inputs are looked into.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from seldon.serving.varint import varint

_GRAPH: Final = 7
_NODE, _INPUT = 1, 11
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE = 1, 2, 4
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TENSOR, _ELEMENT = 1, 1


@dataclass(frozen=True)
class Block:
    """An input of the model and the columns it takes, in their order."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Fused:
    """A model and its inputs."""

    model: bytes
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class _Field:
    number: int
    raw: bytes
    content: bytes


def fuse(model: bytes) -> Fused:
    """Take away the nodes that only join inputs; a model without any comes back as it is."""
    fields = list(_fields(model))
    graph = list(_fields(next(field.content for field in fields if field.number == _GRAPH)))
    inputs = {_content(field.content, _VALUE_NAME).decode(): field for field in graph if field.number == _INPUT}
    blocks: dict[str, Block] = {name: Block(name, (name,)) for name in inputs}
    kept: list[bytes] = []
    for field in graph:
        joined = _joined(field, blocks) if field.number == _NODE else None
        if joined is None:
            if field.number != _INPUT:
                kept.append(field.raw)
            continue
        for name in joined.columns:
            del blocks[name]
        blocks[joined.name] = joined
    declared = [
        inputs[block.name].raw
        if block.name in inputs
        else _message(_INPUT, _matrix(block, _element(inputs[block.columns[0]].content)))
        for block in blocks.values()
    ]
    body = _message(_GRAPH, b"".join([*kept, *declared]))
    others = b"".join(body if field.number == _GRAPH else field.raw for field in fields)
    return Fused(others, tuple(blocks.values()))


def _joined(node: _Field, free: dict[str, Block]) -> Block | None:
    """Return what a node makes if all it does is join inputs that nothing took before."""
    parts = list(_fields(node.content))
    names = [part.content.decode() for part in parts if part.number == _NODE_INPUT]
    kind = next((part.content for part in parts if part.number == _NODE_TYPE), b"")
    plain = all(name in free and free[name].columns == (name,) for name in names)
    if kind != b"Concat" or not names or not plain or len(set(names)) != len(names):
        return None
    return Block(next(part.content.decode() for part in parts if part.number == _NODE_OUTPUT), tuple(names))


def _element(value: bytes) -> int:
    """Return the number of the element type of a tensor."""
    tensor = _content(_content(value, _VALUE_TYPE), _TENSOR)
    return int.from_bytes(_content(tensor, _ELEMENT), "little")


def _matrix(block: Block, element: int) -> bytes:
    """Declare a matrix of any number of rows."""
    rows, columns = _message(1, b""), _message(1, b"\x08" + varint(len(block.columns)))
    tensor = b"\x08" + varint(element) + _message(2, rows + columns)
    return _message(_VALUE_NAME, block.name.encode()) + _message(_VALUE_TYPE, _message(_TENSOR, tensor))


def _fields(message: bytes) -> Iterator[_Field]:
    """Cut a message into its fields, by their wire types: a varint, eight bytes, a length and bytes, four bytes."""
    at = 0
    while at < len(message):
        start = at
        tag, first = _read_varint(message, at)
        match tag & 7:
            case 0:
                _, at = _read_varint(message, first)
            case 1:
                at = first + 8
            case 2:
                size, first = _read_varint(message, first)
                at = first + size
            case 5:
                at = first + 4
            case other:
                raise ValueError(f"wire type {other} is not in use")
        yield _Field(tag >> 3, message[start:at], message[first:at])


def _content(message: bytes, number: int) -> bytes:
    return next(field.content for field in _fields(message) if field.number == number)


def _message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def columns_of(blocks: Sequence[Block]) -> tuple[str, ...]:
    """Return the columns of several inputs, one after the other."""
    return tuple(name for block in blocks for name in block.columns)
