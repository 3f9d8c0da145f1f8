"""Tokens a process knows already, found whole columns at a time.

Open addressing with linear probing over a 64-bit hash of the value: a join would build its hash table anew for every
batch, at twice the cost. The hash only says where to look. A token is given only to a value that equals, letter
for letter, the one it was made for, so values whose hashes collide keep their own tokens.
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_NOBODY: Final = 0
"""The row of no value, and the hash of an empty slot: what is unknown gets row 0's token, which is null."""


class KnownTokens:
    """Raw values of one kind with their tokens; about 260 bytes and the value itself for each."""

    def __init__(self, seed: int) -> None:
        """Start empty; an unpredictable `seed` keeps others from choosing values that all fall together."""
        self._seed = seed
        self._raw = pl.Series("raw", [None], dtype=pl.String)
        self._tokens = pl.Series("token", [None], dtype=pl.Categorical(pl.Categories.random()))
        self._make_room()

    def __len__(self) -> int:
        return self._raw.len() - 1

    def tokens(self, values: pl.Series) -> pl.Series:
        """Return the token of each value (Categorical), null where it is unknown or null."""
        hashes = self._hash(values)
        slots = self._home(hashes)
        self._walk(slots, hashes, np.flatnonzero(self._passed(slots, hashes)))
        rows = pl.Series(self._rows.take(slots))
        while (others := self._of_others(values, rows)).size:
            slots[others] = self._next(slots[others])
            self._walk(slots, hashes, others)
            rows = pl.Series(self._rows.take(slots))
        return self._tokens.gather(rows)

    def add(self, raw: pl.Series, tokens: pl.Series) -> None:
        """Remember values that are not known yet, each once, with their tokens."""
        first = self._raw.len()
        self._raw = pl.concat([self._raw, _copied(raw)], rechunk=True)
        self._tokens = pl.concat([self._tokens, tokens.cast(self._tokens.dtype)], rechunk=True)
        if 2 * self._raw.len() > self._rows.size:
            self._make_room()
            first = 1
        self._place(np.arange(first, self._raw.len(), dtype=np.uint32))

    def _make_room(self) -> None:
        """Take empty slots, at least twice as many as rows, by a power of two: a mask takes a hash to its slot."""
        size = 1 << (2 * self._raw.len()).bit_length()
        self._rows = np.full(size, _NOBODY, dtype=np.uint32)
        self._hashes = np.full(size, _NOBODY, dtype=np.uint64)

    def _place(self, rows: NDArray[np.uint32]) -> None:
        hashes = self._hash(self._raw.gather(rows))
        slots = self._home(hashes)
        while rows.size:
            free = self._rows[slots] == _NOBODY
            self._rows[slots[free]] = rows[free]
            # Of several rows that want one slot, one has it now.
            left = self._rows[slots] != rows
            self._hashes[slots[~left]] = hashes[~left]
            rows, hashes, slots = rows[left], hashes[left], self._next(slots[left])

    def _walk(self, slots: NDArray[np.intp], hashes: NDArray[np.uint64], moving: NDArray[np.intp]) -> None:
        """Move slots on, in place and some only, to the first that is empty or holds a value of the same hash."""
        while (moving := moving[self._passed(slots[moving], hashes[moving])]).size:
            slots[moving] = self._next(slots[moving])

    def _passed(self, slots: NDArray[np.intp], hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        held = self._hashes.take(slots)
        return np.not_equal(held, hashes) & np.not_equal(held, _NOBODY)

    def _of_others(self, values: pl.Series, rows: pl.Series) -> NDArray[np.intp]:
        """Return the positions whose row holds another value than theirs."""
        differs = self._raw.gather(rows).ne_missing(values) & (rows != _NOBODY)
        return differs.arg_true().to_numpy().astype(np.intp)

    def _hash(self, values: pl.Series) -> NDArray[np.uint64]:
        hashes: NDArray[np.uint64] = values.hash(self._seed).to_numpy()
        return np.maximum(hashes, np.uint64(1))

    def _home(self, hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
        return (hashes & np.uint64(self._rows.size - 1)).astype(np.intp)

    def _next(self, slots: NDArray[np.intp]) -> NDArray[np.intp]:
        return (slots + 1) & (self._rows.size - 1)


def _copied(texts: pl.Series) -> pl.Series:
    """Copy strings out of the columns they were picked from: a picked string keeps its whole column in memory.

    To append nothing is what makes Polars write each string anew, ten times as fast as by way of Python.
    """
    return texts + ""
