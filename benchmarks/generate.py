"""Seeded activity events as hourly landing objects, with dirt whose amount is known exactly.

`python -m benchmarks.generate --events 1000000 --hours 72 --format csv` prints where they are, as JSON.
"""

import argparse
import gzip
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl

from churn.landing.layout import object_path

Format = Literal["jsonl.gz", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

START = datetime(2026, 1, 1, tzinfo=UTC)
UNPARSABLE = "n/a"
"""What stands in a broken amount; Parquet columns have a type, so there it is NaN."""

_GENERATION = 1
"""Goes up when the same plan gives other rows, so that cached landing zones are made anew."""
_BROKEN = -987654321.25
_HOUR_MS = 3_600_000
_EVENT_TYPES = ("click", "login", "purchase", "return")
_EVENT_SHARES = (0.55, 0.15, 0.27, 0.03)
_CHANNELS = ("web", "app", "store")
_MARKETS = (("DE", "EUR"), ("FR", "EUR"), ("GB", "GBP"), ("PL", "PLN"))


@dataclass(frozen=True)
class Plan:
    """How much is generated; the same plan always gives the same bytes."""

    events: int = 10_000_000
    customers: int = 200_000
    hours: int = 720
    seed: int = 20260101

    def __post_init__(self) -> None:
        if self.events < 50 * self.hours:
            raise ValueError(f"{self.events} events over {self.hours} hours: give every hour at least 50")

    @property
    def duplicates(self) -> int:
        """Rows that repeat another row exactly: 0.1 %, half of them an hour later."""
        return round(self.events * 0.001)

    @property
    def without_customer(self) -> int:
        """Rows without a customer: 0.05 %."""
        return round(self.events * 0.0005)

    @property
    def broken_amounts(self) -> int:
        """Rows whose amount is no number: 0.05 %."""
        return round(self.events * 0.0005)

    @property
    def appended(self) -> int:
        """Rows that an ingestion keeps."""
        return self.events - self.duplicates - self.without_customer - self.broken_amounts

    @property
    def end(self) -> datetime:
        """When the last landing hour has closed."""
        return START + timedelta(hours=self.hours)


def hourly(plan: Plan) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """Yield (landing hour, rows in the types of Parquet), one hour in memory at a time."""
    rng = np.random.default_rng(plan.seed)
    sizes = rng.multinomial(plan.events, np.full(plan.hours, 1 / plan.hours))
    dirty = rng.choice(plan.events, plan.events - plan.appended, replace=False)
    copies, nameless, broken = np.split(dirty, [plan.duplicates, plan.duplicates + plan.without_customer])
    people = _People.drawn(rng, plan.customers)
    before: pl.DataFrame | None = None
    first = 0
    for number, size in enumerate(sizes):
        hour = START + timedelta(hours=number)
        here = np.random.default_rng([plan.seed, number])
        frame = _clean(here, int(size), hour, people)
        without, wrong, again = (_inside(rows, first, int(size)) for rows in (nameless, broken, copies))
        soiled = frame.with_columns(
            customer_id=pl.when(~_mask(without, int(size))).then("customer_id"),
            amount=pl.when(_mask(wrong, int(size))).then(float("nan")).otherwise("amount"),
        )
        unsoiled = frame.filter(~_mask(np.concatenate([without, wrong, again]), int(size)))
        yield hour, _repeat(here, soiled, again, unsoiled, before if before is not None else unsoiled)
        before = unsoiled
        first += int(size)


def write(plan: Plan, form: Format, landing: Path) -> None:
    """Write one object per hour below `landing`."""
    for hour, frame in hourly(plan):
        path = landing / object_path("activity", hour, f"part-000.{form}")
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded(frame, form))


def encoded(frame: pl.DataFrame, form: Format) -> bytes:
    """Return the bytes an uploader would store: ISO times with milliseconds in text formats, types in Parquet."""
    buffer = io.BytesIO()
    if form == "parquet":
        frame.write_parquet(buffer)
        return buffer.getvalue()
    frame = frame.with_columns(pl.col("event_time").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    if form == "csv":
        amount = pl.when(pl.col("amount").is_nan()).then(pl.lit(UNPARSABLE)).otherwise(pl.col("amount").cast(pl.String))
        frame.with_columns(amount=amount).write_csv(buffer)
        return buffer.getvalue()
    frame.with_columns(pl.col("amount").fill_nan(_BROKEN)).write_ndjson(buffer)
    lines = buffer.getvalue().replace(str(_BROKEN).encode(), f'"{UNPARSABLE}"'.encode())
    return gzip.compress(lines, compresslevel=6, mtime=0)


def cache_folder() -> Path:
    """Return where landing zones are kept between runs: `$CHURN_BENCH_DIR`, or below the system's temporary folder."""
    return Path(os.environ.get("CHURN_BENCH_DIR") or Path(tempfile.gettempdir()) / "churn-bench")


def cached(plan: Plan, form: Format, folder: Path) -> Path:
    """Return the landing zone of a plan below `folder`, making it first when it is not there."""
    name = f"landing-g{_GENERATION}-{plan.events}-{plan.customers}-{plan.hours}-{plan.seed}-{form}"
    landing = folder / name
    if not landing.exists():
        partial = folder / f".{name}.{os.getpid()}"
        try:
            write(plan, form, partial)
            partial.replace(landing)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return landing


@dataclass(frozen=True)
class _People:
    """Customers, half of them known by e-mail address; every fourth has a second device."""

    names: pl.Series
    devices: pl.Series
    reach: np.ndarray[tuple[int], np.dtype[np.float64]]
    """Cumulated share of all events, by customer: a few are very active."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, customers: int) -> "_People":
        numbers = pl.Series(np.arange(customers) * 37 + 10_000_000).cast(pl.String)
        mail = pl.select("customer." + numbers + "@mail.example").to_series()
        devices = pl.Series(rng.integers(0, 2**63, customers + customers // 4)).cast(pl.String)
        weights = rng.lognormal(0.0, 1.0, customers)
        return cls(
            names=numbers.zip_with(pl.Series(np.arange(customers) % 2 == 0), mail),
            devices=devices.str.pad_start(19, "0"),
            reach=np.cumsum(weights) / weights.sum(),
        )


def _clean(rng: np.random.Generator, size: int, hour: datetime, people: _People) -> pl.DataFrame:
    who = np.minimum(np.searchsorted(people.reach, rng.random(size)), len(people.names) - 1)
    second = (who % 4 == 0) & (who // 4 + len(people.names) < len(people.devices)) & (rng.random(size) < 0.3)
    device = np.where(second, who // 4 + len(people.names), who)
    millis = int(hour.timestamp()) * 1000 + np.sort(rng.integers(0, _HOUR_MS, size))
    kind = rng.choice(len(_EVENT_TYPES), size, p=_EVENT_SHARES)
    market = who % len(_MARKETS)
    paid = pl.Series(kind >= 2)
    return pl.DataFrame(
        {
            "event_id": _ids(rng, size),
            "customer_id": people.names.gather(who),
            "event_time": pl.Series(millis * 1000).cast(pl.Datetime("us", "UTC")),
            "event_type": pl.Series(_EVENT_TYPES).gather(kind),
            "amount": pl.Series(np.round(rng.gamma(2, 20, size), 2)),
            "quantity": pl.Series(rng.integers(1, 6, size)),
            "currency": pl.Series([currency for _, currency in _MARKETS]).gather(market),
            "channel": pl.Series(_CHANNELS).gather(rng.integers(0, len(_CHANNELS), size)),
            "item_id": pl.Series(rng.integers(0, 50_000, size)).cast(pl.String),
            "session_id": pl.Series(rng.integers(0, 10**10, size)).cast(pl.String).str.pad_start(10, "0"),
            "country": pl.Series([country for country, _ in _MARKETS]).gather(market),
            "device_id": people.devices.gather(device),
        }
    ).with_columns(
        amount=pl.when(paid).then("amount"),
        quantity=pl.when(paid).then("quantity"),
        currency=pl.when(paid).then("currency"),
    )


def _ids(rng: np.random.Generator, size: int) -> pl.Series:
    """Return random 128-bit ids in hex: unlike counters, they do not compress away."""
    return pl.Series(np.frombuffer(rng.bytes(16 * size).hex().encode(), dtype="S32").astype("U32"), dtype=pl.String)


def _repeat(
    rng: np.random.Generator,
    frame: pl.DataFrame,
    places: np.ndarray[tuple[int], np.dtype[np.int64]],
    same_hour: pl.DataFrame,
    earlier: pl.DataFrame,
) -> pl.DataFrame:
    """Put copies of clean rows at `places`: of this hour at even ones, of the hour before at odd ones."""
    parts = []
    for source, chosen in ((same_hour, places[places % 2 == 0]), (earlier, places[places % 2 == 1])):
        rows = source[rng.integers(0, source.height, len(chosen))]
        parts.append(rows.with_columns(place=pl.Series(chosen, dtype=pl.Int64)))
    kept = frame.with_columns(place=pl.int_range(frame.height, dtype=pl.Int64)).filter(~_mask(places, frame.height))
    return pl.concat([kept, *parts]).sort("place").drop("place")


def _inside(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]], first: int, size: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return rows[(rows >= first) & (rows < first + size)] - first


def _mask(places: np.ndarray[tuple[int], np.dtype[np.int64]], size: int) -> pl.Series:
    mask = np.zeros(size, dtype=bool)
    mask[places] = True
    return pl.Series(mask)


def main() -> None:
    """Make the landing zone that the arguments describe and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=Plan.events)
    parser.add_argument("--customers", type=int, default=Plan.customers)
    parser.add_argument("--hours", type=int, default=Plan.hours)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--format", choices=FORMATS, default="jsonl.gz")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    asked = parser.parse_args()
    plan = Plan(asked.events, asked.customers, asked.hours, asked.seed)
    print(json.dumps({"landing": str(cached(plan, asked.format, asked.cache)), "appended": plan.appended}))


if __name__ == "__main__":
    main()
