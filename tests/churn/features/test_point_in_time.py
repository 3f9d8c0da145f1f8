"""What may not be seen changes nothing: one build over many pairs of customers who differ in nothing else.

Hypothesis draws the histories; they go into one lake and one build, because a build costs seconds. The first of a pair
and the second share everything known at their cutoff and differ in all that was not: later events, events that became
available later, records that began or arrived later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import hypothesis
import polars as pl
import polars.testing
import pytest
from hypothesis import strategies as st

from benchmarks.peers import features_polars
from churn.features.settings import FeatureSettings
from churn.lake.table import open_table

if TYPE_CHECKING:
    from churn.features.feature_set import FeatureSet
    from tests.churn.features.conftest import FeatureLake

Row = dict[str, object]

SETTINGS = FeatureSettings(horizon_days=30, active_days=60, min_history_days=20, max_train_cutoffs=2)
FIRST, LAST = datetime(2023, 12, 1, 12, tzinfo=UTC), datetime(2024, 5, 15, tzinfo=UTC)
# As planned from the two moments above; the leap day lies inside of most windows.
CUTOFFS = [date(2024, 1, 15), date(2024, 2, 14), date(2024, 3, 15), date(2024, 4, 14), date(2024, 5, 15)]
PAIRS = 250
EDGES = [timedelta(days=days) for days in (-90, -60, -30, -7, -1, 0, 29, 30)]
TYPES = ["purchase", "return", "click", "login", "cancel", "support_call"]


@dataclass(frozen=True)
class Pair:
    cutoff: date
    known: list[Row]
    hidden: tuple[list[Row], list[Row]]
    known_records: list[Row]
    hidden_records: tuple[list[Row], list[Row]]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def is_known(row: Row, happened: str, cutoff: date) -> bool:
    happened_at, available_at = row[happened], row["available_at"]
    assert isinstance(happened_at, datetime)
    assert isinstance(available_at, datetime)
    return happened_at < midnight(cutoff) and available_at <= midnight(cutoff)


@st.composite
def moments(draw: st.DrawFn, cutoff: date) -> tuple[datetime, datetime]:
    """When something happened and when it was available."""
    at_an_edge = draw(st.booleans())
    if at_an_edge:
        step = draw(st.sampled_from([timedelta(microseconds=-1), timedelta(), timedelta(hours=5, minutes=30)]))
        happened = midnight(cutoff) + draw(st.sampled_from(EDGES)) + step
    else:
        happened = draw(st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None))).replace(tzinfo=UTC)
    happened = min(max(happened, FIRST), LAST - timedelta(microseconds=1))
    hour = happened.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    late = draw(st.sampled_from([0, 0, 0, 1, 24, 70, 24 * 40]))
    return happened, min(hour + timedelta(hours=late), LAST)


@st.composite
def events(draw: st.DrawFn, cutoff: date) -> Row:
    happened, available = draw(moments(cutoff))
    cents = st.integers(-500_000, 500_000).map(lambda n: n / 100)
    return {
        "event_time": happened,
        "available_at": available,
        "event_type": draw(st.sampled_from(TYPES)),
        "amount": draw(st.none() | cents),
        "quantity": draw(st.none() | st.integers(-5, 5).map(float)),
        "channel": draw(st.none() | st.sampled_from(["web", "app"])),
        "item_id": draw(st.none() | st.sampled_from(["i1", "i2", "i3"])),
        "session_id": draw(st.none() | st.sampled_from(["s1", "s2"])),
        "country": draw(st.none() | st.sampled_from(["DE", "FR"])),
        "plan": draw(st.none() | st.sampled_from(["basic", "gold"])),
    }


@st.composite
def records(draw: st.DrawFn, cutoff: date) -> Row:
    happened, available = draw(moments(cutoff))
    return {
        "valid_from": happened,
        "available_at": available,
        "country": draw(st.none() | st.sampled_from(["DE", "FR"])),
        "segment": draw(st.none() | st.sampled_from(["s", "m"])),
        "plan": draw(st.none() | st.sampled_from(["basic", "gold"])),
        "status": draw(st.sampled_from(["active", "cancelled"])),
        "price": draw(st.none() | st.sampled_from([5.0, 9.99])),
    }


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    cutoff = draw(st.sampled_from(CUTOFFS))
    three = st.tuples(*[st.lists(events(cutoff), max_size=8)] * 3)
    three_records = st.tuples(*[st.lists(records(cutoff), max_size=2)] * 3)
    known, one, two = draw(three)
    known_records, one_records, two_records = draw(three_records)

    def seen(rows: list[Row], happened: str, wanted: bool) -> list[Row]:
        return [row for row in rows if is_known(row, happened, cutoff) is wanted]

    return Pair(
        cutoff,
        seen(known, "event_time", True),
        (seen(one, "event_time", False), seen(two, "event_time", False)),
        seen(known_records, "valid_from", True),
        (seen(one_records, "valid_from", False), seen(two_records, "valid_from", False)),
    )


@pytest.fixture(scope="module")
def drawn() -> list[Pair]:
    found: list[Pair] = []

    @hypothesis.settings(max_examples=PAIRS, phases=[hypothesis.Phase.generate], database=None)
    @hypothesis.given(pairs())
    def collect(pair: Pair) -> None:
        found.append(pair)

    collect()
    return found


@pytest.fixture(scope="module")
def lake(drawn: list[Pair], new_lake: "Callable[[], FeatureLake]") -> "FeatureLake":
    lake = new_lake()
    activity: list[Row] = [
        {"customer_id": "first", "event_time": FIRST, "available_at": FIRST + timedelta(hours=1), "event_type": "x"},
        {"customer_id": "last", "event_time": LAST, "available_at": LAST, "event_type": "x"},
    ]
    known_of: dict[str, list[Row]] = {"customers": [], "subscriptions": []}
    kept = {"customers": ("country", "segment"), "subscriptions": ("plan", "status", "price")}
    for number, pair in enumerate(drawn):
        for side in (0, 1):
            customer = {"customer_id": f"{number}-{side}"}
            activity += [{**row, **customer} for row in (*pair.known, *pair.hidden[side])]
            for stream, columns in kept.items():
                both = (*pair.known_records, *pair.hidden_records[side])
                times = ("valid_from", "available_at")
                known_of[stream] += [{**{name: row[name] for name in (*times, *columns)}, **customer} for row in both]
    lake.add(activity)
    lake.add(known_of["customers"], "customers")
    lake.add(known_of["subscriptions"], "subscriptions")
    return lake


@pytest.fixture(scope="module")
def built(lake: "FeatureLake") -> "FeatureSet":
    with pytest.MonkeyPatch.context() as patch:
        # A machine elsewhere must cut days at the same moments.
        patch.setenv("TZ", "America/New_York")
        return lake.build(SETTINGS)


@pytest.fixture(scope="module")
def rows(built: "FeatureSet") -> dict[tuple[date, str], Row]:
    frame = built.frame(built.cutoffs.all)
    return {(row["cutoff"], row["customer_id"]): row for row in frame.iter_rows(named=True)}


def test_the_cutoffs_are_those_the_histories_were_drawn_for(built: "FeatureSet") -> None:
    assert list(built.cutoffs.all) == CUTOFFS


def test_what_was_not_known_at_the_cutoff_changes_no_feature(
    drawn: list[Pair], rows: dict[tuple[date, str], Row]
) -> None:
    present = 0
    for number, pair in enumerate(drawn):
        one, two = ({**rows.get((pair.cutoff, f"{number}-{side}"), {})} for side in (0, 1))
        for row in (one, two):
            row.pop("customer_id", None)
            row.pop("churned", None)
        assert one == two, pair
        present += bool(one)
    assert present > PAIRS / 4


def test_the_label_is_what_happens_inside_the_horizon_and_nothing_else(
    drawn: list[Pair], rows: dict[tuple[date, str], Row]
) -> None:
    differing = 0
    for number, pair in enumerate(drawn):
        start = midnight(pair.cutoff)
        found = []
        for side in (0, 1):
            row = rows.get((pair.cutoff, f"{number}-{side}"))
            if row is None:
                continue
            window = [
                event["event_type"]
                for event in (*pair.known, *pair.hidden[side])
                if start <= event["event_time"] < start + timedelta(days=30)  # type: ignore[operator]
            ]
            ended = any(
                record["status"] == "cancelled" and start <= record["valid_from"] < start + timedelta(days=30)  # type: ignore[operator]
                for record in pair.hidden_records[side]
            )
            expected = not window or "cancel" in window or ended
            assert row["churned"] == (None if pair.cutoff == CUTOFFS[-1] else expected), pair
            found.append(row["churned"])
        differing += len(set(found)) == 2
    assert differing > 5


def test_every_row_is_what_the_program_by_hand_computes(lake: "FeatureLake", built: "FeatureSet") -> None:
    tables = {
        name: table.scan()
        for name in ("activity", "customers", "subscriptions")
        if (table := open_table(f"{lake.url}/{name}")) is not None
    }
    labelled = {day: day in built.cutoffs.labelled for day in built.cutoffs.all}
    expected = features_polars.features(tables, labelled, SETTINGS)

    ours = built.frame(built.cutoffs.all)
    assert ours.height > PAIRS
    pl.testing.assert_frame_equal(ours, expected.select(ours.columns), check_exact=True)
