"""Parquet, as much of it as the prediction log needs: one row group, flat columns and groups of them, gzip.

The serving environment has no Arrow, whose memory alone would double the server. What is written is the plain form of
https://parquet.apache.org/docs/file-format/: a page a column, values one after the other, and a footer in Thrift's
compact protocol that says where they are. Compression and the larger copies leave Python to the other threads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from seldon.serving.varint import varint

Kind = Literal["text", "float", "double", "integer", "moment", "flag"]

_MAGIC: Final = b"PAR1"
_PHYSICAL: Final[Mapping[Kind, int]] = {"flag": 0, "integer": 2, "moment": 2, "float": 4, "double": 5, "text": 6}
_UTF8, _TIMESTAMP_MICROS = 0, 10
_DTYPE: Final[Mapping[Kind, str]] = {"integer": "<i8", "moment": "<i8", "float": "<f4", "double": "<f8"}
_PLAIN, _RLE, _GZIP = 0, 3, 2
_ZLIB_GZIP: Final = 31
_LEVEL: Final = 1
_SHORT: Final = 256
_SIZES: Final = [size.to_bytes(4, "little") for size in range(_SHORT)]
_TRUE, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 5, 6, 8, 9, 12


@dataclass(frozen=True)
class Column:
    """A column and its values.

    Attributes:
        path: its name, after the names of the groups that it is in.
        kind: a `moment` is in microseconds since 1970, UTC.
        values: numbers or booleans as an array; texts each with its length before it, see `text`, in one piece.
        known: which values there are, where some are null; `values` holds only those. None: all of them.
    """

    path: tuple[str, ...]
    kind: Kind
    values: "NDArray[Any] | bytes"
    known: NDArray[np.bool_] | None = None


def text(value: bytes) -> bytes:
    """Return a text as a column holds it."""
    return len(value).to_bytes(4, "little") + value


def texts(values: Sequence[bytes]) -> bytes:
    """Return texts as a column holds them."""
    return b"".join([_SIZES[len(value)] + value if len(value) < _SHORT else text(value) for value in values])


def write_parquet(columns: Iterable[Column], rows: int) -> bytes:
    """Return a file of columns that have as many rows, none of which is kept once it is compressed."""
    parts, at, raw_total = [_MAGIC], len(_MAGIC), 0
    chunks: list[bytes] = []
    written: list[Column] = []
    for column in columns:
        raw = _page(column, rows)
        packed = isal_zlib.compress(raw, _LEVEL, _ZLIB_GZIP)
        page = _struct(_int(_I32, 1, rows), _int(_I32, 2, _PLAIN), _int(_I32, 3, _RLE), _int(_I32, 4, _RLE))
        header = _struct(_int(_I32, 1, 0), _int(_I32, 2, len(raw)), _int(_I32, 3, len(packed)), (_STRUCT, 5, page))
        parts += [header, packed]
        chunks.append(_chunk(column, rows, at, len(header) + len(raw), len(header) + len(packed)))
        at += len(header) + len(packed)
        raw_total += len(header) + len(raw)
        written.append(replace(column, values=b""))
    group = _struct((_LIST, 1, _list(_STRUCT, chunks)), _int(_I64, 2, raw_total), _int(_I64, 3, rows))
    footer = _struct(
        _int(_I32, 1, 1),
        (_LIST, 2, _list(_STRUCT, _schema(written))),
        _int(_I64, 3, rows),
        (_LIST, 4, _list(_STRUCT, [group])),
    )
    return b"".join([*parts, footer, len(footer).to_bytes(4, "little"), _MAGIC])


def _page(column: Column, rows: int) -> bytes:
    """Lay out which values there are, and the values."""
    values = column.values
    if isinstance(values, bytes):
        body = values
    elif column.kind == "flag":
        body = np.packbits(values, bitorder="little").tobytes()
    else:
        body = np.ascontiguousarray(values, dtype=_DTYPE[column.kind]).tobytes()
    if column.known is None:
        return body
    bits = np.packbits(column.known, bitorder="little").tobytes()
    levels = varint(len(bits) << 1 | 1) + bits
    return len(levels).to_bytes(4, "little") + levels + body


def _chunk(column: Column, rows: int, at: int, raw: int, packed: int) -> bytes:
    described = _struct(
        _int(_I32, 1, _PHYSICAL[column.kind]),
        (_LIST, 2, _list(_I32, [_zigzag(_PLAIN), _zigzag(_RLE)])),
        (_LIST, 3, _list(_BINARY, [_name(name) for name in column.path])),
        _int(_I32, 4, _GZIP),
        _int(_I64, 5, rows),
        _int(_I64, 6, raw),
        _int(_I64, 7, packed),
        _int(_I64, 9, at),
    )
    return _struct(_int(_I64, 2, at), (_STRUCT, 3, described))


def _schema(columns: Sequence[Column]) -> list[bytes]:
    """List the tree of columns from its root, each group before its members."""
    tree: dict[str, object] = {}
    for column in columns:
        group = tree
        for name in column.path[:-1]:
            group = group.setdefault(name, {})  # type: ignore[assignment]
        group[column.path[-1]] = column
    return _elements("schema", tree, root=True)


def _elements(name: str, node: object, *, root: bool = False) -> list[bytes]:
    if isinstance(node, Column):
        described = [
            _int(_I32, 1, _PHYSICAL[node.kind]),
            _int(_I32, 3, 0 if node.known is None else 1),
            (_BINARY, 4, _name(name)),
        ]
        if node.kind == "text":
            described += [_int(_I32, 6, _UTF8), (_STRUCT, 10, _struct((_STRUCT, 1, _struct())))]
        if node.kind == "moment":
            in_utc = _struct((_TRUE, 1, b""), (_STRUCT, 2, _struct((_STRUCT, 2, _struct()))))
            described += [_int(_I32, 6, _TIMESTAMP_MICROS), (_STRUCT, 10, _struct((_STRUCT, 8, in_utc)))]
        return [_struct(*described)]
    assert isinstance(node, dict)
    repetition = [] if root else [_int(_I32, 3, 0)]
    group = _struct(*repetition, (_BINARY, 4, _name(name)), _int(_I32, 5, len(node)))
    return [group, *(element for key, child in node.items() for element in _elements(key, child))]


_Field = tuple[int, int, bytes]
"""Type, number and content."""


def _struct(*fields: _Field) -> bytes:
    encoded, last = bytearray(), 0
    for kind, number, content in fields:
        encoded.append((number - last) << 4 | kind)
        encoded += content
        last = number
    return bytes(encoded) + b"\0"


def _int(kind: int, number: int, value: int) -> _Field:
    return kind, number, _zigzag(value)


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    size = len(items)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)
    return head + b"".join(items)


def _name(name: str) -> bytes:
    encoded = name.encode()
    return varint(len(encoded)) + encoded


def _zigzag(value: int) -> bytes:
    return varint(value << 1)
