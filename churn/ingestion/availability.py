"""When the rows of an object became knowable: settled against the very version that a commit follows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from churn.hours import HOUR, end_of_hour
from churn.ingestion.journal import FENCE, StreamJournal
from churn.ingestion.pieces import Piece
from churn.lake.table import Pinned
from churn.landing.zone import LandingObject


@dataclass
class Availability:
    """Dates the objects of one run over one stream, and keeps up with what other ingesters commit meanwhile.

    Attributes:
        now: the run's clock.
        clock: the machine's.
        backfill: whether late objects count as having landed in time.
        sequence: the last ingestion commit that is taken into account.
        closed_until: end of the last landing hour that was read through by then.
        taken: source files that were ingested by then.
    """

    now: datetime
    clock: Callable[[], datetime]
    backfill: bool
    sequence: int
    closed_until: datetime | None
    taken: set[str]

    @classmethod
    def since(
        cls, known: StreamJournal, *, now: datetime, clock: Callable[[], datetime], backfill: bool
    ) -> "Availability":
        """Start from what the journal holds."""
        return cls(now, clock, backfill, known.sequence, known.closed_until, set(known.known))

    def catch_up(self, table: Pinned) -> None:
        """Take into account what was ingested up to this version of the stream's table."""
        for commit in table.metadata_since(FENCE, self.sequence):
            objects, closed_until = commit["objects"], commit["closed_until"]
            assert isinstance(objects, list)
            self.taken.update(item["source_file"] for item in objects)
            if isinstance(closed_until, str):
                closed = datetime.fromisoformat(closed_until)
                self.closed_until = max(self.closed_until or closed, closed)
        self.sequence = table.fence(FENCE)

    def of(self, landed: LandingObject, source_file: str) -> datetime:
        """Return the end of the object's landing hour, or that of its discovery when it is late.

        Late is what appears in an hour that was closed before, or replaces what was taken, unless the run is declared a
        backfill.
        """
        end = landed.hour + HOUR
        late = source_file in self.taken or (self.closed_until is not None and end <= self.closed_until)
        return self.discovered() if late and not self.backfill else end

    def discovered(self) -> datetime:
        """Return the end of the hour of `now`, or of the last hour closed when that is later.

        A run may look back, or its machine's clock be behind, and what it finds was still not known then. An hour
        closed by mistake lies after the machine's `clock` and counts no further than that.
        """
        end = end_of_hour(self.now)
        return end if self.closed_until is None else max(end, min(self.closed_until, end_of_hour(self.clock())))

    def dated(self, piece: Piece) -> Piece:
        """Return the piece with its date as of now; replayed rows were not usable before."""
        late = piece.status == "replayed"
        return replace(piece, available_at=self.discovered() if late else self.of(piece.landed, piece.source_file))
