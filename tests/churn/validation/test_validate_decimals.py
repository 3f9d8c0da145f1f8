from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.contracts import ContractField
from churn.validation.blocks import Block
from churn.validation.decimals import _SUSPICIOUS, _is_plain, cast_decimal
from churn.validation.validate import Validated

Check = Callable[..., Validated]
AMOUNT = ContractField(name="amount", type="decimal")


@pytest.mark.parametrize(
    ("text", "then", "repair"),
    [
        ("12.34", "12.34", None),
        ("-0.0001", "-0.0001", None),
        ("+5", "5", None),
        (".5", "0.5", None),
        ("5.", "5", None),
        (" 5 ", "5", "trimmed:amount"),
        ("1e5", "100000", None),
        ("12E-1", "1.2", None),
        ("1000000e-10", "0.0001", None),
        ("0e400", "0", None),
        ("-0", "0", None),
        ("1.230000000", "1.23", None),
        ("99999999999999.9999", "99999999999999.9999", None),
        ("0.30000000000000004", "0.3", "rounded:amount"),
        ("1.9999999999999998", "2", "rounded:amount"),
        ("", None, None),
        ("  ", None, None),
    ],
)
def test_text_amount_is_exact(check: Check, text: str, then: str | None, repair: str | None) -> None:
    result = check({"amount": ["1", text]})
    assert result.frame["amount"].to_list() == [Decimal(1), None if then is None else Decimal(then)]
    assert result.repairs["kind"].to_list() == ([repair] if repair else [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "wrong_type"),
        ("inf", "wrong_type"),
        ("-Infinity", "wrong_type"),
        ("0x10", "wrong_type"),
        ("1,000", "wrong_type"),
        ("1,5", "wrong_type"),
        ("1_000", "wrong_type"),
        ("1 000", "wrong_type"),
        ("€5", "wrong_type"),
        ("5 EUR", "wrong_type"),
        ("5%", "wrong_type"),
        ("٣", "wrong_type"),
        (".", "wrong_type"),
        ("-", "wrong_type"),
        ("e5", "wrong_type"),
        ("--1", "wrong_type"),
        ("1.2.3", "wrong_type"),
        ("=1+1", "wrong_type"),
        ("true", "wrong_type"),
        ("100000000000000", "out_of_range"),
        ("-1e20", "out_of_range"),
        ("1e400", "out_of_range"),
        ("9" * 400, "out_of_range"),
        ("1e99999999999999999999", "out_of_range"),
        ("1.23456", "precision_loss"),
        ("1.99995", "precision_loss"),
        ("1e-5", "precision_loss"),
        ("123456.7895612345", "precision_loss"),
    ],
)
def test_bad_text_amount_is_rejected(check: Check, text: str, reason: str) -> None:
    result = check({"amount": ["1", text]})
    assert result.rejects.rows() == [(0, 2, reason, "amount")]


@pytest.mark.parametrize(
    ("values", "dtype", "then", "reasons"),
    [
        ([1.1, 12.34, 0.1 + 0.2], pl.Float64, ["1.1", "12.34", "0.3"], []),
        ([62231453319707.61, 1276247369426.8213], pl.Float64, ["62231453319707.61", "1276247369426.8213"], []),
        ([12.34], pl.Float32, ["12.34"], []),
        ([0.5], pl.Float16, ["0.5"], []),
        ([float("nan"), float("inf"), float("-inf")], pl.Float64, [], ["wrong_type"] * 3),
        ([1e14, -1e300], pl.Float64, [], ["out_of_range"] * 2),
        ([1.23456], pl.Float64, [], ["precision_loss"]),
        ([2**63 - 1, 7], pl.Int64, ["7"], ["out_of_range"]),
        ([2**64 - 1], pl.UInt64, [], ["out_of_range"]),
        ([3], pl.Int8, ["3"], []),
        ([10**30, 4], pl.Int128, ["4"], ["out_of_range"]),
        ([Decimal("1.50")], pl.Decimal(10, 2), ["1.5"], []),
        ([Decimal("1.1234560000"), Decimal("1.1234000000")], pl.Decimal(38, 10), ["1.1234"], ["precision_loss"]),
        ([Decimal(10) ** 30], pl.Decimal(38, 2), [], ["out_of_range"]),
        ([True], pl.Boolean, [], ["wrong_type"]),
        ([b"1"], pl.Binary, [], ["wrong_type"]),
        ([[1]], pl.List(pl.Int64), [], ["wrong_type"]),
        ([date(2026, 1, 1)], pl.Date, [], ["wrong_type"]),
        ([timedelta(1)], pl.Duration("us"), [], ["wrong_type"]),
    ],
)
def test_typed_amount(check: Check, values: list[Any], dtype: Any, then: list[str], reasons: list[str]) -> None:
    result = check({"amount": pl.Series([*values, None], dtype=dtype)})
    assert result.frame["amount"].to_list() == [*map(Decimal, then), None]
    assert result.rejects["reason"].to_list() == reasons


@given(st.decimals(min_value=-(10**14) + 1, max_value=10**14 - 1, places=4))
def test_any_amount_with_four_decimals_survives_text(amount: Decimal) -> None:
    for text in (f"{amount:f}", f"{amount:e}", f"{amount:f}000"):
        cast = cast_decimal(pl.Series([text]), AMOUNT)
        assert (cast.values.to_list(), cast.fault is None or cast.fault.to_list() == [None]) == ([amount], True)


@given(st.lists(st.floats(), min_size=1))
def test_floats_mean_the_same_typed_and_printed(numbers: list[float]) -> None:
    typed = cast_decimal(pl.Series(numbers, dtype=pl.Float64), AMOUNT)
    printed = cast_decimal(pl.Series(map(repr, numbers), dtype=pl.String), AMOUNT)
    nothing = pl.Series([None] * len(numbers), dtype=pl.String)
    assert typed.values.to_list() == printed.values.to_list()
    assert (nothing if typed.fault is None else typed.fault).to_list() == (
        nothing if printed.fault is None else printed.fault
    ).to_list()


@given(st.text(alphabet="0123456789.eE+-_ ,NnaifI", max_size=24))
def test_text_amount_is_refused_or_equals_what_python_reads(text: str) -> None:
    cast = cast_decimal(pl.Series([text]), AMOUNT)
    value = cast.values.item()
    if value is None:
        assert text.strip() == "" or (cast.fault is not None and cast.fault.item())
    else:
        assert abs(Decimal(text.strip()) - value) <= Decimal("1e-9") + abs(value) * Decimal("1e-14")


AMOUNTS = st.from_regex(r"-?[0-9]{0,2}\.[0-9]{3,6}", fullmatch=True) | st.text("0159.-e+ \n\0\u0660", max_size=9)


@given(st.lists(AMOUNTS, min_size=1, max_size=4))
def test_a_block_of_amounts_is_plain_where_the_pattern_finds_none_of_them(amounts: list[str]) -> None:
    data = "\n".join(amounts).encode()
    sizes = [len(amount.encode()) for amount in amounts]

    plain = _is_plain(Block(data, len(amounts), min(sizes), max(sizes)))

    assert plain == (not pl.Series(amounts, dtype=pl.String).str.contains(_SUSPICIOUS).any())
