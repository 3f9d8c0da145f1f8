from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.contracts import load_contract
from churn.errors import AccountingError
from churn.ingestion.deduplicate import Deduplicated, deduplicate, derive_keys

ACTIVITY = load_contract("activity")
COLUMNS = {name: dtype for name, dtype in ACTIVITY.schema.items() if name not in ("source_file", "source_line")}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {"customer_id": "cus_1", "event_time": datetime(2026, 3, 1, tzinfo=UTC), "event_type": "x"}
    full = [base | {"event_date": date(2026, 3, 1)} | row for row in rows]
    return pl.DataFrame(full, schema=COLUMNS).with_row_index("__line")


def stored(lake: pl.DataFrame) -> Callable[[Collection[str], Collection[date]], pl.LazyFrame]:
    def read(columns: Collection[str], dates: Collection[date]) -> pl.LazyFrame:
        return lake.lazy().filter(pl.col("event_date").is_in(list(dates))).select(columns)

    return read


def against(batch: pl.DataFrame, *known: pl.DataFrame) -> Deduplicated:
    return deduplicate(batch, ACTIVITY, stored(pl.concat([batch.clear(), *known])))


def ids(part: pl.DataFrame) -> list[str]:
    return part["event_id"].to_list()


def test_everything_new_stays_as_it_is() -> None:
    batch = frame({"event_id": "a"}, {"event_id": "b"})

    cut = against(batch, frame({"event_id": "c"}))

    assert cut.fresh.equals(batch)
    assert cut.duplicates.is_empty()
    assert cut.conflicts.is_empty()


def test_the_first_of_equal_ids_stays_and_nulls_compare_as_equal() -> None:
    batch = frame({"event_id": "a", "plan": None}, {"event_id": "a", "plan": None}, {"event_id": "a", "plan": "pro"})

    cut = against(batch)

    assert cut.fresh["__line"].to_list() == [0]
    assert cut.duplicates["__line"].to_list() == [1]
    assert cut.conflicts["__line"].to_list() == [2]


def test_text_held_as_codes_is_cut_as_text_is() -> None:
    # given ids, types and tokens as codes, where the lake has text; of one row the id is to be derived
    text = frame(
        {"event_id": "a", "plan": "pro"},
        {"event_id": "b", "plan": "pro"},
        {"event_id": "b", "plan": "free"},
        {"event_id": "c"},
        {"event_id": None},
        {"event_id": "a", "plan": "pro"},
    )
    lake = frame({"event_id": "a", "plan": "free"}, {"event_id": "c"})

    coded = text.with_columns(pl.selectors.string().cast(pl.Categorical(pl.Categories.random())))

    cut, expected = (deduplicate(derive_keys(batch, ACTIVITY), ACTIVITY, stored(lake)) for batch in (coded, text))

    assert [ids(part) for part in (cut.duplicates, cut.conflicts)] == [["c"], ["a", "b", "a"]]
    assert cut.fresh.cast({pl.Categorical: pl.String}).equals(expected.fresh)


def test_a_refused_row_is_in_no_part_and_never_the_first_of_its_id() -> None:
    batch = frame({"event_id": "a", "plan": "bad"}, {"event_id": "a"}, {"event_id": "a"}, {"event_id": None})
    sound = pl.Series([False, True, True, False])

    cut = deduplicate(derive_keys(batch, ACTIVITY, sound), ACTIVITY, stored(batch.clear()), sound)

    assert cut.fresh["__line"].to_list() == [1]
    assert cut.duplicates["__line"].to_list() == [2]
    assert cut.conflicts.is_empty()


def test_the_lake_comes_before_the_batch() -> None:
    cut = against(frame({"event_id": "a", "plan": "new"}, {"event_id": "b"}), frame({"event_id": "a", "plan": "old"}))

    assert ids(cut.fresh) == ["b"]
    assert ids(cut.conflicts) == ["a"]


def test_the_same_id_on_another_date_is_another_event() -> None:
    cut = against(frame({"event_id": "a"}), frame({"event_id": "a", "event_date": date(2026, 3, 2)}))

    assert ids(cut.fresh) == ["a"]


rows = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.sampled_from("abcd"),
            "plan": st.sampled_from(["p", "q", None]),
            "event_date": st.sampled_from([date(2026, 3, 1), date(2026, 3, 2)]),
        }
    ),
    max_size=12,
)


@given(before=rows, batch=rows)
def test_every_row_is_in_one_part_and_a_second_pass_finds_nothing_new(
    before: list[dict[str, Any]], batch: list[dict[str, Any]]
) -> None:
    lake = against(frame(*before)).fresh
    cut = against(frame(*batch), lake)

    lines = [*cut.fresh["__line"], *cut.duplicates["__line"], *cut.conflicts["__line"]]
    assert sorted(lines) == list(range(len(batch)))
    grown = pl.concat([lake, cut.fresh])
    assert not grown.select(pl.struct("event_id", "event_date").is_duplicated().any()).item()
    again = against(frame(*batch), lake, cut.fresh)
    assert again.fresh.is_empty()
    assert again.conflicts["__line"].to_list() == cut.conflicts["__line"].to_list()


def test_a_missing_key_is_derived_from_the_content_alone() -> None:
    first = derive_keys(frame({"event_id": None}, {"event_id": "given"}, {"event_id": None, "plan": "pro"}), ACTIVITY)
    second = derive_keys(frame({"event_id": None}).with_columns(__line=pl.lit(9, pl.UInt32)), ACTIVITY)

    derived = ids(first)
    assert derived[1] == "given"
    assert derived[0] != derived[2]
    assert ids(second) == [derived[0]]


text = st.text(st.characters(exclude_categories=["C"]), max_size=3)


@given(st.lists(st.tuples(text, text), min_size=2, max_size=2, unique=True))
def test_different_content_never_shares_a_derived_key(pair: list[tuple[str, str]]) -> None:
    one, other = (frame({"event_id": None, "channel": left, "item_id": right}) for left, right in pair)

    assert ids(derive_keys(one, ACTIVITY)) != ids(derive_keys(other, ACTIVITY))


def test_rows_in_full_are_read_only_for_keys_the_lake_may_hold() -> None:
    # given a batch that repeats one of its own keys on one day and one of the lake's on another
    first, second = {"event_date": date(2026, 3, 1)}, {"event_date": date(2026, 3, 2)}
    batch = frame({"event_id": "a", **first}, {"event_id": "a", **first}, {"event_id": "b", **second})
    lake = frame({"event_id": "b", **second})
    asked: list[tuple[int, list[date]]] = []

    def read(columns: Collection[str], dates: Collection[date]) -> pl.LazyFrame:
        asked.append((len(columns), sorted(dates)))
        return lake.lazy().filter(pl.col("event_date").is_in(list(dates))).select(columns)

    # when it is cut with the lake, and its first two rows without
    cut = deduplicate(batch, ACTIVITY, read)
    deduplicate(batch.head(2), ACTIVITY, read)
    # then keys are read of the days at hand, content once, and without need of the lake none
    assert (ids(cut.fresh), ids(cut.duplicates)) == (["a"], ["a", "b"])
    everything = len(ACTIVITY.columns) + 2
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    assert asked == [(2, days), (everything, days), (2, days[:1])]


def test_a_lake_that_gives_its_rows_in_another_order_is_not_taken_to_lack_them() -> None:
    lake = frame({"event_id": "a"}, {"event_id": "b"}, {"event_id": "c"})
    reads = iter([lake, lake.reverse()])

    with pytest.raises(AccountingError, match="1 rows were to be found again in the lake, 0 were"):
        deduplicate(frame({"event_id": "a"}), ACTIVITY, lambda columns, dates: next(reads).lazy().select(columns))
