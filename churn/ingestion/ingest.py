"""The ingestion of all streams, as its callers see it: scan, run, replay."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from churn.contracts import Contract, load_contract
from churn.errors import ChurnError, TooManyBadRows
from churn.ingestion import quarantine
from churn.ingestion.batch import BatchWriter
from churn.ingestion.report import IngestReport, LandingScan, StreamReport
from churn.ingestion.stream_run import StreamRun
from churn.lake.failures import lake_failures
from churn.lake.opened import Opened
from churn.landing.zone import LandingZone
from churn.privacy.keys import DataKey, KeySource
from churn.privacy.subjects import TABLE, SubjectMap
from churn.settings import STREAMS, Settings, Stream


def utc_now() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)


class Ingestion:
    """Takes landing objects into the lake, each exactly once.

    The data key is unwrapped before anything else: without it nothing is read and nothing is written.
    """

    def __init__(
        self,
        settings: Settings,
        key_source: KeySource,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Bind settings and key source.

        Args:
            settings: of the environment.
            key_source: unwraps the data key, once per call of a method.
            clock: audit time of commits.
        """
        self._settings = settings
        self._key_source = key_source
        self._clock = clock
        self._zone = LandingZone(settings.landing.url)

    def scan(self, now: datetime) -> LandingScan:
        """Say what waits in the landing zone, without opening any object.

        Raises:
            KeyUnavailable: the data key cannot be had (object names may need it).
            LakeFailed: the lake's storage refused or failed.
        """
        key = self._key_source.data_key()
        with lake_failures(self._settings.lake.url):
            runs = self._streams(key, now)
            return LandingScan(now=now, streams=tuple(run.scan() for run in runs))

    def run(self, *, now: datetime, run_id: str, backfill: bool = False) -> IngestReport:
        """Ingest every object of an hour that has ended by `now`.

        Args:
            now: the run's clock.
            run_id: recorded with every commit.
            backfill: objects found in hours already closed count as having landed in time.

        Raises:
            KeyUnavailable: the data key cannot be had; nothing was written.
            TooManyBadRows: a batch is too bad; it and what follows in its stream was not written, other streams were.
            LakeFailed: the lake's storage refused or failed; the batch at hand was not written.
        """
        key = self._key_source.data_key()
        started = self._clock()
        streams: list[StreamReport] = []
        refused: list[TooManyBadRows] = []
        with lake_failures(self._settings.lake.url):
            runs = self._streams(key, now)
            subjects = self._subjects(key, runs)
            for run in runs:
                try:
                    streams.append(run.ingest(self._writer(run, subjects, run_id), backfill=backfill))
                except TooManyBadRows as error:
                    refused.append(error)
        if refused:
            raise refused[0]
        return self._report(run_id, now, started, tuple(streams), backfill=backfill)

    def replay_quarantine(
        self, *, now: datetime, run_id: str, reason: str | None = None, source_file: str | None = None
    ) -> IngestReport:
        """Read the quarantined rows of each chosen object again, under today's contract and settings.

        Rows that pass now were not usable before, so they become available at the end of the hour of `now`.

        Args:
            now: the run's clock.
            run_id: recorded with every commit.
            reason: only objects that hold a row refused for this reason.
            source_file: only this object, by its safe name.

        Raises:
            KeyUnavailable: the data key cannot be had; nothing was written.
            ChurnError: no quarantined row fits the choice, or every chosen object was removed or replaced since.
            LakeFailed: the lake's storage refused or failed; the batch at hand was not written.
        """
        key = self._key_source.data_key()
        started = self._clock()
        with lake_failures(self._settings.lake.url):
            runs = self._streams(key, now)
            subjects = self._subjects(key, runs)
            streams = self._replayed(runs, subjects, run_id=run_id, reason=reason, source_file=source_file)
        return self._report(run_id, now, started, streams, backfill=False)

    def _replayed(
        self,
        runs: Sequence[StreamRun],
        subjects: SubjectMap,
        *,
        run_id: str,
        reason: str | None,
        source_file: str | None,
    ) -> tuple[StreamReport, ...]:
        for run in runs:
            run.catch_up()
        chosen = quarantine.open_rows(self._settings.lake.url, reason=reason, source_file=source_file)
        if chosen.is_empty():
            raise ChurnError("no quarantined row fits; `churn quarantine show` lists what there is")
        files = {
            run.contract.stream: set(chosen.filter(stream=run.contract.stream)["source_file"].to_list()) for run in runs
        }
        return tuple(
            run.replay(replace(self._writer(run, subjects, run_id), judged=False), files[run.contract.stream])
            for run in runs
            if files[run.contract.stream]
        )

    def _subjects(self, key: DataKey, runs: Sequence[StreamRun]) -> SubjectMap:
        """Bind the subject map, unless it is gone: every known customer would silently become a new one."""
        lake, opened = self._settings.lake.url, runs[0].opened
        tables = [opened.open(f"{lake}/{run.contract.stream}") for run in runs if _makes_tokens(run.contract)]
        # Opened after the others: the first ingestion of all commits it first.
        if opened.open(f"{lake}/{TABLE}") is None and any(table is not None and table.rows for table in tables):
            raise ChurnError(f"{lake}/{TABLE}: is gone, but there are rows with its tokens; restore it from a copy")
        return SubjectMap(lake, key, clock=self._clock, opened=opened)

    def _streams(self, key: DataKey, now: datetime) -> list[StreamRun]:
        opened = Opened()
        return [self._stream(stream, key, now, opened) for stream in STREAMS]

    def _stream(self, stream: Stream, key: DataKey, now: datetime, opened: Opened) -> StreamRun:
        settings = self._settings
        return StreamRun(
            contract=load_contract(stream, settings.ingestion.contracts.get(stream)),
            zone=self._zone,
            lake_url=settings.lake.url,
            landing=settings.landing,
            ingestion=settings.ingestion,
            key=key,
            now=now,
            opened=opened,
        )

    def _writer(self, run: StreamRun, subjects: SubjectMap, run_id: str) -> BatchWriter:
        return BatchWriter(
            contract=run.contract,
            lake_url=self._settings.lake.url,
            settings=self._settings.ingestion,
            subjects=subjects,
            run_id=run_id,
            clock=self._clock,
            opened=run.opened,
        )

    def _report(
        self, run_id: str, now: datetime, started: datetime, streams: tuple[StreamReport, ...], *, backfill: bool
    ) -> IngestReport:
        report = IngestReport(
            run_id=run_id, now=now, started=started, finished=self._clock(), backfill=backfill, streams=streams
        )
        report.counts.check(f"run {run_id}")
        return report


def _makes_tokens(contract: Contract) -> bool:
    """Tell whether a stream brings raw customers; the predictions bring tokens that are there already."""
    return any(field.personal != "no" for field in contract.fields)
