"""Customers by their tokens: their features come from the newest snapshot that fits the model.

A thread looks for a new one and opens it; a request takes whichever is there and keeps it until it is answered. A file
that is damaged, or made of other features, is counted and never served: what was served before stays, as long as its
age allows.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from churn.online.layout import Snapshot, SnapshotInvalid, open_snapshot, packed_tokens
from churn.online.pointer import POINTER, read_pointer
from seldon.serving.columns import Columns, Rows
from seldon.serving.faults import Fault, bad_data
from seldon.serving.model import Model

if TYPE_CHECKING:  # the stock microservice, which reads the same options, has an older prometheus_client
    from seldon.serving.metrics import Metrics

WhenStale = Literal["refuse", "warn"]

FIELD: Final = "jsonData.customers"
_TOKEN: Final = re.compile(r"cus_[0-9a-f]{32}", re.ASCII)
_SHOWN: Final = 5
_AGAIN: Final = 60.0
"""Seconds after which a snapshot that could not be taken is tried again: its disk may have been away."""


@dataclass(frozen=True)
class Staleness:
    """How old a snapshot may be, counted from the midnight that its features look back from.

    Attributes:
        hours: none: any age.
        when: what an older one brings, a refusal or a warning among the tags.
    """

    hours: float | None = None
    when: WhenStale = "refuse"


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A snapshot with where its columns go for this model."""

    snapshot: Snapshot
    place: NDArray[np.intp] | None
    texts: tuple[tuple[int, NDArray[np.object_]], ...]


class Customers:
    """The snapshots of a folder, for one model."""

    def __init__(
        self,
        folder: Path,
        model: Model,
        columns: Columns,
        metrics: "Metrics",
        staleness: Staleness,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open what is there now.

        Args:
            folder: where snapshots are published; it may not exist yet.
            model: whose features are wanted.
            columns: counts rows.
            metrics: counts refused snapshots and unknown customers.
            staleness: limit of age.
            clock: seconds since 1970.
        """
        self._folder, self._model, self._columns, self._metrics = folder, model, columns, metrics
        self._staleness, self._clock = staleness, clock
        self._fitted: _Fitted | None = None
        self._fault = ""
        self._seen: tuple[int, ...] | None = None
        self._tried = 0.0
        metrics.watch_customers(self.age_hours, lambda: self.count)
        self.look()

    def watch(self, seconds: float) -> None:
        """Look for a new snapshot every so often, in a thread of its own."""
        threading.Thread(target=self._watch, args=(seconds,), name="customers", daemon=True).start()

    @property
    def count(self) -> int:
        """Customers that are known."""
        return self._fitted.snapshot.header.rows if self._fitted is not None else 0

    def age_hours(self) -> float:
        """Return the age of what is served; NaN while nothing is."""
        return _age_hours(self._fitted.snapshot, self._clock()) if self._fitted is not None else float("nan")

    def look(self) -> None:
        """Take the snapshot that the pointer names, if it is another one than before and fits."""
        try:
            stamp, now = self._stamp(), self._clock()
            if stamp == self._seen and not (self._fault and now - self._tried > _AGAIN):
                return
            self._seen, self._tried, self._fault = stamp, now, ""
            pointed = read_pointer(self._folder)
            if pointed is None:
                self._fault = "none was published yet"
            elif self._fitted is None or self._fitted.snapshot.digest != pointed[1]:
                self._fitted = self._fit(open_snapshot(*pointed))
        except SnapshotInvalid as error:
            # What the error says names folders of this machine, which callers have no business with.
            self._fault = error.args[1] if len(error.args) > 1 else "the newest one is damaged"
            self._metrics.snapshots_refused.inc()

    def rows(self, tokens: object) -> Rows:
        """Return the features of customers, in the order that they are asked for.

        Raises:
            Fault: some token is none or is unknown, or there is no snapshot that may be answered from.
        """
        if not isinstance(tokens, list):
            raise bad_data(f"{FIELD}: must be a list of customers' tokens")
        self._columns.check_count(len(tokens), FIELD)
        _check(tokens)
        fitted = self._fitted
        if fitted is None:
            raise Fault(503, "NO_SNAPSHOT", f"{FIELD}: there is no customer snapshot: {self._fault}", retried=False)
        tags = self._tags(fitted.snapshot)
        found, known = fitted.snapshot.find(packed_tokens(tokens))
        if not known.all():
            raise self._unknown(tokens, known, tags)
        numbers = fitted.snapshot.numbers[found]
        columns = [dictionary[fitted.snapshot.codes[column][found]].tolist() for column, dictionary in fitted.texts]
        return Rows(
            len(tokens),
            (numbers if fitted.place is None else np.take(numbers, fitted.place, axis=1)).tobytes(),
            [*chain.from_iterable(zip(*columns, strict=True))],
            customers=tokens,
            tags=tags,
        )

    def _watch(self, seconds: float) -> None:
        while True:
            time.sleep(seconds)
            try:
                self.look()
            except Exception:
                # A thread that ended would leave the server with an ever older snapshot.
                self._metrics.snapshots_refused.inc()

    def _stamp(self) -> tuple[int, ...]:
        """Return what changes with the pointer; a rename gives it another inode."""
        try:
            status = (self._folder / POINTER).stat()
        except OSError:
            return ()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _fit(self, snapshot: Snapshot) -> _Fitted:
        header, model = snapshot.header, self._model
        texts = {text.name: at for at, text in enumerate(header.texts)}
        lacking = [name for name in model.numbers if name not in header.numbers]
        lacking += [name for name in model.texts if name not in texts]
        if lacking:
            named = ", ".join(lacking[:_SHOWN]) + (" and more" if len(lacking) > _SHOWN else "")
            fault = f"the newest one is made of other features than this model, it lacks {named}"
            raise SnapshotInvalid(f"{self._folder}: {fault}", fault)
        place = np.array([header.numbers.index(name) for name in model.numbers], dtype=np.intp)
        in_order = len(place) == len(header.numbers) and bool((place == np.arange(len(place))).all())
        return _Fitted(
            snapshot,
            None if in_order else place,
            tuple(
                (texts[name], np.array([model.missing, *header.texts[texts[name]].values], dtype=object))
                for name in model.texts
            ),
        )

    def _tags(self, snapshot: Snapshot) -> dict[str, object]:
        """Say what is answered from; refuse what is too old."""
        header, age = snapshot.header, _age_hours(snapshot, self._clock())
        tags: dict[str, object] = {
            "snapshot": {
                "version": header.version,
                "digest": snapshot.digest,
                "cutoff": f"{header.cutoff:%Y-%m-%d}",
                "age_hours": round(age, 2),
            }
        }
        limit = self._staleness.hours
        if limit is not None and age > limit:
            late = f"the customer snapshot is {age:.1f} hours old, at most {limit:g} are allowed"
            if self._staleness.when == "refuse":
                raise Fault(503, "STALE_SNAPSHOT", f"{FIELD}: {late}", tags=tags, retried=False)
            tags["warning"] = late
        return tags

    def _unknown(self, tokens: Sequence[str], known: NDArray[np.bool_], tags: Mapping[str, object]) -> Fault:
        unknown = list(dict.fromkeys(token for token, there in zip(tokens, known.tolist(), strict=True) if not there))
        self._metrics.customers_unknown.inc(len(unknown))
        info = f"{FIELD}: {len(unknown)} are no active customers in this snapshot; meta.tags.unknown lists them"
        return Fault(404, "UNKNOWN_CUSTOMERS", info, tags={**tags, "unknown": unknown})


def _check(tokens: Sequence[Any]) -> None:
    for at, token in enumerate(tokens):
        if type(token) is not str or _TOKEN.fullmatch(token) is None:
            raise bad_data(f"{FIELD}[{at}]: must be a customer's token, cus_ and 32 hexadecimal digits (churn token)")


def _age_hours(snapshot: Snapshot, now: float) -> float:
    return (now - snapshot.header.cutoff.timestamp()) / 3600
