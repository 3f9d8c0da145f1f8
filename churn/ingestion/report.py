"""What a run of the ingestion did, in counts: no raw value and no raw object name in it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from churn.errors import AccountingError
from churn.ingestion.alert import Alert
from churn.settings import Stream

ObjectStatus = Literal["ingested", "unreadable", "replayed", "unchanged"]
"""`unchanged`: stored anew with the same content, so that nothing was read into the lake."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(_Frozen):
    """Rows of an object, a stream or a run: every row read is in exactly one of the other three."""

    read: int = 0
    appended: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            read=self.read + other.read,
            appended=self.appended + other.appended,
            duplicate=self.duplicate + other.duplicate,
            quarantined=self.quarantined + other.quarantined,
        )

    def check(self, what: str) -> None:
        """Raise AccountingError unless read = appended + duplicate + quarantined."""
        if self.read != self.appended + self.duplicate + self.quarantined:
            raise AccountingError(
                f"{what}: read {self.read} rows but appended {self.appended}, found {self.duplicate} duplicate "
                f"and quarantined {self.quarantined}; nothing was committed, please report this"
            )

    @property
    def bad_share(self) -> float:
        """Quarantined rows as a share of rows read; 0 when nothing was read."""
        return self.quarantined / self.read if self.read else 0.0


class ObjectReport(_Frozen):
    """One landing object."""

    object_id: str
    """SHA-256 of path and content, in hex."""
    source_file: str
    """Path below the landing zone, its file name tokenised unless it is harmless."""
    etag: str
    landing_hour: datetime
    available_at: datetime
    status: ObjectStatus
    bytes: int
    """Size as stored."""
    counts: Counts
    repairs: dict[str, int]
    """Repair → rows mended, such as `trimmed:item_id`."""
    reasons: dict[str, int]
    """Quarantine reason → rows, such as `missing:customer_id`."""


class SchemaDifference(_Frozen):
    """How the columns of some objects differ from the contract."""

    kind: str
    """`missing`, `alias`, `unknown_dropped`, `personal_dropped`, `retyped` or `added`."""
    column: str
    objects: int
    new: bool
    """A change that somebody should know of: no earlier run met it, and it is more than what a source never had."""


class StreamReport(_Frozen):
    """What one stream brought in this run."""

    stream: Stream
    contract_version: int
    batches: int
    objects: tuple[ObjectReport, ...]
    postponed: int
    """Objects replaced or removed before they could be read; the next run takes them if they are there."""
    differences: tuple[SchemaDifference, ...]
    closed_until: datetime | None
    """End of the last landing hour this stream has been read through."""
    closed_since: datetime | None = None
    """What `closed_until` was before this run; none at first contact."""
    hours_without_objects: int
    """Hours closed by this run in which no object had landed."""
    last_object_hour: datetime | None
    """Landing hour of the newest object ever ingested."""
    newest_time: datetime | None
    """Latest event time (or valid_from) ever appended."""
    table_version: int | None

    @property
    def counts(self) -> Counts:
        """The rows of all objects together."""
        return sum((item.counts for item in self.objects), Counts())

    @property
    def repairs(self) -> dict[str, int]:
        """Repairs of all objects together, most frequent first."""
        return _added(item.repairs for item in self.objects)

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantine reasons of all objects together, most frequent first."""
        return _added(item.reasons for item in self.objects)


class IngestReport(_Frozen):
    """What one run did."""

    run_id: str
    now: datetime
    """The run's clock: hours that end after it stay closed to it."""
    started: datetime
    finished: datetime
    backfill: bool
    streams: tuple[StreamReport, ...]
    alerts: tuple[Alert, ...] = ()
    """What the run calls a person for; set once the settings have been applied to the counts."""

    @property
    def counts(self) -> Counts:
        """The rows of all streams together."""
        return sum((item.counts for item in self.streams), Counts())

    @property
    def ended_a_day(self) -> bool:
        """Whether the run closed the last hour of a UTC day, after which the lake wants its upkeep."""
        return any(
            item.closed_until is not None
            and (item.closed_since is None or item.closed_since.date() < item.closed_until.date())
            for item in self.streams
        )


class StreamScan(_Frozen):
    """What waits in the landing zone for one stream."""

    stream: Stream
    objects: int
    bytes: int
    first_hour: datetime | None
    last_hour: datetime | None
    not_closed: int
    """Objects whose landing hour is not over yet; a later run takes them."""
    strays: int
    """Files below the stream that do not follow the landing layout and are never read."""
    closed_until: datetime | None


class LandingScan(_Frozen):
    """What waits in the landing zone."""

    now: datetime
    streams: tuple[StreamScan, ...]

    @property
    def objects(self) -> int:
        """New objects in all streams."""
        return sum(item.objects for item in self.streams)


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())
