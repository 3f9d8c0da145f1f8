import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from churn.privacy.halves import WIDTH, digits, halves

NAMES = ["high", "low"]


@given(st.lists(st.binary(min_size=WIDTH, max_size=WIDTH), max_size=9))
def test_what_is_cut_into_halves_comes_back_digit_for_digit(values: list[bytes]) -> None:
    pairs = halves(b"".join(values), NAMES)

    assert pairs.schema == {"high": pl.Int64, "low": pl.Int64}
    assert digits(pairs) == [value.hex() for value in values]


def test_the_halves_are_signed_integers_of_the_bytes_in_their_order() -> None:
    pairs = halves(bytes([*[0] * 7, 1, *[255] * 8]), NAMES)

    assert pairs.rows() == [(1, -1)]
