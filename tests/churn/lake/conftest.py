import json
import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from churn.lake.create import create_table
from churn.lake.table import Pinned

SCHEMA = pl.Schema(
    [
        ("event_id", pl.String()),
        ("event_date", pl.Date()),
        ("amount", pl.Decimal(18, 4)),
        ("event_time", pl.Datetime("us", "UTC")),
        ("ingest_seq", pl.Int64()),
    ]
)


@pytest.fixture
def schema() -> pl.Schema:
    return SCHEMA


@pytest.fixture
def events() -> Callable[..., pl.DataFrame]:
    """Rows of the test table: one per id, on a day of January 2026, in order of the ids."""

    def make(*ids: str, day: int = 1) -> pl.DataFrame:
        columns = {
            "event_id": list(ids),
            "event_date": [date(2026, 1, day)] * len(ids),
            "amount": [f"{number}.25" for number in range(len(ids))],
            "event_time": [f"2026-01-{day:02}T10:00:00Z"] * len(ids),
            "ingest_seq": [1] * len(ids),
        }
        frame = pl.DataFrame(columns, schema_overrides={"event_date": pl.Date, "ingest_seq": pl.Int64})
        return frame.with_columns(
            pl.col("event_id").cast(pl.String),
            pl.col("amount").cast(pl.String).cast(pl.Decimal(18, 4)),
            pl.col("event_time").cast(pl.String).str.to_datetime(time_unit="us", time_zone="UTC"),
        )

    return make


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def table(lake: str) -> Pinned:
    return create_table(f"{lake}/activity", SCHEMA, name="activity", partition_by="event_date")


@pytest.fixture
def age() -> Callable[[str, float], None]:
    """Make all files below a table, and their removals in the log, look `days` older than they are."""

    def shift(uri: str, days: float) -> None:
        then = time.time() - days * 86400
        for path in Path(uri).rglob("*.parquet"):
            os.utime(path, (then, then))
        for path in Path(uri, "_delta_log").glob("*.json"):
            actions = [json.loads(line) for line in path.read_text().splitlines()]
            for action in actions:
                if "remove" in action:
                    action["remove"]["deletionTimestamp"] = int(then * 1000)
            path.write_text("\n".join(map(json.dumps, actions)) + "\n")

    return shift
