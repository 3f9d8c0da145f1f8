"""Times: ISO 8601 text and native dates to UTC microseconds, local times only where they are certain."""

import re

import polars as pl

from churn.contracts import ContractField
from churn.contracts.model import TIMESTAMP
from churn.validation.blocks import blocks
from churn.validation.casts import NO_FAULT, WRONG_TYPE, Cast, overlay, places, refuse
from churn.validation.moments import read_alike

_NAIVE = pl.Datetime("us")
_LAYOUT = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-](?:0\d|1[0-5]):?[0-5]\d)?", re.ASCII)
_ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]{1,9}))?)?"
    r" ?([Zz]|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)?)?$"
)
_SECOND = 1_000_000
_YEAR_1, _YEAR_9999 = -62_135_596_800 * _SECOND, 253_402_300_799 * _SECOND
"""What Python, Parquet and Delta readers agree on, in microseconds from 1970."""


def cast_timestamp(source: pl.Series, field: ContractField, timezone: str) -> Cast:
    """Cast a column of any type to UTC microseconds; a time without a zone is read in `timezone`."""
    dtype = source.dtype
    if dtype == pl.String:
        return _from_text(source, timezone)
    if isinstance(dtype, pl.Datetime):
        return _from_datetime(source, dtype, timezone)
    if dtype == pl.Date:
        days = source.cast(pl.Int64).clip(_YEAR_1 // (86_400 * _SECOND), _YEAR_9999 // (86_400 * _SECOND))
        local = (days * (86_400 * _SECOND)).cast(_NAIVE)
        cast = _localise(local, timezone)
        return Cast(cast.values, cast.fault, {"date_only": source.is_not_null()})
    return refuse(source, field.dtype)


def _from_datetime(source: pl.Series, dtype: pl.Datetime, timezone: str) -> Cast:
    """Bring any unit to microseconds, clipped to the years 1 to 9999 so that nothing overflows."""
    ticks = source.to_physical()
    repairs: dict[str, pl.Series] = {}
    if dtype.time_unit == "ns":
        repairs["truncated_time"] = (ticks % 1000 != 0).fill_null(False)
        ticks = ticks // 1000
    elif dtype.time_unit == "ms":
        ticks = ticks.clip(_YEAR_1 // 1000, _YEAR_9999 // 1000) * 1000
    moments = ticks.clip(_YEAR_1, _YEAR_9999).cast(_NAIVE)
    if dtype.time_zone is not None:
        return Cast(moments.dt.replace_time_zone("UTC"), None, repairs)
    cast = _localise(moments, timezone)
    return Cast(cast.values, cast.fault, {**repairs, "naive_time": source.is_not_null()})


def _from_text(text: pl.Series, timezone: str) -> Cast:
    """Read the rows written like the first one at once, the others part by part."""
    first = text.first(ignore_nulls=True)
    layout = _LAYOUT.fullmatch(first) if isinstance(first, str) else None
    if layout is None:
        rows = text.is_not_null()
        nulls = pl.Series([None], dtype=TIMESTAMP).new_from_index(0, text.len())
        return overlay(nulls, rows, _read(text.filter(rows), timezone)) if rows.any() else Cast(nulls)
    moments = _read_alike(text, layout)
    alike = moments.is_not_null()
    zone = layout.group(3)
    if zone:
        fast = Cast((moments - _offset(zone)).cast(_NAIVE).dt.replace_time_zone("UTC"))
    else:
        cast = _localise(moments.cast(_NAIVE), timezone)
        fast = Cast(cast.values, cast.fault, {"naive_time": alike})
    return _joined(fast, ~alike & text.is_not_null(), text, timezone)


def _read_alike(text: pl.Series, layout: re.Match[str]) -> pl.Series:
    """Return the microseconds of the rows written in a layout, its zone left aside; null for all others."""
    like, decimals = layout.group(0), max(0, len(layout.group(2) or "") - 1)
    parts = [pl.Series([], dtype=pl.Int64)]
    for part, block in blocks(text):
        if block is None:
            parts.append(pl.Series([None], dtype=pl.Int64).new_from_index(0, part.len()))
            continue
        read = read_alike(block.data, like, decimals) if block.shortest == block.longest == len(like) else None
        if read is None:
            parts.append(_read_each_alike(part, layout))
        elif read.size == part.len():
            parts.append(pl.Series(read))
        else:
            parts.append(pl.Series(read).gather(places(part.is_not_null())))
    return pl.concat(parts)


def _read_each_alike(text: pl.Series, layout: re.Match[str]) -> pl.Series:
    separator, fraction, zone = layout.groups(default="")
    shape = (
        rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{separator}[0-9]{{2}}:[0-9]{{2}}:[0-5][0-9]"
        rf"{rf'[.][0-9]{{{len(fraction) - 1}}}' if fraction else ''}{re.escape(zone)}$"
    )
    text = pl.select(pl.when(text.str.contains(shape)).then(text)).to_series()
    moments = (
        text.str.slice(0, 19)
        .str.to_datetime(f"%Y-%m-%d{separator}%H:%M:%S", time_unit="us", strict=False, cache=False)
        .to_physical()
    )
    if fraction:
        moments += text.str.slice(20, len(fraction) - 1).cast(pl.Int64, strict=False) * 10 ** (7 - len(fraction))
    return moments


def _joined(fast: Cast, rows: pl.Series, text: pl.Series, timezone: str) -> Cast:
    """Complete `fast` with the rows of the mask, read part by part."""
    if not rows.any():
        return fast
    slow = overlay(fast.values, rows, _read(text.filter(rows), timezone))
    fault = slow.fault
    if fast.fault is not None:
        fault = fast.fault if fault is None else fault.zip_with(rows, fast.fault)
    repairs = dict(fast.repairs)
    for kind, mask in slow.repairs.items():
        repairs[kind] = repairs[kind] | mask if kind in repairs else mask
    return Cast(slow.values, fault, repairs)


def _offset(zone: str) -> int:
    """Return the microseconds that a zone such as `+02:00` lies east of UTC."""
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return (-minutes if zone[0] == "-" else minutes) * 60 * _SECOND


def _read(raw: pl.Series, timezone: str) -> Cast:
    """Read any ISO 8601 variant part by part."""
    text = pl.col("raw").str.strip_chars()
    zone = pl.col("zone")
    hours = zone.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = zone.str.extract(r"([0-9]{2})$").cast(pl.Int64, strict=False)
    away = pl.when(zone.str.len_bytes() == 3).then(hours * 60).otherwise(hours * 60 + minutes)
    east = pl.when(zone.str.starts_with("-")).then(-away).otherwise(away)
    frame = (
        pl.DataFrame({"raw": raw})
        .with_columns(text=text, parts=text.str.extract_groups(_ISO))
        .with_columns(
            day=pl.col("parts").struct.field("1").str.to_date("%Y-%m-%d", strict=False),
            time=pl.col("parts").struct.field("2").is_not_null(),
            seconds=pl.sum_horizontal(
                pl.col("parts").struct.field(part).cast(pl.Int64, strict=False).fill_null(0) * unit
                for part, unit in (("2", 3600), ("3", 60), ("4", 1))
            ),
            nanoseconds=pl.col("parts").struct.field("5").str.pad_end(9, "0").cast(pl.Int64).fill_null(0),
            zone=pl.col("parts").struct.field("6"),
        )
        .with_columns(
            local=(
                pl.col("day").cast(pl.Int64) * (86_400 * _SECOND)
                + pl.col("seconds") * _SECOND
                + pl.col("nanoseconds") // 1000
            ),
            east=pl.when(zone.str.to_uppercase() == "Z").then(0).otherwise(east),
        )
    )
    located = _localise(frame.select(pl.when(zone.is_null()).then(pl.col("local")).cast(_NAIVE)).to_series(), timezone)
    frame = frame.with_columns(
        naive=located.values,
        fault=pl.when((pl.col("text") != "") & pl.col("day").is_null())
        .then(pl.lit(WRONG_TYPE))
        .otherwise(NO_FAULT if located.fault is None else located.fault),
        aware=(pl.col("local") - pl.col("east") * (60 * _SECOND)).cast(_NAIVE).dt.replace_time_zone("UTC"),
    ).with_columns(fine=pl.col("fault").is_null() & pl.col("day").is_not_null())
    frame = frame.select(
        value=pl.when(zone.is_null()).then("naive").otherwise("aware"),
        fault="fault",
        truncated_time=pl.col("fine") & (pl.col("nanoseconds") % 1000 != 0),
        date_only=pl.col("fine") & ~pl.col("time"),
        naive_time=pl.col("fine") & pl.col("time") & zone.is_null(),
        trimmed=pl.col("fine") & (pl.col("text") != pl.col("raw")),
    )
    kinds = ("truncated_time", "date_only", "naive_time", "trimmed")
    return Cast(frame["value"], frame["fault"], {kind: frame[kind] for kind in kinds})


def _localise(local: pl.Series, timezone: str) -> Cast:
    """Place local times in `timezone`; the hour a clock shows twice, or never, is a fault."""
    moments = local.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    lost = moments.is_null() & local.is_not_null()
    if not lost.any():
        return Cast(moments)
    earliest = local.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return Cast(
        moments,
        pl.select(
            pl.when(lost & earliest.is_null())
            .then(pl.lit("nonexistent_local_time"))
            .when(lost)
            .then(pl.lit("ambiguous_local_time"))
            .otherwise(NO_FAULT)
        ).to_series(),
    )
