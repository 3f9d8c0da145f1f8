"""A lake of seeded events, what DuckDB makes of it, and what Spark makes of it."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest

from churn.contracts import load_contract
from churn.features.build import build_features
from churn.features.catalogue import TABLE
from churn.features.feature_set import FeatureSet
from churn.features.recipe import variables
from churn.features.settings import FeatureSettings
from churn.features.tables import ACTIVITY, EVENTS, RECORDS, ROLLUPS, SEQUENCE
from churn.lake.create import create_table
from churn.lake.snapshot import take_snapshot
from churn.lake.table import open_table
from churn.settings import Stream
from tests.spark.history import make_history

SEED = 20240229
SETTINGS = FeatureSettings(horizon_days=30, cutoff_step_days=15, max_train_cutoffs=1)
HALFWAY = datetime(2024, 2, 20, 7, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Compared:
    """What both engines made of the same events."""

    built: FeatureSet
    duckdb: Tables
    spark: Tables


@pytest.fixture(scope="session")
def spark_python(project_root: Path, service_missing: Callable[[str], NoReturn]) -> Path:
    """The interpreter that has pyspark and dbt-spark."""
    python = project_root / ".venv-spark" / "bin" / "python"
    if not python.exists():
        service_missing(f"{python}: no such file; make test-spark makes it")
    return python


@pytest.fixture(scope="session")
def compared(project_root: Path, spark_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """One build by each engine, of events that came in two ingestions."""
    folder = tmp_path_factory.mktemp("spark")
    url = str(folder / "lake")
    history = make_history(SEED)
    later = pl.col("available_at") > HALFWAY
    append(url, "customers", history.customers)
    append(url, "subscriptions", history.subscriptions)
    append(url, "activity", history.activity.filter(~later))
    append(url, "activity", history.activity.filter(later))

    built = build_features(
        take_snapshot(url),
        SETTINGS,
        lake_url=url,
        dbt_dir=project_root / "dbt",
        work_dir=folder / "work",
        clock=lambda: NOW,
    )
    run_on_spark(spark_python, project_root / "dbt", built, folder)
    return Compared(
        built,
        {TABLE: built.frame(built.cutoffs.all), **{name: rollup(url, name) for name in ROLLUPS}},
        {name: pl.read_parquet(folder / "results" / name / "*.parquet") for name in (TABLE, *ROLLUPS)},
    )


def append(url: str, stream: Stream, rows: pl.DataFrame) -> None:
    contract = load_contract(stream)
    table = create_table(f"{url}/{stream}", contract.schema, name=stream, partition_by=contract.partition)
    known = rows.with_columns(
        pl.col(contract.time).dt.date().alias(contract.partition),
        pl.lit(table.fence("ingest") + 1, pl.Int64).alias(SEQUENCE),
    )
    gaps = [pl.lit(None, dtype).alias(name) for name, dtype in contract.schema.items() if name not in known.columns]
    table.append(known.with_columns(gaps).select(contract.schema.names()), fence="ingest")


def rollup(url: str, name: str) -> pl.DataFrame:
    table = open_table(f"{url}/{name}")
    assert table is not None
    return table.scan(ROLLUPS[name]).collect()


def run_on_spark(python: Path, project: Path, built: FeatureSet, folder: Path) -> None:
    """Run dbt in a Spark session of its own, over the snapshot of a build, in a folder that takes what Spark leaves."""
    sources = {ACTIVITY: EVENTS, **RECORDS}
    tables = {name: built.snapshot.open(name).scan(columns).collect() for name, columns in sources.items()}
    tables |= {name: pl.DataFrame(schema=columns) for name, columns in ROLLUPS.items()}
    for name, rows in tables.items():
        (folder / "sources" / name).mkdir(parents=True)
        rows.write_parquet(folder / "sources" / name / "rows.parquet")
    request = {
        "project": str(project),
        "sources": {name: str(folder / "sources" / name) for name in tables},
        "variables": {
            **variables(built.recipe, built.cutoffs.all),
            "expected_events": built.snapshot.tables[ACTIVITY].rows,
        },
        "results": {name: str(folder / "results" / name) for name in (TABLE, *ROLLUPS)},
    }
    session = folder / "session"
    session.mkdir()
    ended = subprocess.run(
        [python, Path(__file__).with_name("session.py")],
        input=json.dumps(request),
        cwd=session,
        env={**os.environ, "DO_NOT_TRACK": "1", "SPARK_LOCAL_IP": "127.0.0.1", "TMPDIR": str(session)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        pytest.fail(f"Spark or dbt failed:\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}")
