import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from churn.contracts.model import load_contract
from churn.features.catalogue import Feature
from churn.lake.create import create_table
from churn.monitoring.predictions import (
    Predictions,
    UnfitPredictions,
    decoded,
    evenly,
    one_a_customer,
    open_predictions,
)
from churn.monitoring.windows import Window

CATALOGUE = (Feature("amount", "numeric", ""), Feature("plan", "categorical", ""))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def logged(number: int, **changes: object) -> dict[str, object]:
    return {
        "event_id": f"e{number}",
        "customer_id": f"c{number}",
        "event_time": NOON + timedelta(minutes=number),
        "available_at": NOON + timedelta(hours=1),
        "deployment": "churn",
        "bundle_digest": "ab",
        "features": json.dumps({"amount": number}),
        "score": 0.5,
        "contacted": True,
        "latency_ms": 1.0,
        "event_date": NOON.date(),
    } | changes


def lake(folder: Path, *rows: dict[str, object]) -> str:
    schema = load_contract("predictions").schema
    table = create_table(f"{folder}/predictions", schema, name="predictions", partition_by="event_date")
    frame = pl.DataFrame(list(rows), {name: kind for name, kind in schema.items() if name in rows[0]}, orient="row")
    missing = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in rows[0]]
    table.append(frame.with_columns(missing).select(schema.names()), fence="ingest")
    return str(folder)


def read(place: str, start: datetime = NOON, hours: float = 1) -> list[str]:
    return predictions(place).rows(Window(start, start + timedelta(hours=hours)))["event_id"].to_list()


def predictions(place: str) -> Predictions:
    return Predictions(open_predictions(place), "churn", "ab", NOON + timedelta(hours=2))


def test_a_window_holds_its_begin_and_not_its_end(tmp_path: Path) -> None:
    place = lake(tmp_path, *(logged(number) for number in (0, 59, 60)))

    assert read(place) == ["e0", "e59"]
    assert read(place, NOON + timedelta(hours=1)) == ["e60"]


def test_other_bundles_deployments_and_what_came_later_are_left_out(tmp_path: Path) -> None:
    later = NOON + timedelta(hours=3)
    place = lake(
        tmp_path,
        logged(1),
        logged(2, bundle_digest="cd"),
        logged(3, deployment="other"),
        logged(4, available_at=later),
    )

    assert read(place) == ["e1"]


def test_a_window_over_midnight_reads_both_days(tmp_path: Path) -> None:
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    known = {"available_at": NOON}
    place = lake(
        tmp_path,
        logged(1, event_time=midnight - timedelta(minutes=1), **known),
        logged(2, event_time=midnight, event_date=midnight.date(), **known),
    )

    assert read(place, midnight - timedelta(hours=1), 2) == ["e1", "e2"]


def test_without_a_table_there_are_no_rows(tmp_path: Path) -> None:
    assert read(str(tmp_path)) == []


def test_only_the_rows_that_are_compared_are_read_with_their_features(tmp_path: Path) -> None:
    known = predictions(lake(tmp_path, *(logged(number) for number in range(5))))
    window = Window(NOON, NOON + timedelta(hours=1))

    found = known.with_features(evenly(known.rows(window), 3), window)

    assert found.select("event_id", "features").rows() == [
        ("e0", '{"amount": 0}'),
        ("e2", '{"amount": 2}'),
        ("e4", '{"amount": 4}'),
    ]


def test_a_customer_counts_with_the_first_row_and_nobody_for_itself() -> None:
    rows = pl.DataFrame({"event_id": ["a", "b", "c", "d"], "customer_id": ["x", "x", None, None]})

    assert one_a_customer(rows)["event_id"].to_list() == ["a", "c", "d"]


def test_features_become_columns_and_what_is_not_given_is_missing() -> None:
    texts = ['{"amount": 3, "more": 1}', '{"plan": "basic"}', "{}", '{"amount": null, "plan": "a\\nb"}']

    found = decoded(pl.Series(texts), CATALOGUE)

    assert found.rows() == [(3.0, None), (None, "basic"), (None, None), (None, "a\nb")]


def test_no_row_has_every_column() -> None:
    assert decoded(pl.Series([], dtype=pl.String), CATALOGUE).schema == {"amount": pl.Float64, "plan": pl.String}


@pytest.mark.parametrize("text", ["nope", "[1]", '{"amount": 1} {"amount": 2}'])
def test_what_is_no_object_of_features_is_named(text: str) -> None:
    with pytest.raises(UnfitPredictions, match="predictions: "):
        decoded(pl.Series(['{"amount": 1}', text]), CATALOGUE)


def test_what_begins_like_a_compressed_file_is_named_and_not_unpacked() -> None:
    with pytest.raises(UnfitPredictions, match="predictions: "):
        decoded(pl.Series(["x^", '{"amount": 1}']), CATALOGUE)
