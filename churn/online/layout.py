"""The file of a customer snapshot, which servers map into memory: no parsing, and one copy for all processes.

    magic (8 bytes) | SHA-256 of all that follows (32) | length of the header (8) | header, JSON in UTF-8
    tokens: the 16 bytes of each customer's token, ascending
    numbers: one row a customer of float32, NaN for unknown
    codes: one column a category of unsigned integers, 0 for unknown, n for the n-th value of its dictionary

Integers are little-endian, and every section begins at a multiple of 64. Numbers stand row by row because a request
wants all of a few customers. Equal contents make equal files: nothing in one says when it was written.
"""

import hashlib
import json
import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from churn.errors import ChurnError

SUFFIX: Final = ".customers"
TOKEN_BYTES: Final = 16
TOKEN_PREFIX: Final = "cus_"
MAGIC: Final = b"CHURNCU1"
WIDTHS: Final[Mapping[int, type[np.unsignedinteger[Any]]]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}
_PREAMBLE: Final = struct.Struct("<8s32sQ")
_DIGESTED_FROM: Final = 40
_ALIGNED: Final = 64
_LONGEST_HEADER: Final = 64 * 2**20

Token = np.dtype(f"S{TOKEN_BYTES}")


class SnapshotInvalid(ChurnError):
    """A customer snapshot is missing, incomplete, altered, or not what a model needs."""


@dataclass(frozen=True)
class TextColumn:
    """A category: its dictionary, and the bytes of one code."""

    name: str
    width: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """What a snapshot is and how its rows are laid out.

    Attributes:
        version: of the feature table.
        features_digest: SHA-256 of the rows of all its cutoffs.
        cutoff: UTC midnight that the features look back from.
        rows: customers.
        numbers: numeric features in the order of a row.
        texts: the categorical ones.
    """

    version: int
    features_digest: str
    cutoff: datetime
    rows: int
    numbers: tuple[str, ...]
    texts: tuple[TextColumn, ...]

    def encoded(self) -> bytes:
        """Return the header as it stands in the file."""
        document = {
            "version": self.version,
            "features_digest": self.features_digest,
            "cutoff": f"{self.cutoff:%Y-%m-%d}",
            "rows": self.rows,
            "numbers": self.numbers,
            "texts": [{"name": text.name, "width": text.width, "values": text.values} for text in self.texts],
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Snapshot:
    """An open snapshot; its arrays lie in the file, which stays mapped as long as one of them is held.

    Attributes:
        digest: SHA-256 of the file, as the pointer has it.
        tokens: ascending.
        numbers: customers × numeric features.
        codes: for each categorical feature, one code a customer.
    """

    digest: str
    header: Header
    tokens: NDArray[np.bytes_]
    numbers: NDArray[np.float32]
    codes: tuple[NDArray[np.unsignedinteger[Any]], ...]

    def find(self, tokens: NDArray[np.bytes_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the row of each token, and whether it is there; the row of one that is not means nothing."""
        if not len(self.tokens):
            return np.zeros(len(tokens), dtype=np.intp), np.zeros(len(tokens), dtype=np.bool_)
        rows = np.minimum(np.searchsorted(self.tokens, tokens), len(self.tokens) - 1)
        return rows, self.tokens[rows] == tokens


def write_snapshot(
    path: Path,
    header: Header,
    tokens: NDArray[np.bytes_],
    numbers: NDArray[np.float32],
    codes: Sequence[NDArray[np.unsignedinteger[Any]]],
) -> str:
    """Write a whole file and return its digest; the caller puts it in its place."""
    encoded = header.encoded()
    digest = hashlib.sha256()
    with path.open("wb") as file:

        def put(content: bytes | memoryview) -> None:
            digest.update(content)
            file.write(content)

        file.write(MAGIC + bytes(_DIGESTED_FROM - len(MAGIC)))
        put(struct.pack("<Q", len(encoded)) + encoded)
        for section in (tokens, numbers, *codes):
            put(bytes(-file.tell() % _ALIGNED))
            if section.size:
                put(np.ascontiguousarray(section).view(np.uint8).reshape(-1).data)
        file.seek(len(MAGIC))
        file.write(digest.digest())
    return digest.hexdigest()


def open_snapshot(path: Path, expected: str) -> Snapshot:
    """Map a file and check every byte of it against the digest that the pointer names.

    Raises:
        SnapshotInvalid: it is missing, or not what it must be.
    """
    mapped = _mapped(path)
    if len(mapped) < _PREAMBLE.size:
        raise SnapshotInvalid(f"{path}: holds no customer snapshot; publish it again (churn score)")
    magic, digest, size = _PREAMBLE.unpack_from(mapped)
    if magic != MAGIC:
        raise SnapshotInvalid(f"{path}: is of another format; publish it with this version of the program")
    with memoryview(mapped) as view, view[_DIGESTED_FROM:] as digested:
        found = hashlib.sha256(digested).digest()
    if found != digest or found.hex() != expected:
        raise SnapshotInvalid(f"{path}: altered or incomplete; publish it again (churn score)")
    try:
        header = _header(mapped[_PREAMBLE.size : _PREAMBLE.size + min(size, _LONGEST_HEADER)])
        return _laid_out(mapped, header, _PREAMBLE.size + size, expected)
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotInvalid(
            f"{path}: cannot be read ({type(error).__name__}); publish it with this version of the program"
        ) from None


def packed_tokens(tokens: Sequence[str]) -> NDArray[np.bytes_]:
    """Return well-formed tokens as the file has them."""
    start = len(TOKEN_PREFIX)
    return np.frombuffer(bytes.fromhex("".join([token[start:] for token in tokens])), dtype=Token)


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        reason = getattr(error, "strerror", None) or "it is empty"
        raise SnapshotInvalid(f"{path}: cannot be mapped ({reason}); publish it again (churn score)") from None


def _header(encoded: bytes) -> Header:
    document: Mapping[str, Any] = json.loads(encoded)
    return Header(
        version=int(document["version"]),
        features_digest=str(document["features_digest"]),
        cutoff=datetime.strptime(document["cutoff"], "%Y-%m-%d").replace(tzinfo=UTC),
        rows=int(document["rows"]),
        numbers=tuple(document["numbers"]),
        texts=tuple(TextColumn(one["name"], int(one["width"]), tuple(one["values"])) for one in document["texts"]),
    )


def _laid_out(mapped: mmap.mmap, header: Header, at: int, digest: str) -> Snapshot:
    def section(kind: Any, count: int) -> NDArray[Any]:  # noqa: ANN401 - whatever numpy takes for a type
        nonlocal at
        at += -at % _ALIGNED
        array = np.frombuffer(mapped, dtype=kind, count=count, offset=at) if count else np.empty(0, dtype=kind)
        at += array.nbytes
        return array

    rows, width = header.rows, len(header.numbers)
    tokens = section(Token, rows)
    numbers = section(np.dtype("<f4"), rows * width).reshape(rows, width)
    codes = tuple(section(np.dtype(WIDTHS[text.width]).newbyteorder("<"), rows) for text in header.texts)
    if at != len(mapped):
        raise ValueError
    return Snapshot(digest, header, tokens, numbers, codes)
