"""A hundred thousand seeded events and the records beside them, crowded where engines could disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import polars as pl

from churn.contracts.model import DECIMAL

Integers = npt.NDArray[np.int64]

EVENTS = 100_000
CUSTOMERS = 2_500
FIRST, LAST = datetime(2023, 9, 1, tzinfo=UTC), datetime(2024, 5, 30, 12, tzinfo=UTC)
LONG_AGO = datetime(2016, 2, 28, tzinfo=UTC)
_DAY, _HOUR = 86_400_000_000, 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Beyond ASCII, among it what sorts differently as UTF-8 and as UTF-16.
_COUNTRIES = ("DE", "AT", "de", "Åland", "日本", "\uffee", "\U0001f30d")
_PLANS = ("basic", "plus", "über")


@dataclass(frozen=True)
class History:
    """Rows without audit columns; a customer may stand in any of the three or none."""

    activity: pl.DataFrame
    customers: pl.DataFrame
    subscriptions: pl.DataFrame


def make_history(seed: int) -> History:
    """Draw a history: late uploads, midnights, a leap day, silent customers, codes that are missing."""
    rng = np.random.default_rng(seed)
    return History(_activity(rng), _customers(rng, 4_000), _subscriptions(rng, 4_000))


def _activity(rng: np.random.Generator) -> pl.DataFrame:
    # Few customers do most of it, and each stops somewhere.
    customer = (CUSTOMERS * rng.random(EVENTS) ** 2).astype(int)
    first, last = _microseconds(FIRST), _microseconds(LAST)
    joined = rng.integers(first, last - 30 * _DAY, CUSTOMERS)[customer]
    left = joined + rng.integers(_DAY, last - first, CUSTOMERS)[customer]
    happened = rng.integers(joined, np.minimum(left, last))
    old = rng.random(EVENTS) < 0.01
    happened = np.where(old, rng.integers(_microseconds(LONG_AGO), first, EVENTS), happened)
    happened = np.clip(_some_at_midnight(rng, happened), _microseconds(LONG_AGO), last - _HOUR)
    return pl.DataFrame(
        {
            "event_id": [f"e{number}" for number in range(EVENTS)],
            "customer_id": _names("c", customer),
            "event_time": _moments(happened),
            "available_at": _moments(_available(rng, happened)),
            "event_type": rng.choice(
                ["purchase", "return", "click", "login", "cancel", "support"],
                EVENTS,
                p=[0.4, 0.1, 0.3, 0.15, 0.01, 0.04],
            ),
            "amount": _decimals(rng, EVENTS),
            "quantity": _decimals(rng, EVENTS),
            "item_id": _some(rng, [f"i{number}" for number in range(200)], EVENTS),
            "channel": _some(rng, ["web", "app", "store"], EVENTS),
            "session_id": _some(rng, [f"s{number}" for number in range(9_000)], EVENTS),
            "country": _some(rng, _COUNTRIES, EVENTS, known=0.2),
            "plan": _some(rng, _PLANS, EVENTS, known=0.2),
        }
    )


def _customers(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    columns = {
        "country": _COUNTRIES,
        "segment": ("a", "b"),
        "age_band": ("18-30", "31+"),
        "income_band": ("low", "high"),
        "household": ("1", "2"),
    }
    codes = {name: _some(rng, values, rows) for name, values in columns.items()}
    return _records(rng, rows).with_columns(**{name: pl.Series(values) for name, values in codes.items()})


def _subscriptions(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    return _records(rng, rows).with_columns(
        plan=pl.Series(_some(rng, _PLANS, rows)),
        status=pl.Series(_some(rng, ["active", "paused", "cancelled", "expired"], rows)),
        price=_decimals(rng, rows),
    )


def _records(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    """Records of which several of a customer may be valid from the same midnight, known at different times."""
    valid = rng.integers(_microseconds(FIRST) - 400 * _DAY, _microseconds(LAST), rows)
    valid = np.minimum(_some_at_midnight(rng, valid), _microseconds(LAST) - _HOUR)
    return pl.DataFrame(
        {
            "record_id": [f"r{number}" for number in rng.permutation(rows)],
            "customer_id": _names("c", rng.integers(0, CUSTOMERS // 2, rows)),
            "valid_from": _moments(valid),
            "available_at": _moments(_available(rng, valid)),
        }
    )


def _some_at_midnight(rng: np.random.Generator, moments: Integers) -> Integers:
    """Move a third to a midnight, or to the microsecond beside it."""
    midnight = moments // _DAY * _DAY + rng.integers(-1, 2, len(moments))
    return np.where(rng.random(len(moments)) < 0.33, midnight, moments)


def _available(rng: np.random.Generator, happened: Integers) -> Integers:
    """The end of the hour, and for a fifth up to six weeks later; never after the last moment."""
    hours = np.where(rng.random(len(happened)) < 0.2, rng.integers(1, 1_000, len(happened)), 1)
    return np.minimum((happened // _HOUR + hours) * _HOUR, _microseconds(LAST))


def _decimals(rng: np.random.Generator, rows: int) -> pl.Series:
    """Amounts of every size that four decimal places allow, both signs, a fifth unknown."""
    size = rng.choice([10**4, 10**7, 10**9, 10**17], rows, p=[0.3, 0.5, 0.19, 0.01])
    drawn = [Decimal(int(number)).scaleb(-4) for number in rng.integers(-size, size)]
    return pl.Series([number if rng.random() < 0.8 else None for number in drawn], dtype=DECIMAL)


def _some(rng: np.random.Generator, codes: Sequence[str], rows: int, known: float = 0.8) -> list[str | None]:
    chosen, there = rng.integers(0, len(codes), rows), rng.random(rows) < known
    return [codes[number] if present else None for number, present in zip(chosen, there, strict=True)]


def _names(prefix: str, numbers: Integers) -> list[str]:
    return [f"{prefix}{number}" for number in numbers]


def _moments(microseconds: Integers) -> pl.Series:
    return pl.Series(microseconds, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))


def _microseconds(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds()) * 1_000_000
