"""The job in DuckDB: SQL parses, validates and deduplicates; tokens are made in Python for unique values.

It writes date-partitioned Parquet with COPY and no Delta log, no fence, no journal and no repairs, all in its favour.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.peers.job import (
    COLUMNS,
    FLOOR,
    LONGEST_CODE,
    REQUIRED,
    SKEW,
    TOKENISED,
    Counted,
    batches,
    fingerprint,
    run,
)

NUMBERS = ("amount", "quantity")
CODES = [name for name in COLUMNS if name not in ("event_time", *NUMBERS)]
PERSONAL = [name for name, _, _ in TOKENISED]
OTHERS = [name for name in COLUMNS if name != "event_id"]


class Ingestion:
    """A connection with the tokens given so far, and where the tables lie."""

    def __init__(self, out: Path, form: str) -> None:
        self._out = out
        self._form = form
        self._sql = duckdb.connect()
        self._sql.execute("SET memory_limit = '700MB'; SET TimeZone = 'UTC'")
        self._sql.execute("CREATE TABLE tokens (domain VARCHAR, value VARCHAR, token VARCHAR)")

    def take(self, paths: Sequence[Path], number: int) -> Counted:
        """Write the rows of some files."""
        self._table("raw", f"SELECT row_number() OVER () AS source_line, * FROM {self._source(paths)}")
        self._table("checked", self._checks())
        self._set_aside(
            "SELECT filename, source_line, reason FROM checked WHERE reason IS NOT NULL", f"{number}-rejected"
        )
        for name, domain, prefix in TOKENISED:
            self._add_tokens(name, domain, prefix, number)
        self._table("typed", self._with_tokens())
        self._table("again", self._suspects())
        self._table("duplicate", self._duplicates())
        self._set_aside(
            "SELECT filename, source_line, 'conflict' AS reason FROM again ANTI JOIN duplicate USING (source_line)",
            f"{number}-conflict",
        )
        self._append(number)
        read, refused, again, duplicate = (self._count(name) for name in ("raw", "rejects", "again", "duplicate"))
        return Counted(read, read - refused - again, duplicate, refused + again - duplicate)

    def _source(self, paths: Sequence[Path]) -> str:
        names = [str(path) for path in paths]
        if self._form == "parquet":
            return f"read_parquet({names}, filename = true, hive_partitioning = false)"
        if self._form == "csv":
            return f"read_csv({names}, header = true, all_varchar = true, filename = true, hive_partitioning = false)"
        columns = dict.fromkeys(COLUMNS, "VARCHAR")
        return (
            f"read_json({names}, format = 'newline_delimited', columns = {columns}, filename = true, "
            "hive_partitioning = false)"
        )

    def _checks(self) -> str:
        reasons = [f"WHEN {name} IS NULL THEN 'missing:{name}'" for name in REQUIRED]
        for name in CODES:
            inner = " -~" if name in PERSONAL else " -?A-~"
            outer = inner.replace(" ", "!")
            allowed = f"[{outer}]([{inner}]*[{outer}])?"
            reasons.append(
                f"WHEN strlen({name}) > {LONGEST_CODE} OR NOT regexp_full_match({name}, '{allowed}') "
                f"THEN 'wrong_type:{name}'"
            )
        reasons += [f"WHEN {name} IS NOT NULL AND new_{name} IS NULL THEN 'wrong_type:{name}'" for name in NUMBERS]
        reasons += [
            "WHEN happened_at IS NULL THEN 'wrong_type:event_time'",
            f"WHEN happened_at < TIMESTAMP '{FLOOR:%Y-%m-%d}' THEN 'out_of_range:event_time'",
            f"WHEN happened_at > available_at + INTERVAL {SKEW.seconds} SECOND THEN 'out_of_range:event_time'",
        ]
        casts = ", ".join(f"TRY_CAST({name} AS DECIMAL(18, 4)) AS new_{name}" for name in NUMBERS)
        return f"""
            SELECT *, CASE {" ".join(reasons)} END AS reason
            FROM (
                SELECT raw.*, {casts}, TRY_CAST(event_time AS TIMESTAMP) AS happened_at, available_at
                FROM raw JOIN (
                    SELECT filename, INTERVAL 1 HOUR + strptime(
                        regexp_extract(filename, 'dt=([^/]+/hour=[0-9]+)/', 1), '%Y-%m-%d/hour=%H'
                    ) AS available_at
                    FROM (SELECT DISTINCT filename FROM raw)
                ) USING (filename)
            )
        """

    def _add_tokens(self, name: str, domain: str, prefix: str, number: int) -> None:
        new = self._sql.execute(
            f"SELECT DISTINCT {name} FROM checked "
            f"ANTI JOIN (SELECT value FROM tokens WHERE domain = '{domain}') AS known ON known.value = {name} "
            f"WHERE reason IS NULL AND {name} IS NOT NULL"
        ).fetchall()
        values = [value for (value,) in new]
        made = pa.table(
            {
                "fingerprint": pa.array([fingerprint(domain, value) for value in values], pa.binary()),
                "domain": pa.array([domain] * len(values), pa.string()),
                "value": pa.array(values, pa.string()),
                "token": pa.array([prefix + secrets.token_hex(16) for _ in values], pa.string()),
            }
        )
        self._sql.register("made", made)
        self._sql.execute("INSERT INTO tokens SELECT domain, value, token FROM made")
        self._copy("SELECT fingerprint, domain, token FROM made", self._out / "subjects" / f"{number}-{domain}.parquet")

    def _with_tokens(self) -> str:
        joins = " ".join(
            f"LEFT JOIN (SELECT value, token FROM tokens WHERE domain = '{domain}') AS {domain} "
            f"ON {domain}.value = checked.{name}"
            for name, domain, _ in TOKENISED
        )
        tokens = ", ".join(f"{domain}.token AS {name}" for name, domain, _ in TOKENISED)
        kept = ", ".join(f"checked.{name}" for name in CODES if name not in PERSONAL)
        numbers = ", ".join(f"new_{name} AS {name}" for name in NUMBERS)
        return f"""
            SELECT {kept}, {tokens}, {numbers}, happened_at AS event_time, happened_at::DATE AS event_date,
                available_at, source_line, filename
            FROM checked {joins} WHERE reason IS NULL
        """

    def _suspects(self) -> str:
        """Rows that are not the first with their id."""
        known = f"SELECT event_id FROM {self._stored()}" if self._stored() else "SELECT NULL WHERE false"
        return f"""
            SELECT typed.* FROM typed
            WHERE event_id IN ({known})
            OR source_line IN (
                SELECT unnest(list_sort(list(source_line))[2:])
                FROM typed GROUP BY event_date, event_id HAVING count(*) > 1
            )
        """

    def _duplicates(self) -> str:
        """Suspects that hold what the first row with their id holds."""
        content = ", ".join(COLUMNS)
        ids = "event_id IN (SELECT event_id FROM again)"
        stored = f"UNION ALL SELECT {content} FROM {self._stored()} WHERE {ids}" if self._stored() else ""
        same = " AND ".join(f"again.{name} IS NOT DISTINCT FROM first.{name}" for name in OTHERS)
        return f"""
            SELECT DISTINCT again.source_line FROM again JOIN (
                SELECT {content} FROM typed WHERE {ids} AND source_line NOT IN (SELECT source_line FROM again) {stored}
            ) AS first ON again.event_id = first.event_id AND {same}
        """

    def _stored(self) -> str:
        """The lake's rows of the dates at hand, as what a query reads from; nothing while there are none."""
        dates = [day for (day,) in self._sql.execute("SELECT DISTINCT event_date FROM typed").fetchall()]
        found = [str(p) for day in dates for p in (self._out / "activity").glob(f"event_date={day}/*.parquet")]
        return f"read_parquet({found}, hive_partitioning = false)" if found else ""

    def _append(self, number: int) -> None:
        (self._out / "activity").mkdir(parents=True, exist_ok=True)
        self._sql.execute(f"""
            COPY (
                SELECT * EXCLUDE (filename), filename AS source_file, now() AS ingested_at,
                    {number} AS ingest_seq, 1 AS contract_version
                FROM typed ANTI JOIN again USING (source_line)
            ) TO '{self._out / "activity"}' (
                FORMAT parquet, PARTITION_BY (event_date), APPEND, COMPRESSION zstd, COMPRESSION_LEVEL 1,
                FILENAME_PATTERN '{number}-{{uuid}}'
            )
        """)

    def _set_aside(self, query: str, name: str) -> None:
        self._table("rejects" if name.endswith("rejected") else "conflicts", query)
        self._copy(query, self._out / "quarantine" / f"{name}.parquet")

    def _copy(self, query: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sql.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")

    def _table(self, name: str, query: str) -> None:
        self._sql.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def _count(self, table: str) -> int:
        found = self._sql.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert found is not None
        return int(found[0])


def ingest(form: str, landing: Path, out: Path) -> Counted:
    """Ingest a landing zone, a day of files at a time."""
    job = Ingestion(out, form)
    return sum((job.take(paths, number) for number, paths in enumerate(batches(landing, form), start=1)), Counted())


if __name__ == "__main__":
    run(ingest)
