"""A batch of landing objects becomes one commit, exactly once, whatever other ingesters do meanwhile."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import polars as pl

from churn.contracts import Contract
from churn.contracts.model import TIMESTAMP
from churn.errors import CommitConflict, TooManyBadRows
from churn.ingestion import quarantine
from churn.ingestion.account import account, worst_reasons
from churn.ingestion.availability import Availability
from churn.ingestion.collect import REJECTS, collect, conflict_rejects, tokenised
from churn.ingestion.deduplicate import deduplicate, derive_keys
from churn.ingestion.journal import FENCE
from churn.ingestion.pieces import Piece
from churn.ingestion.report import Counts, ObjectReport
from churn.lake.opened import Opened
from churn.lake.table import Pinned
from churn.landing.decoded import LINE
from churn.log import get_logger
from churn.privacy.subjects import SubjectMap
from churn.settings import IngestionSettings
from churn.validation.validate import OBJECT

log = get_logger(__name__)


@dataclass(frozen=True)
class BatchWriter:
    """Writes batches of one stream in one run.

    Attributes:
        clock: gives the audit time of a commit.
        opened: tables that the run has open.
        judged: whether too many bad rows stop the run; a replay of quarantined rows is never stopped.
    """

    contract: Contract
    lake_url: str
    settings: IngestionSettings
    subjects: SubjectMap
    run_id: str
    clock: Callable[[], datetime]
    opened: Opened
    judged: bool = True

    def open(self) -> Pinned:
        """Create the stream's table, or bring its columns up to the contract, and pin its newest version."""
        contract = self.contract
        url = f"{self.lake_url}/{contract.stream}"
        return self.opened.create(url, contract.schema, name=contract.stream, partition_by=contract.partition)

    def write(
        self,
        pieces: list[Piece],
        availability: Availability,
        *,
        closed_until: datetime | None,
        differences: Sequence[str],
    ) -> tuple[Pinned, tuple[ObjectReport, ...]]:
        """Commit a batch: new tokens first, then the quarantine, then the rows.

        Args:
            pieces: decoded objects; one whose transaction is in the table by now is left to whoever took it. Their
                frames are let go once they are validated, so that a batch is held in memory once.
            availability: dates the objects anew against the version that the commit follows.
            closed_until: end of the last landing hour that is read through once this batch is in.
            differences: schema differences to record, as `kind:column`.

        Returns:
            The table after the commit, and what came of each object.

        Raises:
            TooManyBadRows: more rows are bad than the settings allow; nothing was written.
            AccountingError: rows of an object were lost or counted twice; nothing was committed.
        """
        collected = collect(pieces, self.contract, self.settings)
        self._refuse_bad_share(pieces, collected.rejects)
        pieces[:] = [piece.without_rows() for piece in pieces]
        sound = collected.sound
        rows = derive_keys(tokenised(collected.frame, self.contract, self.subjects), self.contract, sound)
        refused, mended = collected.rejects, collected.repairs
        # With it go the raw personal columns.
        del collected
        commit_id, noted = uuid4().hex, REJECTS.to_frame()
        while True:
            table = self.open()
            availability.catch_up(table)
            pieces[:] = [availability.dated(piece) for piece in pieces]
            live = {
                i: piece
                for i, piece in enumerate(pieces)
                if piece.status == "unchanged" or not table.has_transaction(piece.transaction)
            }
            if not live and closed_until is None:
                return table, ()
            taken = pl.col(OBJECT).is_in(list(live))
            if len(live) < len(pieces):
                ours = rows.select(taken).to_series()
                sound = ours if sound is None else sound & ours
            cut = deduplicate(rows, self.contract, table.scan, sound)
            rejects = pl.concat([refused.filter(taken), conflict_rejects(cut.conflicts, self.contract.key)])
            reports = account(live, cut, rejects, mended)
            self._refuse_bad_share(live.values(), rejects)
            if not rejects.equals(noted.filter(taken)):
                # After a conflict another row may be the duplicate: what was noted before must not count as well.
                commit_id, noted = uuid4().hex, rejects
                quarantine.add(self.lake_url, self._quarantined(rejects, pieces, commit_id), self.clock(), self.opened)
            newest = cut.fresh[self.contract.time].max()
            try:
                table = table.append(
                    self._stamped(cut.fresh, pieces, table),
                    fence=FENCE,
                    transactions=[piece.transaction for piece in live.values() if piece.status != "unchanged"],
                    metadata={
                        "commit_id": commit_id,
                        "run_id": self.run_id,
                        "committed_at": self.clock().isoformat(),
                        "closed_until": closed_until.isoformat() if closed_until else None,
                        "newest_time": newest.isoformat() if isinstance(newest, datetime) else None,
                        "differences": list(differences),
                        "objects": [report.model_dump(mode="json") for report in reports],
                    },
                )
            except CommitConflict:
                log.info("commit_conflict", stream=self.contract.stream, version=table.version)
                continue
            self.opened.follow(table)
            availability.sequence = table.fence(FENCE)
            self._log_commit(table, reports)
            return table, reports

    def _refuse_bad_share(self, pieces: Iterable[Piece], rejects: pl.DataFrame) -> None:
        read = sum(piece.records for piece in pieces)
        bad = int(rejects["rows"].sum())
        limit = self.settings.max_bad_share
        if self.judged and read >= self.settings.min_rows_for_share and bad > limit * read:
            raise TooManyBadRows(
                f"{self.contract.stream}: {bad} of {read} rows in a batch are bad ({worst_reasons(rejects)}), more "
                f"than ingestion.max_bad_share = {limit}; nothing of the batch was written. Mend the source, or raise "
                "the limit"
            )

    def _quarantined(self, rejects: pl.DataFrame, pieces: Sequence[Piece], commit_id: str) -> pl.DataFrame:
        of = rejects[OBJECT]
        return rejects.drop(OBJECT).with_columns(
            pl.lit(commit_id).alias("commit_id"),
            pl.lit(self.contract.stream).alias("stream"),
            pl.Series("object_id", [piece.object_id for piece in pieces], dtype=pl.String).gather(of),
            pl.Series("source_file", [piece.source_file for piece in pieces], dtype=pl.String).gather(of),
            pl.Series("landing_hour", [piece.landed.hour for piece in pieces], dtype=TIMESTAMP).gather(of),
            pl.lit(self.contract.version, dtype=pl.Int64).alias("contract_version"),
        )

    def _stamped(self, fresh: pl.DataFrame, pieces: Sequence[Piece], table: Pinned) -> pl.DataFrame:
        """Add the audit columns, and nulls for columns that another version of the contract gave the table."""
        foreign = {name: dtype for name, dtype in table.schema.items() if name not in self.contract.schema}
        files = pl.Series("source_file", [piece.source_file for piece in pieces], dtype=pl.Categorical)
        return fresh.with_columns(
            files.gather(fresh[OBJECT]),
            pl.Series("available_at", [piece.available_at for piece in pieces], dtype=TIMESTAMP).gather(fresh[OBJECT]),
            pl.col(LINE).alias("source_line"),
            pl.lit(self.clock(), dtype=TIMESTAMP).alias("ingested_at"),
            pl.lit(table.fence(FENCE) + 1, dtype=pl.Int64).alias("ingest_seq"),
            pl.lit(self.contract.version, dtype=pl.Int64).alias("contract_version"),
            *(pl.lit(None, dtype=dtype).alias(name) for name, dtype in foreign.items()),
        ).select(table.schema.names())

    def _log_commit(self, table: Pinned, reports: Sequence[ObjectReport]) -> None:
        counts = sum((report.counts for report in reports), Counts())
        log.info(
            "batch_committed",
            stream=self.contract.stream,
            version=table.version,
            objects=len(reports),
            **counts.model_dump(),
        )
