"""Rows of the prediction log, collected as the columns that `churn/contracts/predictions.yaml` names."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seldon.serving.answer import Identity
from seldon.serving.model import Numbers, Texts
from seldon.serving.parquet import Column, Kind, text, write_parquet

_FEATURES: Final = "features"
_MICROSECONDS: Final = 1_000_000
_TOGETHER, _FEW = 32, 8


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
    scores: Sequence[float]
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


@dataclass(slots=True)
class Records:
    """What becomes one object.

    Entries are taken in as they come and kept as bytes and arrays, which weigh a third of what the requests do; the
    file is made of them at once. Features are there with the 32 bits that the model saw, null where unknown.

    Attributes:
        started: seconds since 1970.
    """

    identity: Identity
    features: Features
    started: float
    rows: int = 0
    _texts: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _arrays: defaultdict[str, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))
    _numbers: list[NDArray[np.float32]] = field(default_factory=list)
    _known: defaultdict[str, list[NDArray[np.bool_]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entries: Sequence[Entry]) -> None:
        """Take entries in."""
        counts = [count for entry in entries for count in entry.counts]
        ids = [name.encode() for entry in entries for name in entry.ids]
        track = self.identity.track.encode()
        self._texts["event_id"] += [_event_ids(b"%b-%b-" % (i, track), n) for i, n in zip(ids, counts, strict=True)]
        self._texts["request_id"] += [text(i) * n for i, n in zip(ids, counts, strict=True)]
        customers = [customer for entry in entries for customer in entry.customers]
        whom = [_customers(customer, n) for customer, n in zip(customers, counts, strict=True)]
        self._texts["customer_id"] += whom
        self._known["customer_id"].append(np.repeat(np.array([who != b"" for who in whom]), counts))
        times = np.array([round(entry.at * _MICROSECONDS) for entry in entries])
        latencies = np.array([latency for entry in entries for latency in entry.latencies])
        self._arrays["event_time"].append(np.repeat(times, [len(entry.scores) for entry in entries]))
        self._arrays["latency_ms"].append(np.repeat(latencies, counts))
        firsts = np.cumsum(counts) - counts
        self._arrays["row"].append(np.arange(sum(counts)) - np.repeat(firsts, counts))
        self._arrays["score"].append(np.array([score for entry in entries for score in entry.scores]))
        self._arrays["contacted"].append(np.array([choice for entry in entries for choice in entry.contacted]))
        self._numbers.append(np.concatenate([entry.numbers for entry in entries]))
        codes = np.concatenate([entry.texts for entry in entries])
        missing = self.features.missing
        encoded = {code: text(code.encode()) for code in set(codes.ravel().tolist())} | {missing: b""}
        for name, column in zip(self.features.texts, codes.T, strict=True):
            self._texts[f"{_FEATURES}.{name}"].append(b"".join([encoded[code] for code in column.tolist()]))
            self._known[f"{_FEATURES}.{name}"].append(column != missing)
        self.rows += sum(counts)

    def to_parquet(self, meanwhile: Callable[[], None] = lambda: None) -> bytes:
        """Return the object's content; `meanwhile` is called every few columns, for what else there is to do."""

        def attentive() -> Iterator[Column]:
            for at, column in enumerate(self._columns()):
                if at % _FEW == 0:
                    meanwhile()
                yield column

        return write_parquet(attentive(), self.rows)

    def _columns(self) -> Iterator[Column]:
        yield from self._about_requests()
        for first in range(0, len(self.features.numbers), _TOGETHER):
            yield from self._about_numbers(first, self.features.numbers[first : first + _TOGETHER])
        for name in self.features.texts:
            path = f"{_FEATURES}.{name}"
            known = np.concatenate(self._known[path])
            yield Column((_FEATURES, name), "text", b"".join(self._texts[path]), known)

    def _about_requests(self) -> list[Column]:
        identity = self.identity
        fixed = {
            "deployment": identity.deployment,
            "track": identity.track,
            "model_version": identity.version,
            "bundle_digest": identity.digest,
        }
        kinds: dict[str, Kind] = {
            "row": "integer",
            "event_time": "moment",
            "score": "double",
            "contacted": "flag",
            "latency_ms": "double",
        }
        known = np.concatenate(self._known["customer_id"])
        return [
            *(Column((name,), "text", b"".join(self._texts[name])) for name in ("event_id", "request_id")),
            Column(("customer_id",), "text", b"".join(self._texts["customer_id"]), known),
            *(Column((name,), "text", text(value.encode()) * self.rows) for name, value in fixed.items()),
            *(Column((name,), kind, np.concatenate(self._arrays[name])) for name, kind in kinds.items()),
        ]

    def _about_numbers(self, first: int, names: Sequence[str]) -> list[Column]:
        """Lay some columns out at once: after each larger step of numpy a busy server may keep the thread waiting."""
        some = np.concatenate([matrix[:, first : first + len(names)] for matrix in self._numbers])
        values = np.ascontiguousarray(some.T)
        known = ~np.isnan(values)
        ends = np.cumsum(np.count_nonzero(known, axis=1))
        parts = np.split(values[known], ends[:-1])
        return [
            Column((_FEATURES, name), "float", part, which)
            for name, part, which in zip(names, parts, known, strict=True)
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
