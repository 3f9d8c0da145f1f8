"""Deduplication by (date, key): same id and same content is a duplicate, same id and other content a conflict.

Rows are told apart by 64-bit hashes first; only rows whose hash occurs twice are compared in full, and only those
whose hash the lake knows with the lake, so that the usual batch, in which everything is new, pays for hashing alone.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

import numpy as np
import polars as pl

from churn.contracts import Contract
from churn.contracts.model import ATTRIBUTES
from churn.errors import AccountingError

_ROW = "__row"
_HASH = "__hash"


@dataclass(frozen=True)
class Deduplicated:
    """A batch cut in three; each row of the batch is in exactly one part, in its old order.

    Attributes:
        fresh: rows to append.
        duplicates: rows whose id and content are known.
        conflicts: rows whose id is known with other content; the first one ingested stays.
    """

    fresh: pl.DataFrame
    duplicates: pl.DataFrame
    conflicts: pl.DataFrame


def derive_keys(frame: pl.DataFrame, contract: Contract, sound: pl.Series | None = None) -> pl.DataFrame:
    """Fill a missing key with a digest of the token and every other contract field that holds something.

    Of a row that is not `sound` nothing is read.

    The digest is 128 bits of BLAKE2b in hex, the same for the same content wherever it is computed. Fields go in by
    name, empty ones and those at their default not at all, so that a column added to the contract leaves the keys of
    older rows as they are.
    """
    missing = frame[contract.key].is_null()
    if sound is not None:
        missing &= sound
    if not missing.any():
        return frame
    content = sorted(name for name in (*contract.columns, ATTRIBUTES) if name != contract.key)
    given = frame.filter(missing).with_columns(
        pl.when(pl.col(name).ne_missing(default)).then(name) for name, default in _defaults(contract).items()
    )
    texts = given.select(
        pl.concat_str(
            [pl.lit(contract.stream)] + [pl.lit(f"{name}=") + pl.col(name).cast(pl.String) for name in content],
            separator="\x1f",
            ignore_nulls=True,
        )
    )
    derived = [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts.to_series()]
    keys = frame[contract.key].cast(pl.String).to_frame().with_row_index(_ROW)
    patch = pl.DataFrame({_ROW: missing.arg_true(), contract.key: pl.Series(derived, dtype=pl.String)})
    return frame.with_columns(keys.update(patch, on=_ROW)[contract.key])


def deduplicate(
    frame: pl.DataFrame,
    contract: Contract,
    stored: Callable[[Collection[str], Collection[date]], pl.LazyFrame],
    sound: pl.Series | None = None,
) -> Deduplicated:
    """Cut a batch into fresh rows, duplicates and conflicts.

    Args:
        frame: validated rows with tokens and keys, in the order in which they count as first.
        contract: names of key, date partition and content columns.
        stored: gives the lake's rows, for the columns and dates asked for, each time in the same order.
        sound: mask of the rows that count, if not all do; the others are in no part.

    Raises:
        AccountingError: the lake's rows came in another order, so that some could not be found again.
    """
    key, day = contract.key, contract.partition
    identity = _identity(contract)
    hashes = frame.select(identity).to_series()
    counted, dates = (hashes, frame[day]) if sound is None else (hashes.filter(sound), frame[day].filter(sound))
    days = dates.unique().to_list()
    known = stored([key, day], days).select(identity).collect(engine="streaming").to_series()
    twice = _repeated(pl.concat([counted, known]))
    if twice.is_empty():
        nothing = frame.clear()
        return Deduplicated(frame if sound is None else frame.filter(sound), nothing, nothing)
    repeated = hashes.is_in(twice.implode())
    rows = (repeated if sound is None else repeated & sound).arg_true()
    text = frame[rows].cast({pl.Categorical: pl.String})
    doubtful = text.with_columns(hashes.gather(rows), rows.alias(_ROW))
    in_lake = _stored(known, twice, contract, lambda columns: stored(columns, days))
    return _resolve(frame, doubtful, in_lake, contract, sound)


def _identity(contract: Contract) -> pl.Expr:
    """Return the hash that tells rows apart, as good as always."""
    return (pl.col(contract.key).cast(pl.String).hash() ^ pl.col(contract.partition).hash()).alias(_HASH)


def _repeated(hashes: pl.Series) -> pl.Series:
    """Return the values that occur more than once."""
    values = np.sort(hashes.to_numpy())
    return pl.Series(np.unique(values[1:][values[1:] == values[:-1]]))


def _stored(
    known: pl.Series, wanted: pl.Series, contract: Contract, stored: Callable[[Collection[str]], pl.LazyFrame]
) -> pl.DataFrame:
    """Return the lake's rows that have a wanted hash; where there are none, nothing is read.

    Only what lies from the first of them to the last is read: rows that come twice mostly came an hour ago.

    Args:
        known: the hashes of all rows, in their order.
        wanted: some hashes.
        contract: names of key, date partition and content columns.
        stored: gives some columns of all rows.
    """
    columns = [*contract.columns, ATTRIBUTES, contract.partition]
    places = known.is_in(wanted.implode()).arg_true()
    if places.is_empty():
        return pl.DataFrame(schema={name: contract.schema[name] for name in columns})
    first, last = places[0], places[-1]
    found = (
        stored(columns)
        .slice(first, last - first + 1)
        .filter(_identity(contract).is_in(wanted.implode()))
        .with_columns(pl.col(name).fill_null(default) for name, default in _defaults(contract).items())
        .collect(engine="streaming")
    )
    if found.height != places.len():
        raise AccountingError(
            f"{contract.stream}: {places.len()} rows were to be found again in the lake, {found.height} were; nothing "
            "was committed, please report this"
        )
    return found


def _resolve(
    frame: pl.DataFrame,
    doubtful: pl.DataFrame,
    in_lake: pl.DataFrame,
    contract: Contract,
    sound: pl.Series | None,
) -> Deduplicated:
    """Compare the doubtful rows in full with the first of each key, which the lake holds or the batch."""
    key, day = contract.key, contract.partition
    content = [*contract.columns, ATTRIBUTES]
    in_batch = doubtful.unique([day, key], keep="first").join(in_lake, on=[day, key], how="anti")
    first = pl.concat([in_lake.select(*content, day), in_batch.select(*content, day)])
    others = doubtful.join(in_batch.select(_ROW), on=_ROW, how="anti")
    compared = others.join(first, on=[day, key], how="left", suffix="__first", maintain_order="left")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}__first")) for name in content if name != key)
    duplicates = compared.filter(same)[_ROW]
    conflicts = compared.filter(~same)[_ROW]
    counted = pl.repeat(True, frame.height, dtype=pl.Boolean, eager=True) if sound is None else sound.clone()
    kept = counted.scatter(others[_ROW], False)
    return Deduplicated(
        fresh=frame.filter(kept),
        duplicates=frame[duplicates],
        conflicts=frame[conflicts],
    )


def _defaults(contract: Contract) -> dict[str, pl.Expr]:
    """Return the default of each field that has one: what a row holds that is older than the field."""
    return {
        field.name: pl.lit(field.typed_default, dtype=field.dtype)
        for field in contract.fields
        if field.default is not None
    }
