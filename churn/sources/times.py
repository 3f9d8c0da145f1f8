"""Reading the times of an export: ISO 8601, seconds since 1970, or any strptime format, with or without an offset."""

from functools import reduce

import polars as pl

from churn.contracts.model import TIMESTAMP
from churn.sources.mapping import TimeMapping
from churn.sources.source import to_utc

_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"
_NAIVE = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_AWARE = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
_OUTPUT = "%Y-%m-%dT%H:%M:%S%.fZ"


def parse_times(value: pl.Expr, dtype: pl.DataType, time: TimeMapping) -> tuple[pl.Expr, pl.Expr]:
    """Return the UTC moment (null where unreadable) and the text to upload (as it was found where unreadable)."""
    moment = _moment(value, dtype, time)
    return moment, pl.coalesce(moment.dt.to_string(_OUTPUT), value.cast(pl.String))


def _moment(value: pl.Expr, dtype: pl.DataType, time: TimeMapping) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return value.dt.convert_time_zone("UTC").cast(TIMESTAMP)
    if isinstance(dtype, pl.Datetime | pl.Date):
        return to_utc(value.cast(pl.Datetime("us")), time.timezone)
    if time.format in ("epoch_s", "epoch_ms"):
        micros = 1_000_000 if time.format == "epoch_s" else 1_000
        return (value.cast(pl.Float64, strict=False) * micros).round().cast(pl.Int64, strict=False).cast(TIMESTAMP)
    text = value.cast(pl.String).str.strip_chars()
    if time.format != "iso":
        if "%z" in time.format:
            return _aware(text, (time.format,))
        return to_utc(_naive(text, (time.format,)), time.timezone)
    spaced = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt]", "$1 ")
    has_offset = spaced.str.contains(r"\d{2}:\d{2}.*" + _OFFSET)
    aware = _aware(spaced.str.replace("[Zz]$", "+00:00"), _AWARE)
    return pl.when(has_offset).then(aware).otherwise(to_utc(_naive(spaced, _NAIVE), time.timezone))


def _naive(text: pl.Expr, formats: tuple[str, ...]) -> pl.Expr:
    tries = [text.str.to_datetime(format, time_unit="us", strict=False) for format in formats]
    return reduce(lambda first, second: pl.coalesce(first, second), tries)


def _aware(text: pl.Expr, formats: tuple[str, ...]) -> pl.Expr:
    tries = [text.str.to_datetime(format, time_unit="us", time_zone="UTC", strict=False) for format in formats]
    return reduce(lambda first, second: pl.coalesce(first, second), tries)
