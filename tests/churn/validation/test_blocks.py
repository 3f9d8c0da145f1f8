import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from churn.contracts import ContractField
from churn.validation.blocks import rows_where
from churn.validation.casts import Cast, overlay
from churn.validation.codes import cast_code
from churn.validation.decimals import cast_decimal

CODES = [ContractField(name="code", type="code", personal=personal) for personal in ("no", "token", "subject")]
AMOUNT = ContractField(name="amount", type="decimal")
TEXTS = st.one_of(
    st.text(alphabet=" !@.0129AZ[\\]`az{|}~\x00\x1f\x7f\x80\né", max_size=4),
    st.text(max_size=4),
    st.integers(126, 130).map(lambda size: "x" * size),
    st.none(),
)


def same(one: Cast, other: Cast) -> None:
    """Hold the casts of one value against each other, and what they say of it."""
    assert_series_equal(one.values, other.values, check_names=False)
    faults = [None if cast.fault is None else cast.fault.item() for cast in (one, other)]
    assert faults[0] == faults[1]
    repairs = [{kind for kind, rows in cast.repairs.items() if rows.item()} for cast in (one, other)]
    assert repairs[0] == repairs[1]


def row(cast: Cast, at: int) -> Cast:
    fault = None if cast.fault is None else cast.fault[[at]]
    return Cast(cast.values[[at]], fault, {kind: rows[[at]] for kind, rows in cast.repairs.items()})


@pytest.mark.parametrize("field", CODES, ids=lambda field: field.personal)
@given(text=TEXTS)
@example(text="")
@example(text="a@b.c")
@example(text="13.00")
@example(text="é" * 128)
def test_a_code_means_the_same_alone_and_beside_a_bad_one(field: ContractField, text: str | None) -> None:
    alone = cast_code(pl.Series([text], dtype=pl.String), field)
    beside = cast_code(pl.Series(["[", text], dtype=pl.String), field)
    same(alone, row(beside, 1))


def test_rows_are_found_in_the_blocks_that_are_not_plain() -> None:
    # given three blocks, the first of nothing but nulls, the last with an odd value
    text = pl.Series([None] * 32_768 + ["plain"] * 32_768 + ["plain", None, "odd"])
    # when they are looked through
    looked: list[int] = []

    def look(part: pl.Series) -> pl.Series:
        looked.append(part.len())
        return part == "odd"

    rows = rows_where(text, look, lambda block: not block.holds("odd"))
    # then one block was looked at, and one row found
    assert looked == [3]
    assert rows is not None
    assert rows.len() == text.len()
    assert rows.arg_true().to_list() == [65_538]
    assert rows_where(text, look, lambda block: True) is None


@given(text=st.text(alphabet="0159.-+e \n", max_size=9) | st.decimals(places=5, allow_nan=False).map(str) | st.none())
@example(text="1.2345")
@example(text="1.23456")
@example(text="-.00005")
@example(text="1\n2")
def test_an_amount_means_the_same_alone_and_beside_a_bad_one(text: str | None) -> None:
    alone = cast_decimal(pl.Series([text, "1.5"], dtype=pl.String), AMOUNT)
    beside = cast_decimal(pl.Series(["x", text], dtype=pl.String), AMOUNT)
    same(row(alone, 0), row(beside, 1))


def test_mended_rows_go_back_to_their_places_and_the_source_stays_as_it_was() -> None:
    values = pl.Series(["a", "b", None, "d"])
    rows = pl.Series([False, True, True, False])
    mended = Cast(
        pl.Series(["B", "C"]),
        pl.Series([None, "wrong_type"]),
        {"trimmed": pl.Series([True, None]), "rounded": pl.Series([None, None], dtype=pl.Boolean)},
    )

    cast = overlay(values, rows, mended)

    assert cast.values.to_list() == ["a", "B", "C", "d"]
    assert cast.fault is not None
    assert cast.fault.to_list() == [None, None, "wrong_type", None]
    masks = {kind: mask.to_list() for kind, mask in cast.repairs.items()}
    assert masks == {"trimmed": [False, True, False, False], "rounded": [False] * 4}
    assert values.to_list() == ["a", "b", None, "d"]
    assert overlay(values, rows, Cast(pl.Series(["B", "C"]), pl.Series([None, None], dtype=pl.String))).fault is None
