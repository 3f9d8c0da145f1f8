"""The table of decisions: append-only, hash-chained, and fenced so that two writers never fork it."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from pydantic import ValidationError

from churn.errors import ChurnError, CommitConflict
from churn.lake.create import create_table
from churn.lake.failures import lake_failures
from churn.lake.files import local_or_url
from churn.lake.opening import first_line
from churn.lake.table import Pinned, open_table
from churn.lake.upkeep import compact
from churn.ledger.chain import Fault, faults
from churn.ledger.entry import SCHEMA, Draft, Entry
from churn.ledger.errors import ClockWentBack, LedgerBroken
from churn.log import get_logger

log = get_logger(__name__)

TABLE = "ledger"
CLOCK_SKEW = timedelta(minutes=1)
"""Clocks of two machines may differ by this much; an entry then takes the time of the one before."""

_ATTEMPTS = 50
_MANY_FILES = 100
"""Each commit is a file of its own; from so many on they are put into one, which reads a hundred times faster."""

Decide = Callable[[Sequence[Entry]], Sequence[Draft]]
"""From all entries so far to those to add; called again when another writer came first."""


@dataclass(frozen=True)
class Ledger:
    """The ledger of one lake.

    Attributes:
        lake_url: folder of the lake's tables.
        clock: the time of new entries.
    """

    lake_url: str
    clock: Callable[[], datetime]

    @property
    def uri(self) -> str:
        """Where the table is."""
        return f"{local_or_url(self.lake_url)}/{TABLE}"

    def entries(self) -> tuple[Entry, ...]:
        """Return every entry, oldest first; none where nothing was ever decided.

        Raises:
            LedgerBroken: the chain does not hold, or a file cannot be read.
        """
        return self._checked(open_table(self.uri))

    def faults(self, anchors: Mapping[int, str] | None = None) -> tuple[int, tuple[Fault, ...]]:
        """Return how many entries there are, and where the chain does not hold.

        Args:
            anchors: as in `churn.ledger.chain.faults`.

        Raises:
            LedgerBroken: a file cannot be read.
        """
        table = open_table(self.uri)
        entries = self._read(table)
        return len(entries), faults(entries, table.fence(TABLE) if table else 0, anchors)

    def record(self, decide: Decide) -> tuple[Entry, ...]:
        """Add what `decide` returns, all of it or nothing.

        Args:
            decide: looks at the entries so far; raises to refuse, returns nothing when there is nothing to add.

        Raises:
            LedgerBroken: as `entries`.
            ClockWentBack: the last entry is later than the clock.
            CommitConflict: other writers came first too many times in a row.
            LakeFailed: the disk is full, or the storage refused for another reason.
        """
        for attempt in range(_ATTEMPTS):
            with lake_failures(self.uri):
                table = create_table(self.uri, SCHEMA, name=TABLE)
            before = self._checked(table)
            added = self._sealed(before, decide(before))
            if not added:
                return ()
            frame = pl.DataFrame([entry.to_row() for entry in added], schema=SCHEMA, orient="row")
            try:
                with lake_failures(self.uri):
                    after = table.append(frame, fence=TABLE, steps=len(added))
            except CommitConflict:
                time.sleep(min(0.01 * 2**attempt, 0.5) * random.random())
                continue
            for entry in added:
                log.info(
                    "decided",
                    sequence=entry.sequence,
                    decision=entry.decision,
                    phase=entry.phase,
                    version=entry.version,
                    stage=entry.stage,
                )
            if after.active.height >= _MANY_FILES:
                compact(self.lake_url, TABLE, _MANY_FILES)
            return added
        raise CommitConflict(f"{self.uri}: other writers came first {_ATTEMPTS} times in a row; try again")

    def _sealed(self, before: Sequence[Entry], drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        last = before[-1] if before else None
        at = self.clock()
        if last and at < last.at:
            if last.at - at > CLOCK_SKEW:
                raise ClockWentBack(
                    f"the clock says {at:%Y-%m-%d %H:%M:%S} UTC, but entry {last.sequence} of the ledger is of "
                    f"{last.at:%Y-%m-%d %H:%M:%S}; nothing was changed, set the clock right"
                )
            at = last.at
        added: list[Entry] = []
        for draft in drafts:
            last = Entry.following(last, draft, at)
            added.append(last)
        return tuple(added)

    def _checked(self, table: Pinned | None) -> tuple[Entry, ...]:
        entries = self._read(table)
        if found := faults(entries, table.fence(TABLE) if table else 0):
            raise LedgerBroken(
                f"{self.uri}: {found[0].says}; nothing is decided on a broken ledger, "
                "restore it from a copy of the lake (churn ledger verify names every fault)"
            )
        return entries

    def _read(self, table: Pinned | None) -> tuple[Entry, ...]:
        if table is None:
            return ()
        try:
            rows = table.scan().collect().sort("sequence", "hash")
            return tuple(Entry.from_row(row) for row in rows.iter_rows(named=True))
        except (ValidationError, ValueError, TypeError) as error:
            cause = f"an entry holds what none can ({first_line(error)})"
        except (pl.exceptions.PolarsError, OSError) as error:
            cause = f"a file of it cannot be read ({first_line(error)})"
        except ChurnError as error:
            cause = str(error)
        raise LedgerBroken(f"{self.uri}: {cause}; restore it from a copy of the lake, then: churn ledger verify")
