"""Rows of the prediction log, collected as the columns that `churn/contracts/predictions.yaml` names."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np

from seldon.serving.answer import Identity
from seldon.serving.model import Numbers, Scores, Texts
from seldon.serving.parquet import Column, text, texts, write_parquet

_FEATURES: Final = "features"
_MICROSECONDS: Final = 1_000_000
_TOGETHER: Final = 32
_BLOCK: Final = 2**20
"""Bytes of a column in one piece, or a little more; to let a larger one grow takes the event loop milliseconds."""
_CODES: Final = 4096
"""Categories whose bytes are remembered; there are few of them."""


class Entry(NamedTuple):
    """Requests that were scored together.

    Attributes:
        ids: of the requests.
        customers: whom each is about: the token that its header names, those of its rows, or nobody.
        counts: rows of each.
        latencies: of each, in milliseconds.
        at: when, in seconds since 1970.
        numbers: features of all rows, NaN for unknown.
        texts: the same, `missing` for unknown.
        scores: of all rows.
        contacted: whether they reach the threshold.
    """

    ids: Sequence[str]
    customers: Sequence[str | Sequence[str] | None]
    counts: Sequence[int]
    latencies: Sequence[float]
    at: float
    numbers: Numbers
    texts: Texts
    scores: Scores
    contacted: Sequence[bool]

    def first(self, rows: int) -> "Entry":
        """Return the first requests, as many as have no more rows than these together."""
        taken = sum(1 for end in accumulate(self.counts) if end <= rows)
        end = sum(self.counts[:taken])
        return Entry(
            self.ids[:taken],
            self.customers[:taken],
            self.counts[:taken],
            self.latencies[:taken],
            self.at,
            self.numbers[:end],
            self.texts[:end],
            self.scores[:end],
            self.contacted[:end],
        )


@dataclass(frozen=True)
class Features:
    """Names of the model's numbers and texts, in the order of the matrices that a request becomes.

    Attributes:
        missing: stands for an unknown text.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    missing: str


class _Pieces(list[bytearray]):
    """A column that grows."""

    def __init__(self) -> None:
        super().__init__([bytearray()])

    def add(self, content: bytes) -> None:
        if len(self[-1]) > _BLOCK:
            self.append(bytearray())
        self[-1] += content


class Records:
    """What becomes one object.

    Entries are taken in as they come, as the bytes of its columns, which weigh a third of what the requests do; what
    an entry was made of is free again at once. Features are there with the 32 bits that the model saw, null where
    unknown.

    Attributes:
        started: seconds since 1970.
        rows: taken in so far.
    """

    def __init__(self, identity: Identity, features: Features, started: float) -> None:
        """Begin without any."""
        self.started, self.rows = started, 0
        self._identity, self._features = identity, features
        self._before_row = b"-%b-" % identity.track.encode()
        self._only_row = self._before_row + b"0"
        self._texts = {name: _Pieces() for name in ("event_id", "request_id", "customer_id")}
        # A value for each request, for each entry, and for each row.
        self._counts, self._latencies, self._about_somebody = array("q"), array("d"), bytearray()
        self._moments, self._sizes = array("q"), array("q")
        self._scores, self._contacted, self._numbers = bytearray(), bytearray(), _Pieces()
        self._categories = [_Pieces() for _ in features.texts]
        self._given = [bytearray() for _ in features.texts]
        self._encoded = {features.missing: b""}

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        ids = [name.encode() for name in entry.ids]
        if len(entry.scores) == len(ids):
            self._texts["event_id"].add(texts([i + self._only_row for i in ids]))
            self._texts["request_id"].add(texts(ids))
        else:
            each = [*zip(ids, entry.counts, strict=True)]
            self._texts["event_id"].add(b"".join([_event_ids(i + self._before_row, n) for i, n in each]))
            self._texts["request_id"].add(b"".join([text(i) * n for i, n in each]))
        about_somebody = bytes([customer is not None for customer in entry.customers])
        if any(about_somebody):
            each_customer = zip(entry.customers, entry.counts, strict=True)
            self._texts["customer_id"].add(b"".join([_customers(customer, n) for customer, n in each_customer]))
        self._about_somebody += about_somebody
        self._counts.extend(entry.counts)
        self._latencies.extend(entry.latencies)
        self._moments.append(round(entry.at * _MICROSECONDS))
        self._sizes.append(len(entry.scores))
        self._scores += entry.scores.tobytes()
        self._contacted += bytes(entry.contacted)
        self._numbers.add(entry.numbers.tobytes())
        for codes, column, known in zip(entry.texts.T.tolist(), self._categories, self._given, strict=True):
            encoded = [self._encoded[code] if code in self._encoded else self._encode(code) for code in codes]
            column.add(b"".join(encoded))
            known += bytes([code != b"" for code in encoded])
        self.rows += len(entry.scores)

    def to_parquet(self) -> bytes:
        """Return the object's content."""
        return write_parquet(self._columns(), self.rows)

    def _encode(self, code: str) -> bytes:
        encoded = text(code.encode())
        if len(self._encoded) < _CODES:
            self._encoded[code] = encoded
        return encoded

    def _columns(self) -> Iterator[Column]:
        yield from self._about_requests()
        width = len(self._features.numbers)
        for first in range(0, width, _TOGETHER):
            end = first + _TOGETHER
            blocks = [np.frombuffer(block, np.float32).reshape(-1, width)[:, first:end] for block in self._numbers]
            yield from _about_numbers(self._features.numbers[first:end], np.concatenate(blocks))
        for name, column, given in zip(self._features.texts, self._categories, self._given, strict=True):
            yield Column((_FEATURES, name), "text", b"".join(column), np.frombuffer(given, np.bool_))

    def _about_requests(self) -> Iterator[Column]:
        identity, counts = self._identity, np.frombuffer(self._counts, np.int64)
        about_somebody = np.repeat(np.frombuffer(self._about_somebody, np.bool_), counts)
        for name, content in self._texts.items():
            yield Column((name,), "text", b"".join(content), about_somebody if name == "customer_id" else None)
        same = {
            "deployment": identity.deployment,
            "track": identity.track,
            "model_version": identity.version,
            "bundle_digest": identity.digest,
        }
        for name, value in same.items():
            yield Column((name,), "text", text(value.encode()) * self.rows)
        yield Column(("row",), "integer", np.arange(self.rows) - np.repeat(np.cumsum(counts) - counts, counts))
        yield Column(("event_time",), "moment", np.repeat(self._moments, self._sizes))
        yield Column(("score",), "double", np.frombuffer(self._scores))
        yield Column(("contacted",), "flag", np.frombuffer(self._contacted, np.bool_))
        yield Column(("latency_ms",), "double", np.repeat(self._latencies, counts))


def _about_numbers(names: Sequence[str], values: Numbers) -> list[Column]:
    """Lay some columns out at once: after each larger step of NumPy a busy server may keep the thread waiting."""
    columns = np.ascontiguousarray(values.T)
    known = ~np.isnan(columns)
    ends = np.cumsum(np.count_nonzero(known, axis=1))
    parts = np.split(columns[known], ends[:-1])
    return [
        Column((_FEATURES, name), "float", part, which) for name, part, which in zip(names, parts, known, strict=True)
    ]


def _customers(asked: str | Sequence[str] | None, rows: int) -> bytes:
    """Return whom each row is about, if anybody."""
    if asked is None:
        return b""
    if isinstance(asked, str):
        return text(asked.encode()) * rows
    return b"".join([text(token.encode()) for token in asked])


def _event_ids(begin: bytes, rows: int) -> bytes:
    """Return a text for each row, its number at the end: those of as many digits share what stands before them."""
    if rows == 1:
        return text(begin + b"0")
    parts, first, digits = [], 0, 1
    while first < rows:
        end = min(rows, 10**digits)
        head = (len(begin) + digits).to_bytes(4, "little") + begin
        parts.append(head.join([b"", *[b"%d" % row for row in range(first, end)]]))
        first, digits = end, digits + 1
    return b"".join(parts)
