"""One run over one stream: which objects are new, in which batches they go in, and what came of it."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from churn.contracts import Contract
from churn.errors import ChurnError
from churn.hours import HOUR, floor_hour
from churn.ingestion import journal, quarantine
from churn.ingestion.availability import Availability
from churn.ingestion.batch import BatchWriter
from churn.ingestion.journal import StreamJournal
from churn.ingestion.pieces import Piece, decoded, fetch, only_lines, together, unread_id
from churn.ingestion.report import ObjectReport, SchemaDifference, StreamReport, StreamScan
from churn.lake.opened import Opened
from churn.lake.table import Pinned
from churn.landing.zone import LandingObject, LandingZone, UnstableObject, VanishedObject
from churn.log import get_logger, progress
from churn.privacy.keys import DataKey
from churn.privacy.names import safe_name
from churn.settings import IngestionSettings, LandingSettings
from churn.validation.schema import schema_changes

log = get_logger(__name__)

JOURNAL_EVERY: Final = 16
"""Batches after which the journal follows the table, beside the end of a run: it costs a commit of its own."""

_AHEAD: Final = 64
"""Objects that are fetched before the first of them is decoded, at most."""


@dataclass
class StreamRun:
    """Scans, ingests or replays one stream.

    Attributes:
        now: the run's clock; an hour that ends after it is left alone.
        opened: tables that the run has open.
    """

    contract: Contract
    zone: LandingZone
    lake_url: str
    landing: LandingSettings
    ingestion: IngestionSettings
    key: DataKey
    now: datetime
    opened: Opened
    _batches: int = 0
    _postponed: int = 0
    _objects: list[ObjectReport] = field(default_factory=list)
    _differences: Counter[tuple[str, str]] = field(default_factory=Counter)

    def scan(self) -> StreamScan:
        """Say what waits in the landing zone, without opening any object."""
        self.catch_up()
        known = journal.read_stream(self.lake_url, self.contract.stream, self.opened)
        listing = self.zone.listing(self.contract.stream)
        fresh = [landed for landed in listing.objects if not self._is_known(landed, known)]
        due = [landed for landed in fresh if landed.hour + HOUR <= self.now]
        return StreamScan(
            stream=self.contract.stream,
            objects=len(due),
            bytes=sum(landed.size for landed in due),
            first_hour=due[0].hour if due else None,
            last_hour=due[-1].hour if due else None,
            not_closed=len(fresh) - len(due),
            strays=len(listing.strays),
            closed_until=known.closed_until,
        )

    def ingest(self, writer: BatchWriter, *, backfill: bool) -> StreamReport:
        """Take every object of a closed hour that the journal does not know."""
        table = self.catch_up()
        known = journal.read_stream(self.lake_url, self.contract.stream, self.opened)
        landed = [item for item in self.zone.objects(self.contract.stream) if item.hour + HOUR <= self.now]
        fresh = [item for item in landed if not self._is_known(item, known)]
        closing = floor_hour(self.now)
        overdue = table is not None and (known.closed_until is None or known.closed_until < closing)
        if fresh or overdue:
            table = writer.open()
            availability = Availability.since(known, now=self.now, clock=writer.clock, backfill=backfill)
            pieces = self._pieces(fresh, table, availability)
            with self._journalled():
                for batch, last in _batches(pieces, self.ingestion.batch_rows, self.ingestion.batch_objects):
                    table = self._commit(writer, batch, availability, closed_until=closing if last else None)
        return self._report(table, known, [item.hour for item in landed])

    def replay(self, writer: BatchWriter, files: set[str]) -> StreamReport:
        """Read the quarantined records of `files` (safe names) again, each object in a commit of its own.

        An object that was removed or replaced since is left as it is and logged.

        Raises:
            ChurnError: that is so of all of them.
        """
        known = journal.read_stream(self.lake_url, self.contract.stream, self.opened)
        landed = {safe_name(item.path, self.key): item for item in self.zone.objects(self.contract.stream)}
        held = quarantine.open_rows(self.lake_url).filter(stream=self.contract.stream)
        availability = Availability.since(known, now=self.now, clock=writer.clock, backfill=False)
        table: Pinned | None = None
        gone: list[str] = []
        with self._journalled():
            for (name, object_id, commit_id), rows in held.group_by(
                "source_file", "object_id", "commit_id", maintain_order=True
            ):
                if name not in files:
                    continue
                item = landed.get(str(name))
                if item is None:
                    gone.append(f"{name}: no longer in the landing zone; upload it again to ingest its rows")
                    continue
                piece, data = fetch(self.zone, item, str(name), availability.discovered(), self.landing)
                if object_id not in (piece.object_id, unread_id(piece.landed)):
                    gone.append(f"{name}: was replaced since it was quarantined; `churn ingest` takes the new content")
                    continue
                transaction = f"replay:{object_id}:{commit_id}"
                piece = replace(piece, object_id=str(object_id), status="replayed", transaction=transaction)
                (piece,) = decoded([(piece, data)], self.contract, self.landing)
                if not rows["line"].is_null().any():
                    if piece.fault is not None:
                        # Its other lines are in the lake: refused as a whole, they would be counted again.
                        gone.append(f"{name}: would now be refused as a whole ({piece.fault[0]}); mend the contract")
                        continue
                    piece = only_lines(piece, rows["line"].to_list())
                self._note_differences(piece)
                table = self._commit(writer, [piece], availability, closed_until=None)
        if gone and table is None:
            raise ChurnError(gone[0])
        for why in gone:
            log.warning("not_replayed", stream=self.contract.stream, why=why)
        self._postponed += len(gone)
        return self._report(table, known, [])

    def catch_up(self) -> Pinned | None:
        """Bring the journal up to the stream's table, if there is one.

        Raises:
            ChurnError: the table was deleted, or restored from an old copy.
        """
        journal.require_table(self.lake_url, self.contract.stream, self.opened)
        table = self.opened.open(f"{self.lake_url}/{self.contract.stream}")
        if table is not None:
            journal.catch_up(self.lake_url, self.contract.stream, table, self.opened)
        return table

    def _pieces(self, fresh: Sequence[LandingObject], table: Pinned, availability: Availability) -> Iterator[Piece]:
        most = min(_AHEAD, self.ingestion.batch_objects)
        for group in together(self._fetched(fresh, table, availability), most):
            pieces = deque(decoded(group, self.contract, self.landing))
            group.clear()
            while pieces:
                piece = pieces.popleft()
                self._note_differences(piece)
                yield piece

    def _fetched(
        self, fresh: Sequence[LandingObject], table: Pinned, availability: Availability
    ) -> Iterator[tuple[Piece, bytes]]:
        for landed in progress(fresh, f"ingesting {self.contract.stream}"):
            name = safe_name(landed.path, self.key)
            try:
                piece, data = fetch(self.zone, landed, name, availability.of(landed, name), self.landing)
            except (UnstableObject, VanishedObject) as error:
                self._postponed += 1
                log.warning("object_postponed", source_file=name, reason=type(error).__name__)
                continue
            if table.has_transaction(piece.transaction):
                piece, data = replace(piece, status="unchanged"), b""
            yield piece, data

    def _note_differences(self, piece: Piece) -> None:
        if piece.decoded.seen:
            changes = schema_changes(piece.decoded.seen, self.contract)
            self._differences.update({(change.kind, change.column) for change in changes})

    def _commit(
        self, writer: BatchWriter, batch: list[Piece], availability: Availability, *, closed_until: datetime | None
    ) -> Pinned:
        differences = sorted(f"{kind}:{column}" for kind, column in self._differences)
        table, reports = writer.write(batch, availability, closed_until=closed_until, differences=differences)
        self._batches += 1
        if self._batches % JOURNAL_EVERY == 0:
            journal.catch_up(self.lake_url, self.contract.stream, table, self.opened)
        self._objects.extend(reports)
        return table

    @contextmanager
    def _journalled(self) -> Iterator[None]:
        """Bring the journal up to date at the end, also of a body that fails: what it committed before counts."""
        try:
            yield
        except Exception:
            # What stopped the body is the news; a journal that cannot follow now does so at the next run.
            with suppress(Exception):
                self.catch_up()
            raise
        self.catch_up()

    def _report(self, table: Pinned | None, before: StreamJournal, landed_hours: Sequence[datetime]) -> StreamReport:
        after = journal.read_stream(self.lake_url, self.contract.stream, self.opened)
        return StreamReport(
            stream=self.contract.stream,
            contract_version=self.contract.version,
            batches=self._batches,
            objects=tuple(self._objects),
            postponed=self._postponed,
            differences=tuple(
                SchemaDifference(kind=kind, column=column, objects=n, new=_is_news(kind, column, before))
                for (kind, column), n in sorted(self._differences.items())
            ),
            closed_until=after.closed_until,
            closed_since=before.closed_until,
            hours_without_objects=_empty_hours(landed_hours, before.closed_until, after.closed_until),
            last_object_hour=after.last_object_hour,
            newest_time=after.newest_time,
            table_version=table.version if table else None,
        )

    def _is_known(self, landed: LandingObject, known: StreamJournal) -> bool:
        return known.known.get(safe_name(landed.path, self.key)) == landed.etag


def _batches(pieces: Iterable[Piece], rows: int, objects: int) -> Iterator[tuple[list[Piece], bool]]:
    """Cut pieces into batches and say of each whether it is the last; there is always a last one."""
    batch: list[Piece] = []
    held = 0
    for piece in pieces:
        if batch and (held + piece.records > rows or len(batch) >= objects):
            yield batch, False
            batch, held = [], 0
        batch.append(piece)
        held += piece.records
    yield batch, True


def _is_news(kind: str, column: str, before: StreamJournal) -> bool:
    """Tell a schema change from what a source has been like from its first object on."""
    first_contact = before.closed_until is None
    return f"{kind}:{column}" not in before.differences and not (first_contact and kind in ("missing", "alias"))


def _empty_hours(landed: Sequence[datetime], before: datetime | None, after: datetime | None) -> int:
    """Count the hours from `before` to `after` (at first: from the first object) in which nothing landed."""
    start = before if before is not None else min(landed, default=None)
    if start is None or after is None or after <= start:
        return 0
    filled = {hour for hour in landed if start <= hour < after}
    return (after - start) // HOUR - len(filled)
