import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from churn.contracts import ContractField
from churn.validation.blocks import rows_where
from churn.validation.casts import Cast
from churn.validation.codes import cast_code

CODES = [ContractField(name="code", type="code", personal=personal) for personal in ("no", "token", "subject")]
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


def last(cast: Cast) -> Cast:
    fault = None if cast.fault is None else cast.fault.tail(1)
    return Cast(cast.values.tail(1), fault, {kind: rows.tail(1) for kind, rows in cast.repairs.items()})


@pytest.mark.parametrize("field", CODES, ids=lambda field: field.personal)
@given(text=TEXTS)
@example(text="")
@example(text="a@b.c")
@example(text="13.00")
@example(text="é" * 128)
def test_a_code_means_the_same_alone_and_beside_a_bad_one(field: ContractField, text: str | None) -> None:
    alone = cast_code(pl.Series([text], dtype=pl.String), field)
    beside = cast_code(pl.Series(["[", text], dtype=pl.String), field)
    same(alone, last(beside))


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
