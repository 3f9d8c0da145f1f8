import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from churn.privacy.known import KnownTokens

VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["", "a", "ab", "a\0", "ä"])


def texts(values: list[str | None]) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


class Colliding(KnownTokens):
    """Every value has one of two hashes, whose slots are neighbours."""

    def _hash(self, values: pl.Series) -> NDArray[np.uint64]:
        hashes: NDArray[np.uint64] = (values.str.len_bytes().fill_null(0) % 2 + 1).cast(pl.UInt64).to_numpy()
        return hashes


@pytest.mark.parametrize("kind_of", [KnownTokens, Colliding])
@given(
    additions=st.lists(st.lists(VALUES, max_size=30, unique=True), max_size=6),
    asked=st.lists(st.none() | VALUES, max_size=40),
)
def test_every_value_gets_its_own_token_and_no_other(
    kind_of: type[KnownTokens], additions: list[list[str]], asked: list[str | None]
) -> None:
    known, expected = kind_of(seed=1), dict[str | None, str]()
    for values in additions:
        new = [value for value in values if value not in expected]
        tokens = [f"token-{len(expected) + i}" for i in range(len(new))]
        known.add(texts([*new]), texts([*tokens]))
        expected |= dict(zip(new, tokens, strict=True))
        some = [*values, *asked]
        assert known.tokens(texts(some)).to_list() == [expected.get(value) for value in some]
    assert len(known) == len(expected)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_the_values_added_do_not_hold_the_columns_they_were_picked_from() -> None:
    known, before = KnownTokens(seed=1), resident()
    for start in range(0, 200_000, 10_000):
        picked = pl.Series([f"{number:01000}" for number in range(start, start + 10_000)]).gather_every(4)
        known.add(picked, pl.Series(["token"]).new_from_index(0, picked.len()))

    assert resident() - before < 120 * 2**20


def test_another_seed_makes_other_hashes() -> None:
    column = texts(["a", "b"])
    assert KnownTokens(seed=1)._hash(column).tolist() != KnownTokens(seed=2)._hash(column).tolist()


def test_a_hundred_thousand_values_are_found_again_within_bounded_memory() -> None:
    known, raw = KnownTokens(seed=3), pl.Series([f"customer-{number}" for number in range(100_000)])
    tokens = pl.Series([f"cus_{number:032}" for number in range(100_000)])
    for at in range(0, raw.len(), 10_000):
        known.add(raw.slice(at, 10_000), tokens.slice(at, 10_000))

    assert known.tokens(raw.reverse()).equals(tokens.reverse())
    assert known.tokens(raw + "x").null_count() == raw.len()
    assert known._rows.nbytes + known._hashes.nbytes <= 4 * 12 * raw.len()
