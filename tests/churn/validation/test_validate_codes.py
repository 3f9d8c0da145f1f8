from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn.contracts import Contract, load_contract
from churn.validation.codes import _LONG, cast_code
from churn.validation.validate import Validated

Check = Callable[..., Validated]


@pytest.mark.parametrize(
    ("given", "then", "repair"),
    [
        ("shoe", "shoe", None),
        ("United Kingdom", "United Kingdom", None),
        ("  shoe\t", "shoe", "trimmed:item_id"),
        ("\u00a0shoe\u2003", "shoe", "trimmed:item_id"),
        ("", None, None),
        (" \r\n ", None, None),
        ("🛒🇩🇪", "🛒🇩🇪", None),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0", None),
        ("@home", "@home", None),
        ("shirt [red]", "shirt [red]", None),
        ("13995.0", "13995.0", None),
        ("x" * 128, "x" * 128, None),
        ("ß" * 128, "ß" * 128, None),
        ("NaN", "NaN", None),
        ("a\\b", "a\\b", None),
    ],
)
def test_text_code_is_kept_or_mended(check: Check, given: str, then: str | None, repair: str | None) -> None:
    result = check({"item_id": [given, "clean"]})
    assert result.frame["item_id"].to_list() == [then, "clean"]
    assert result.repairs["kind"].to_list() == ([repair] if repair else [])
    assert result.repairs["rows"].to_list() == ([1] if repair else [])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("x" * 129, "too_long"),
        ("ß" * 129, "too_long"),
        ("a\x00b", "control_character"),
        ("a\nb", "control_character"),
        ("a\x7fb", "control_character"),
        ("a\x85b", "control_character"),
        ("jo@example.org", "looks_personal"),
        ("Jo <jo@example.org>", "looks_personal"),
        ('{"id": 1}', "wrong_type"),
        (" [1, 2]", "wrong_type"),
    ],
)
def test_bad_text_code_is_rejected_once(check: Check, given: str, reason: str) -> None:
    result = check({"item_id": ["clean", given]})
    assert result.rejects.rows() == [(0, 2, reason, "item_id")]
    assert result.frame["item_id"].to_list() == ["clean"]
    assert result.repairs.height == 0


@pytest.mark.parametrize(
    ("given", "then", "repair"),
    [
        ("13995.0", "13995", "float_id:customer_id"),
        (" 13995.000 ", "13995", "float_id:customer_id"),
        ("13995", "13995", None),
        ("13995.5", "13995.5", None),
        ("v1.0", "v1.0", None),
        ("jo@example.org", "jo@example.org", None),
    ],
)
def test_subject_written_as_float_is_the_same_customer(check: Check, given: str, then: str, repair: str | None) -> None:
    result = check({"customer_id": [given]})
    assert result.frame["customer_id"].to_list() == [then]
    assert (repair in result.repairs["kind"].to_list()) is bool(repair)


def test_other_personal_fields_may_hold_an_address(check: Check, activity_v2: Contract) -> None:
    result = check({"loyalty_card": ["jo@example.org", "12.0"]}, activity_v2)
    assert result.frame["loyalty_card"].to_list() == ["jo@example.org", "12.0"]


def test_field_may_set_its_own_longest_code(check: Check, activity_v2: Contract) -> None:
    result = check({"device": ["x" * 8, "x" * 9]}, activity_v2)
    assert result.rejects["reason"].to_list() == ["too_long"]


@pytest.mark.parametrize(
    ("values", "dtype", "then", "repaired"),
    [
        ([1, 13995, None], pl.Int64, ["1", "13995", None], 0),
        ([2**64 - 1], pl.UInt64, ["18446744073709551615"], 0),
        ([1.0, 13995.0, None], pl.Float64, ["1", "13995", None], 2),
        ([13995.0], pl.Float32, ["13995"], 1),
        ([Decimal("13995.00")], pl.Decimal(10, 2), ["13995"], 1),
        (["red", None], pl.Categorical, ["red", None], 0),
        (["red"], pl.Enum(["red"]), ["red"], 0),
        ([None], pl.Null, [None], 0),
        ([None], pl.List(pl.String), [None], 0),
    ],
)
def test_typed_column_becomes_text_where_lossless(
    check: Check, values: list[Any], dtype: Any, then: list[str | None], repaired: int
) -> None:
    result = check({"item_id": pl.Series(values, dtype=dtype)})
    assert result.frame["item_id"].to_list() == then
    counted = result.repairs.filter(pl.col("kind") == "float_id:item_id")["rows"].to_list()
    assert counted == ([repaired] if repaired else [])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True], pl.Boolean),
        ([1.5], pl.Float64),
        ([float("nan")], pl.Float64),
        ([float("inf")], pl.Float64),
        ([2.0**60], pl.Float64),
        ([Decimal("1.50")], pl.Decimal(10, 2)),
        ([b"abc"], pl.Binary),
        ([["a"]], pl.List(pl.String)),
        ([{"a": 1}], pl.Struct({"a": pl.Int64})),
        ([date(2026, 1, 1)], pl.Date),
        ([datetime(2026, 1, 1)], pl.Datetime("us")),
        ([timedelta(1)], pl.Duration("us")),
    ],
)
def test_column_of_another_type_is_rejected_row_by_row(check: Check, values: list[Any], dtype: Any) -> None:
    result = check({"item_id": pl.Series([*values, None], dtype=dtype)})
    assert result.rejects.rows() == [(0, 1, "wrong_type", "item_id")]
    assert result.frame["__line"].to_list() == [2]


VALUES = ["web", "United Kingdom", " web", "", "a@b.c", "x" * 129, "🛒", "=cmd", '{"a": 1}', "a\nb", None]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(VALUES), min_size=1, max_size=5), st.lists(st.sampled_from(VALUES), max_size=2))
def test_a_long_column_of_few_values_is_read_as_each_of_them_is(
    values: list[str | None], rare: list[str | None]
) -> None:
    # given a column long enough to be read by its values, and some that a sample of it may not hold
    field = next(field for field in load_contract("activity").fields if field.name == "item_id")
    alone = {value: cast_code(pl.Series([value], dtype=pl.String), field) for value in {*values, *rare}}
    column = [*values * (_LONG // len(values) + 1), *rare]

    # when it is cast
    together = cast_code(pl.Series(column, dtype=pl.String), field)

    # then each row has the value, the fault and the repairs that its text has alone
    expected = {
        value: (cast.values[0], cast.fault[0] if cast.fault is not None else None) for value, cast in alone.items()
    }
    faults = together.fault.to_list() if together.fault is not None else [None] * len(column)
    assert list(zip(together.values.to_list(), faults, strict=True)) == [expected[value] for value in column]
    trimmed = together.repairs["trimmed"].to_list() if "trimmed" in together.repairs else [False] * len(column)
    assert trimmed == [value == " web" for value in column]


@pytest.mark.parametrize(
    ("odd", "coded"), [([], True), ([None], True), (["rare"], True), ([" web"], False), (["a@b.c"], False)], ids=str
)
def test_only_a_long_clean_column_of_few_values_is_held_as_codes(odd: list[str | None], coded: bool) -> None:
    field = next(field for field in load_contract("activity").fields if field.name == "item_id")
    column = pl.Series(["web", "store", None] * _LONG + odd, dtype=pl.String)

    values = cast_code(column, field).values

    assert isinstance(values.dtype, pl.Categorical) == coded
    assert isinstance(cast_code(column.head(_LONG - 1), field).values.dtype, pl.String)
    assert values.null_count() == column.null_count() + ("a@b.c" in odd)


def test_a_long_column_agrees_with_its_alias_and_takes_its_default(check: Check, activity_v2: Contract) -> None:
    channels = ["click", None, "purchase"] * _LONG
    result = check({"event_type": channels, "currency": ["EUR", None, "USD"] * _LONG}, activity_v2)
    assert result.frame["event_type"].to_list() == ["click", "purchase", "purchase"] * _LONG
    assert result.frame["currency"].to_list() == ["EUR", "EUR", "USD"] * _LONG
    assert result.repairs.rows() == [(0, "default:currency", _LONG), (0, "default:event_type", _LONG)]
