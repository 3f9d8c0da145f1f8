"""The job in pandas: parse, validate, deduplicate, tokenise two fields, append to Delta with `write_deltalake`.

Written for speed: each format by the quickest reader that pandas has or takes (the C parser for CSV, orjson for JSON
lines, pyarrow for Parquet), checks on Arrow strings, tokens looked up by unique value, a day of files per commit. It
has no fence, no journal and no repairs, which is in its favour.
"""

import gzip
import secrets
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from benchmarks.peers.job import (
    COLUMNS,
    FLOOR,
    LONGEST_CODE,
    REQUIRED,
    SKEW,
    TOKENISED,
    Counted,
    available_at,
    batches,
    fingerprint,
    run,
)

CODES = [name for name in COLUMNS if name not in ("event_time", "amount", "quantity")]
PERSONAL = [name for name, _, _ in TOKENISED]
DECIMAL = pa.decimal128(18, 4)
LARGEST = 1e14


class Ingestion:
    """Holds the tokens given so far and the three tables they lead to."""

    def __init__(self, out: Path) -> None:
        self._activity, self._subjects, self._quarantine = (
            str(out / name) for name in ("activity", "subjects", "quarantine")
        )
        self._tokens: dict[str, dict[str, str]] = {domain: {} for _, domain, _ in TOKENISED}

    def take(self, paths: list[Path], form: str, number: int) -> Counted:
        """Commit the rows of some files."""
        frame = pd.concat([_read(path, form) for path in paths], ignore_index=True)
        read = len(frame)
        typed, reason = _validated(frame)
        self._set_aside(frame[reason.notna()], reason.dropna(), "rejected")
        typed = typed[reason.isna()]
        self._tokenise(typed)
        fresh, duplicates, conflicts = self._deduplicate(typed)
        self._set_aside(conflicts, pd.Series("conflict", index=conflicts.index), "conflict")
        self._append(fresh, number)
        quarantined = int(reason.notna().sum()) + len(conflicts)
        return Counted(read, len(fresh), duplicates, quarantined)

    def _tokenise(self, frame: pd.DataFrame) -> None:
        for name, domain, prefix in TOKENISED:
            known = self._tokens[domain]
            new = [value for value in frame[name].dropna().unique() if value not in known]
            tokens = [prefix + secrets.token_hex(16) for _ in new]
            known.update(zip(new, tokens, strict=True))
            found_by = [fingerprint(domain, value) for value in new]
            table = pa.table({"fingerprint": found_by, "domain": [domain] * len(new), "token": tokens})
            write_deltalake(self._subjects, table, mode="append")
            frame[name] = frame[name].map(known)

    def _deduplicate(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, int, pd.DataFrame]:
        """Return fresh rows, the number of duplicates, and rows whose id is known with other content."""
        again = frame.duplicated(["event_date", "event_id"])
        if DeltaTable.is_deltatable(self._activity):
            again |= frame["event_id"].isin(self._stored(frame, ["event_id"])["event_id"])
        if not again.any():
            return frame, 0, frame[:0]
        ids = frame.loc[again, "event_id"]
        first = frame[~again & frame["event_id"].isin(ids)]
        if DeltaTable.is_deltatable(self._activity):
            first = pd.concat([self._stored(frame, [*COLUMNS, "event_date"], ids), first])
        merged = frame.loc[again, [*COLUMNS, "event_date"]].merge(
            first, on=["event_date", "event_id"], how="left", suffixes=("", "_first")
        )
        same = np.ones(len(merged), dtype=bool)
        for name in COLUMNS:
            if name != "event_id":
                one, other = merged[name], merged[f"{name}_first"]
                same &= ((one == other) | (one.isna() & other.isna())).to_numpy()
        return frame[~again], int(same.sum()), frame[again][~same]

    def _stored(self, batch: pd.DataFrame, columns: list[str], ids: "pd.Series[str] | None" = None) -> pd.DataFrame:
        chosen = ds.field("event_date").isin(batch["event_date"].unique().tolist())
        if ids is not None:
            chosen &= ds.field("event_id").isin(ids.tolist())
        stored = DeltaTable(self._activity).to_pyarrow_dataset().to_table(columns=columns, filter=chosen)
        for name in ("amount", "quantity"):
            if name in columns:
                place = stored.schema.get_field_index(name)
                stored = stored.set_column(place, name, stored[name].cast(pa.float64()))
        rows: pd.DataFrame = stored.to_pandas()
        return rows

    def _append(self, frame: pd.DataFrame, number: int) -> None:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        for name in ("amount", "quantity"):
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table[name].cast(DECIMAL))
        now = datetime.now(UTC)
        for name, value in (("ingested_at", now), ("ingest_seq", number), ("contract_version", 1)):
            table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
        write_deltalake(self._activity, table, mode="append", partition_by=["event_date"])

    def _set_aside(self, rows: pd.DataFrame, reason: "pd.Series[str]", kind: str) -> None:
        if len(rows):
            table = pa.Table.from_pandas(rows[["source_file", "source_line"]].assign(reason=reason, kind=kind))
            write_deltalake(
                self._quarantine, table.select(["source_file", "source_line", "reason", "kind"]), mode="append"
            )


def _read(path: Path, form: str) -> pd.DataFrame:
    if form == "parquet":
        frame: pd.DataFrame = _told_apart(pq.read_table(path)).to_pandas()
    elif form == "csv":
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    else:
        with gzip.open(path) as lines:
            frame = pd.DataFrame([orjson.loads(line) for line in lines], columns=list(COLUMNS))
    return frame.assign(
        source_file="/".join(path.parts[-4:]),
        source_line=np.arange(1, len(frame) + 1),
        available_at=available_at(path),
    )


def _told_apart(table: pa.Table) -> pa.Table:
    """Turn NaN into infinity, which no check lets through: pandas would take it for a missing value."""
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table[field.name]
            table = table.set_column(place, field, pc.if_else(pc.is_nan(column), float("inf"), column))
    return table


def _validated(frame: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Return the typed rows and, for each, the first reason to refuse it."""
    reason = pd.Series(None, index=frame.index, dtype=object)

    def refuse(rows: "pd.Series[bool]", why: str) -> None:
        reason[rows & reason.isna()] = why

    typed = frame.copy(deep=False)
    for name in REQUIRED:
        refuse(frame[name].isna(), f"missing:{name}")
    for name in CODES:
        text = frame[name].astype("string[pyarrow]")
        allowed = r"^[!-~](?:[ -~]*[!-~])?$" if name in PERSONAL else r"^[!-?A-~](?:[ -?A-~]*[!-?A-~])?$"
        wrong = (text.str.len() > LONGEST_CODE) | ~text.str.contains(allowed)
        refuse(wrong.fillna(False).astype(bool), f"wrong_type:{name}")
    for name in ("amount", "quantity"):
        number = pd.to_numeric(frame[name], errors="coerce").astype("float64").round(4)
        refuse(frame[name].notna() & ~(number.abs() < LARGEST), f"wrong_type:{name}")
        typed[name] = number
    time = pd.to_datetime(frame["event_time"], format="ISO8601", utc=True, errors="coerce").astype(
        "datetime64[us, UTC]"
    )
    refuse(time.isna(), "wrong_type:event_time")
    refuse((time < FLOOR) | (time > frame["available_at"] + SKEW), "out_of_range:event_time")
    typed["event_time"] = time
    typed["event_date"] = time.dt.date
    return typed, reason


def ingest(form: str, landing: Path, out: Path) -> Counted:
    """Ingest a landing zone, a day of files per commit."""
    out.mkdir(parents=True)
    job = Ingestion(out)
    taken = (job.take(paths, form, number) for number, paths in enumerate(batches(landing, form), start=1))
    return sum(taken, Counted())


if __name__ == "__main__":
    run(ingest)
