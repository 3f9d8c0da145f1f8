"""A Delta table pinned at one version, and the fenced append that makes ingestion exactly once.

`Pinned` never moves: a reader sees one version, a writer decides against one version and commits only when
no other commit came in between. Data files are written here with Polars and committed by name, which costs
about a third of the CPU of `write_deltalake`.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from churn.errors import ChurnError, CommitConflict
from churn.lake.commit_log import CommitLog
from churn.lake.files import SEQUENCE_COLUMN, StagedFiles, listed, local_or_url, removals
from churn.lake.log_reader import transactions
from churn.lake.opening import look, openable
from churn.lake.reading import full_paths, scan_files
from churn.lake.schema import check_fits, check_types


@dataclass(frozen=True)
class Pinned:
    """One version of one table."""

    uri: str
    version: int
    _commits: CommitLog = field(repr=False, compare=False)
    _fences: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _table(self) -> DeltaTable:
        """The log at this version, which nobody moves."""
        with openable(self.uri, self.version):
            return DeltaTable(self.uri, version=self.version)

    @cached_property
    def schema(self) -> pl.Schema:
        """Columns of this version with their Polars types, partition column included."""
        return pl.Schema(self._table.schema())

    @property
    def schema_json(self) -> str:
        """The schema as the Delta log spells it."""
        return self._table.schema().to_json()

    @cached_property
    def partition_by(self) -> str | None:
        """The date column that splits the table into folders, if any."""
        columns = self._table.metadata().partition_columns
        return columns[0] if columns else None

    @cached_property
    def active(self) -> pl.DataFrame:
        """The files of this version: `path` (relative), `size` in bytes, `rows`, `date` (null when not partitioned)."""
        actions = pl.DataFrame(self._table.get_add_actions(flatten=True))
        partition = pl.col(f"partition.{self.partition_by}") if self.partition_by else pl.lit(None)
        return actions.select(path="path", size="size_bytes", rows="num_records", date=partition.cast(pl.Date)).sort(
            "path"
        )

    @cached_property
    def sequences(self) -> pl.DataFrame:
        """The range of `ingest_seq` in each file of `active`: `path`, `first`, `last`; null where the log has none."""
        actions = pl.DataFrame(self._table.get_add_actions(flatten=True))
        ends = {"first": f"min.{SEQUENCE_COLUMN}", "last": f"max.{SEQUENCE_COLUMN}"}
        known = {name: pl.col(of) if of in actions.columns else pl.lit(None, pl.Int64) for name, of in ends.items()}
        return actions.select(path="path", **known).sort("path")

    @cached_property
    def transactions(self) -> frozenset[str]:
        """Every application transaction committed up to this version, fences included."""
        return transactions(self.uri, self.version)

    @property
    def rows(self) -> int:
        """Rows of this version, from the log."""
        return int(self.active["rows"].sum())

    def fence(self, app: str) -> int:
        """Return the last sequence committed under the fence `app`; 0 when it was never used."""
        if app not in self._fences:
            # Delta reads through the log for each answer.
            self._fences[app] = self._table.transaction_version(app) or 0
        return self._fences[app]

    def has_transaction(self, app: str) -> bool:
        """Tell whether a commit up to this version carried the transaction `app`."""
        return app in self.transactions

    def files(self, dates: Collection[date] | None = None) -> list[str]:
        """Return the full paths or URLs of this version's data files, only those of `dates` when given."""
        return full_paths(self.uri, self._chosen(dates))

    def scan(self, columns: Collection[str] | None = None, dates: Collection[date] | None = None) -> pl.LazyFrame:
        """Read this version lazily.

        Args:
            columns: columns to return, in this order; all when not given.
            dates: partition values to read; all when not given.

        Returns:
            The rows, with nulls where a file is older than a column.
        """
        return scan_files(self.uri, self._chosen(dates), self.schema, self.partition_by, columns)

    def append(
        self,
        frame: pl.DataFrame,
        *,
        fence: str,
        steps: int = 1,
        transactions: Collection[str] = (),
        metadata: Mapping[str, object] | None = None,
    ) -> "Pinned":
        """Write `frame` and commit it as the version right after this one; an empty frame commits no file.

        Args:
            frame: exactly the table's columns and types, in any order, text that repeats also as Categorical (whose
                writing costs half); the partition date is never null.
            fence: application transaction shared by all writers of the same decision.
            steps: decisions in this append; the fence moves up by as many, and `metadata_since` is not for it.
            transactions: application transactions to record once, such as one per landing object.
            metadata: JSON-serialisable facts kept in the commit, beside `fence` and `sequence`.

        Returns:
            The table at the new version.

        Raises:
            ChurnError: the frame does not fit the table.
            CommitConflict: another commit came first; nothing was written.
        """
        check_fits(self.uri, frame, self.schema, self.partition_by)
        rows = frame.select(self.schema.names())
        return self._commit(
            lambda staged: staged.write(rows, self.partition_by),
            (fence, self.fence(fence) + steps),
            transactions,
            metadata or {},
        )

    def replace_files(
        self,
        files: Sequence[tuple[Path, date | None]],
        replaced: pl.DataFrame,
        *,
        fence: str,
        metadata: Mapping[str, object] | None = None,
    ) -> "Pinned":
        """Commit local Parquet files as they are, in place of some or none of this version's files.

        Args:
            files: each with its partition date, none where the table has no partitions; read from disk, so that
                what they hold needs no memory.
            replaced: rows of `active` whose contents leave the table.
            fence: as in `append`.
            metadata: as in `append`.

        Raises:
            ChurnError: a file does not fit the table; nothing was written.
            CommitConflict: another commit came first; nothing was written.
        """
        columns = pl.Schema({name: dtype for name, dtype in self.schema.items() if name != self.partition_by})
        for file, _ in files:
            check_types(str(file), pl.scan_parquet(file, glob=False).collect_schema(), columns)

        def actions(staged: StagedFiles) -> list[AddAction | RemoveAction]:
            added = [staged.adopt(file, self.partition_by, day) for file, day in files]
            return [*added, *removals(replaced, data_change=True)]

        return self._commit(actions, (fence, self.fence(fence) + 1), (), metadata or {})

    def rewrite(self, files: pl.DataFrame, *, fence: str) -> "Pinned":
        """Put the rows of some files into as few as possible, one per partition date; no row is added or lost.

        Delta's own compaction is not used: two of them at once both commit, and every row is there twice.

        Args:
            files: rows of `active`; their contents must fit into memory together.
            fence: application transaction shared by all who rewrite.

        Raises:
            CommitConflict: another commit came first; nothing changed.
        """
        rows = scan_files(self.uri, files, self.schema, self.partition_by, None).collect(engine="streaming")
        if rows.height != files["rows"].sum():
            raise ChurnError(f"{self.uri}: {rows.height} rows in files that should hold {files['rows'].sum()}")

        def actions(staged: StagedFiles) -> list[AddAction | RemoveAction]:
            added = staged.write(rows.select(self.schema.names()), self.partition_by, data_change=False)
            return [*added, *removals(files)]

        return self._commit(actions, (fence, self.fence(fence) + 1), (), {})

    def _commit(
        self,
        stage: Callable[[StagedFiles], Sequence[AddAction | RemoveAction]],
        fenced: tuple[str, int],
        transactions: Collection[str],
        metadata: Mapping[str, object],
    ) -> "Pinned":
        fence, sequence = fenced
        with StagedFiles(self.uri) as staged:
            actions = list(stage(staged))
            note = {**metadata, "fence": fence, "sequence": sequence, "commit": staged.id}
            log = self._commits.take(self.version)
            # From here on the log may name the files, even when an interrupt or an error hides it.
            staged.keep()
            try:
                log.create_write_transaction(
                    actions,
                    mode="append",
                    schema=log.schema(),
                    partition_by=[self.partition_by] if self.partition_by else [],
                    commit_properties=CommitProperties(
                        custom_metadata={"churn": json.dumps(note)},
                        max_commit_retries=0,
                        app_transactions=[Transaction(fence, sequence), *(Transaction(app, 1) for app in transactions)],
                    ),
                )
            except Exception as error:
                self._settle(error, staged)
        self._commits.give_back(log)
        after = Pinned(self.uri, self.version + 1, self._commits, {**self._fences, fence: sequence})
        after.__dict__.update(self._known_after(actions, (fence, *transactions)))
        return after

    def _known_after(self, actions: Sequence[AddAction | RemoveAction], apps: Collection[str]) -> dict[str, object]:
        """Return what this version knows of the one after it, so that its log need not be read for that."""
        known: dict[str, object] = {name: getattr(self, name) for name in ("schema", "partition_by")}
        if "transactions" in self.__dict__:
            known["transactions"] = self.transactions.union(apps)
        if "active" in self.__dict__:
            gone = [action.path for action in actions if isinstance(action, RemoveAction)]
            known["active"] = pl.concat(
                [self.active.filter(~pl.col("path").is_in(gone)), listed(actions, self.partition_by)]
            ).sort("path")
        return known

    def metadata_since(self, fence: str, sequence: int) -> list[dict[str, object]]:
        """Return what appends under `fence` after `sequence` put into their commits, oldest first.

        Raises:
            ChurnError: the log no longer holds all of them.
        """
        expected = self.fence(fence) - sequence
        limit = max(2 * expected, 16)
        found: dict[int, dict[str, object]] = {}
        while expected > 0:
            for commit in self._table.history(limit):
                note = json.loads(commit.get("churn", "{}"))
                if note.get("fence") == fence and sequence < note["sequence"] <= sequence + expected:
                    found[note["sequence"]] = note
            if len(found) == expected:
                break
            if limit > self.version:
                raise ChurnError(
                    f"{self.uri}: {expected - len(found)} of {expected} commits under {fence} lost their metadata; "
                    "restore _delta_log from a copy of the lake"
                )
            limit *= 4
        return [found[number] for number in sorted(found)]

    def _settle(self, error: Exception, staged: StagedFiles) -> None:
        """Return when the commit landed although its answer got lost, otherwise raise what went wrong.

        A retried request or a failing checkpoint reports an error for a commit that is in the log; deleting its
        files then would break the table. While the log cannot be read the files stay, for a vacuum to judge.
        """
        try:
            latest = open_version(self.uri)
            since = latest._table.history(max(1, latest.version - self.version))
            landed = any(json.loads(commit.get("churn", "{}")).get("commit") == staged.id for commit in since)
        except Exception:
            raise error from None
        if landed:
            return
        staged.remove()
        if isinstance(error, CommitFailedError) and latest.version > self.version:
            raise CommitConflict(
                f"{self.uri}: version {self.version + 1} was committed by another writer; reload and decide again"
            ) from None
        raise error

    def _chosen(self, dates: Collection[date] | None) -> pl.DataFrame:
        if dates is None:
            return self.active
        if self.partition_by is None:
            raise ChurnError(f"{self.uri}: not partitioned by date; read it whole")
        return self.active.filter(pl.col("date").is_in(list(dates)))


def open_table(uri: str, version: int | None = None) -> Pinned | None:
    """Open the latest or the given version; none when there is no table.

    Raises:
        ChurnError: the table exists but this version cannot be opened.
    """
    uri = local_or_url(uri)
    with openable(uri, version):
        table = look(uri, version)
    if table is None:
        return None
    pinned = Pinned(uri, table.version(), CommitLog(uri))
    pinned.__dict__["_table"] = table
    return pinned


def open_version(uri: str, version: int | None = None) -> Pinned:
    """Open a table that must exist.

    Raises:
        ChurnError: there is no table, or this version cannot be opened.
    """
    table = open_table(uri, version)
    if table is None:
        raise ChurnError(f"{uri}: no such table; run the ingestion that writes it, or check the lake's URL")
    return table
