from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from churn.errors import ChurnError, SnapshotError
from churn.features import build as build_module
from churn.features import recipe as recipe_module
from churn.features.cutoffs import Cutoffs, plan_cutoffs
from churn.features.dbt import FeatureBuildFailed
from churn.features.settings import FeatureSettings
from churn.lake.snapshot import DataSnapshot
from churn.lake.table import open_table
from churn.lake.upkeep import compact

if TYPE_CHECKING:
    from tests.churn.features.conftest import FeatureLake

SETTINGS = FeatureSettings(horizon_days=10, active_days=30, min_history_days=5, max_train_cutoffs=1)
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROLLUP_TABLES = ("customer_days", "customer_day_values")


def event(customer: str, day: int, *, late_days: int = 0, **values: object) -> dict[str, object]:
    happened = START + timedelta(days=day)
    available = happened.replace(hour=13) + timedelta(days=late_days)
    row = {"customer_id": customer, "event_time": happened, "available_at": available, "event_type": "purchase"}
    return {**row, "amount": 2.5, "item_id": f"i{day % 3}", **values}


def regulars(first: int, last: int, customers: int = 5) -> list[dict[str, object]]:
    return [
        event(f"cus{number}", day)
        for day in range(first, last)
        for number in range(customers)
        if day % (number + 1) == 0
    ]


@pytest.fixture(scope="module")
def grown(new_lake: "Callable[[], FeatureLake]") -> "FeatureLake":
    """Two commits, then a third with late events, some of them inside cutoffs that are built already."""
    lake = new_lake()
    lake.add(regulars(0, 20))
    lake.add(regulars(20, 45))
    return lake


def lake_like(root: Path, dbt_dir: Path) -> "FeatureLake":
    """A lake with the same rows in whatever folder."""
    from tests.churn.features.conftest import FeatureLake

    lake = FeatureLake(root, dbt_dir)
    lake.add(regulars(0, 45))
    return lake


def rebuilt(lake: "FeatureLake", snapshot: DataSnapshot, folder: Path) -> str:
    """The digest of a build that finds nothing kept of earlier ones."""
    return lake.build(SETTINGS, snapshot, lake=str(folder)).digest


@pytest.mark.slow
def test_what_is_kept_of_earlier_builds_never_changes_the_rows(
    grown: "FeatureLake", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a first build that crashed between its rollups and the feature table
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    old = grown.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "publish", crash)
        with pytest.raises(KeyboardInterrupt):
            grown.build(SETTINGS)
    assert all(open_table(f"{grown.url}/{table}") for table in ROLLUP_TABLES)
    assert list((grown.root / "work").iterdir()) == []

    # When it runs again, then late events arrive and the rollups are compacted
    first = grown.build(SETTINGS)
    grown.add([event("cus0", 21, late_days=20, event_type="return"), event("cus1", 44, late_days=1)])
    second = grown.build(SETTINGS)
    for table in ROLLUP_TABLES:
        compact(grown.url, table, 2)
    older_again = grown.build(SETTINGS, old)

    # Then each is what a lake without rollups gives
    assert first.digest == older_again.digest == rebuilt(grown, old, tmp_path / "one")
    assert second.digest == rebuilt(grown, grown.snapshot(), tmp_path / "two") != first.digest
    days = open_table(f"{grown.url}/customer_days")
    assert days is not None
    assert days.scan(["events"]).sum().collect().item() == second.snapshot.tables["activity"].rows


def test_the_same_inputs_commit_nothing(grown: "FeatureLake") -> None:
    one = grown.build(SETTINGS)
    two = grown.build(SETTINGS.model_copy(update={"threads": 1}))

    assert one == two
    assert one.frame([one.cutoffs.test])["customer_id"].to_list() == [f"cus{number}" for number in range(5)]


def test_an_hour_that_touches_no_cutoff_runs_no_model_of_them(
    grown: "FeatureLake", monkeypatch: pytest.MonkeyPatch
) -> None:
    before = grown.build(SETTINGS)
    day = (before.watermark - START).days
    grown.add([event("cus3", day, event_type="click", available_at=before.watermark)])
    monkeypatch.setattr(build_module, "rows_of", lambda *_: pytest.fail("a cutoff was built"))

    after = grown.build(SETTINGS)

    assert after.digest == before.digest
    assert after.features.version == before.features.version + 1
    assert after.snapshot != before.snapshot


def test_an_unknown_cutoff_is_refused(grown: "FeatureLake") -> None:
    built = grown.build(SETTINGS)

    with pytest.raises(ChurnError, match="no cutoff 2031-01-01 in version"):
        built.frame([date(2031, 1, 1)])


@pytest.mark.parametrize(
    ("spoilt", "rows", "test"),
    [
        ({"event_id": "the same"}, slice(None), r"unique_\w+_event_id"),
        pytest.param(
            {"customer_id": None}, slice(3, 4), r"complete_stg_activity_customer_id_\w+", marks=pytest.mark.slow
        ),
    ],
)
def test_a_failing_data_test_is_named_and_nothing_is_written(
    new_lake: "Callable[[], FeatureLake]", spoilt: dict[str, object], rows: slice, test: str
) -> None:
    lake = new_lake()
    events = regulars(0, 45)
    events[rows] = [{**row, **spoilt} for row in events[rows]]
    lake.add(events)

    with pytest.raises(FeatureBuildFailed, match=f"dbt test {test} failed on 1 rows; nothing"):
        lake.build(SETTINGS)

    assert not any(open_table(f"{lake.url}/{table}") for table in ROLLUP_TABLES)
    features = open_table(f"{lake.url}/customer_snapshots")
    assert features is None or features.rows == 0


def test_a_lost_rollup_range_stops_the_build(new_lake: "Callable[[], FeatureLake]") -> None:
    lake = new_lake()
    lake.add(regulars(0, 45))
    lake.build(SETTINGS)
    lake.add(regulars(45, 46))
    days = open_table(f"{lake.url}/customer_days")
    assert days is not None
    kept = days.scan().collect().head(10)
    folder = Path(lake.url, "customer_days")
    file = folder / days.active["path"][0]
    kept.write_parquet(file)

    with pytest.raises(ChurnError, match="rollups_add_up"):
        lake.build(SETTINGS)


def test_no_rows_no_build(new_lake: "Callable[[], FeatureLake]") -> None:
    lake = new_lake()
    lake.add([])

    with pytest.raises(ChurnError, match="holds no rows; ingest activity first"):
        lake.build(SETTINGS)


def test_no_activity_no_build(new_lake: "Callable[[], FeatureLake]") -> None:
    with pytest.raises(SnapshotError, match="activity: not in this snapshot"):
        new_lake().build(SETTINGS, DataSnapshot(tables={}))


@pytest.mark.parametrize(
    ("column", "message"), [("available_at", "without available_at"), ("event_time", "event_time")]
)
def test_an_all_missing_column_is_named(new_lake: "Callable[[], FeatureLake]", column: str, message: str) -> None:
    lake = new_lake()
    rows = regulars(0, 45)
    lake.add(rows)
    table = open_table(f"{lake.url}/activity")
    assert table is not None
    emptied = table.scan().collect().with_columns(pl.lit(None).cast(table.schema[column]).alias(column))
    table.replace_files([], table.active, fence="ingest").append(emptied, fence="ingest")

    with pytest.raises(ChurnError, match=message):
        lake.build(SETTINGS)


def test_data_from_the_future_is_refused(new_lake: "Callable[[], FeatureLake]") -> None:
    lake = new_lake()
    lake.add([*regulars(0, 45), event("cus0", 3650)])

    with pytest.raises(ChurnError, match="a cutoff would lie in the future"):
        lake.build(SETTINGS)


def test_vacuumed_files_are_named(new_lake: "Callable[[], FeatureLake]") -> None:
    lake = new_lake()
    for first in (0, 15, 30):
        lake.add(regulars(first, first + 15))
    snapshot = lake.snapshot()
    activity = open_table(f"{lake.url}/activity")
    assert activity is not None
    for path in activity.active["path"][:3]:
        Path(activity.uri, path).unlink()

    with pytest.raises(SnapshotError, match=r"3 of .* files are missing"):
        lake.build(SETTINGS, snapshot)


@pytest.mark.slow
def test_names_of_folders_and_settings_of_other_dbt_projects_mean_nothing(
    dbt_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a folder whose name holds a quote and could be taken for a partition
    plain, odd = (lake_like(tmp_path / name, dbt_dir) for name in ("plain", "it's/plan=gold/[a b]"))
    monkeypatch.setenv("DBT_TARGET", "somewhere else")

    built = odd.build(SETTINGS)

    assert built.digest == plain.build(SETTINGS).digest
    assert built.frame([built.cutoffs.test])["plan"].null_count() == built.rows[str(built.cutoffs.test)]


def test_a_lake_that_was_moved_is_named_where_it_is_now(dbt_dir: Path, tmp_path: Path) -> None:
    lake = lake_like(tmp_path / "before", dbt_dir)
    before = lake.build(SETTINGS)
    lake.root.rename(tmp_path / "after")
    lake.root = tmp_path / "after"

    after = lake.build(SETTINGS)

    assert after.digest == before.digest
    assert [table.uri for table in after.snapshot.tables.values()] == [f"{lake.url}/activity"]
    assert after.features.uri == f"{lake.url}/customer_snapshots"


@pytest.mark.slow
def test_a_plan_of_cutoffs_that_the_program_makes_otherwise_now_is_built(
    dbt_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_like(tmp_path, dbt_dir)
    before = lake.build(SETTINGS)

    def one_day_earlier(first: date, watermark: datetime, settings: FeatureSettings) -> Cutoffs:
        return plan_cutoffs(first, watermark - timedelta(days=1), settings)

    monkeypatch.setattr(recipe_module, "plan_cutoffs", one_day_earlier)

    assert lake.build(SETTINGS).cutoffs.test == before.cutoffs.test - timedelta(days=1)
