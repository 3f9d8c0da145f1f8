from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from churn.features.outcomes import AT, matured_until, outcomes
from churn.features.settings import FeatureSettings
from churn.lake.create import create_table
from churn.lake.table import Pinned

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HORIZON = timedelta(days=30)
SETTINGS = FeatureSettings(horizon_days=30, allowed_lateness_days=1)
MOMENT = pl.Datetime("us", "UTC")
LATER = NOON + timedelta(days=60)


def table(folder: Path, name: str, time: str, code: str, *rows: tuple[str, datetime, str, datetime]) -> Pinned:
    schema = pl.Schema({"customer_id": pl.String(), time: MOMENT, code: pl.String(), "available_at": MOMENT})
    made = create_table(f"{folder}/{name}", schema, name=name)
    return made.append(pl.DataFrame(list(rows), schema, orient="row"), fence="ingest")


def churned(folder: Path, *events: tuple[datetime, str], known_at: datetime = LATER, delay: float = 0) -> bool:
    activity = table(
        folder,
        "activity",
        "event_time",
        "event_type",
        *(("a", at, kind, at + timedelta(days=delay)) for at, kind in events),
        ("somebody else", NOON, "purchase", NOON),
    )
    asked = pl.DataFrame({"customer_id": ["a"], AT: [NOON]}, {"customer_id": pl.String, AT: MOMENT})
    return bool(outcomes(asked, activity, None, SETTINGS, known_at=known_at)["churned"][0])


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (timedelta(), False),
        (HORIZON - timedelta(microseconds=1), False),
        (HORIZON, True),
        (-timedelta(microseconds=1), True),
    ],
)
def test_the_horizon_holds_its_begin_and_not_its_end(tmp_path: Path, after: timedelta, left: bool) -> None:
    assert churned(tmp_path, (NOON + after, "purchase")) is left


def test_who_did_nothing_left(tmp_path: Path) -> None:
    assert churned(tmp_path)


def test_who_cancelled_left_whatever_else_happened(tmp_path: Path) -> None:
    assert churned(tmp_path, (NOON, "purchase"), (NOON + timedelta(days=3), "cancel"))


def test_what_was_not_known_yet_does_not_count(tmp_path: Path) -> None:
    assert churned(tmp_path, (NOON, "purchase"), delay=40, known_at=NOON + timedelta(days=31))


def test_a_subscription_that_ends_in_the_horizon_is_a_cancellation(tmp_path: Path) -> None:
    active = ("a", NOON, "purchase", NOON)
    activity = table(tmp_path, "activity", "event_time", "event_type", active)
    ends = NOON + timedelta(days=5)
    records = table(tmp_path, "subscriptions", "valid_from", "status", ("a", ends, "cancelled", ends))
    asked = pl.DataFrame(
        {"customer_id": ["a", "a"], AT: [NOON, NOON - timedelta(days=29)]}, {"customer_id": pl.String, AT: MOMENT}
    )

    found = outcomes(asked, activity, records, SETTINGS, known_at=LATER)

    assert found["churned"].to_list() == [True, False]


def test_a_label_matures_after_horizon_and_lateness() -> None:
    assert matured_until(NOON + timedelta(days=31), SETTINGS) == NOON
