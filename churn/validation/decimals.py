"""Amounts: exact DECIMAL(18,4) from text, floats and integers; a digit that counts is never lost in silence."""

import numpy as np
import polars as pl

from churn.contracts import ContractField
from churn.validation.blocks import Block, rows_where
from churn.validation.casts import (
    NO_FAULT,
    OUT_OF_RANGE,
    WRONG_TYPE,
    Cast,
    cast_natively,
    overlay,
    refuse,
)

_SCALE = 4
_SYNTAX = r"^([+-])?([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$"
_SUSPICIOUS = r"[^0-9.\-]|\.[0-9]{5}"
"""Text that the native cast would refuse, or would accept by rounding."""

_FLOAT_DIGITS = 15
"""From this many significant digits on, a text is taken for the print-out of a Float64."""
_ABSOLUTE_ERROR = 1e-9
_RELATIVE_ERROR = 1e-15
"""How far a float may lie from a multiple of 0.0001 and still stand for it: the noise of a sum of a few terms."""
_EXACT_FLOAT = 1e11
"""Below this, a Float64 times 10,000 is a whole number held exactly, so the native cast cannot be off."""


def cast_decimal(source: pl.Series, field: ContractField) -> Cast:
    """Cast a column of any type to DECIMAL(18,4)."""
    dtype = source.dtype
    if dtype == pl.String:
        return _from_text(source, field.dtype)
    if dtype.is_integer() or (isinstance(dtype, pl.Decimal) and (dtype.scale or 0) <= _SCALE):
        return cast_natively(source, field.dtype)
    if dtype == pl.Float64:
        return _from_float(source, field.dtype)
    if dtype.is_float() or dtype.is_decimal():
        return _from_text(source.cast(pl.String), field.dtype)
    return refuse(source, field.dtype)


def _from_text(text: pl.Series, dtype: pl.DataType) -> Cast:
    values = text.cast(dtype, strict=False)
    unread = values.is_null() & text.is_not_null()
    rows = rows_where(text, lambda part: part.str.contains(_SUSPICIOUS), _is_plain)
    if rows is not None or unread.any():
        rows = unread if rows is None else rows | unread
        return overlay(values, rows, _read(text.filter(rows), dtype))
    return Cast(values)


def _is_plain(block: Block) -> bool:
    """Tell whether nothing in a block is suspicious: no character but those of numbers, no fifth decimal."""
    codes = np.frombuffer(block.data + bytes(_SCALE + 1), np.uint8)
    digit = (codes >= ord("0")) & (codes <= ord("9"))
    point = codes == ord(".")
    if np.count_nonzero(digit | point | (codes == ord("-"))) + block.values - 1 != len(block.data):
        return False
    too_fine = point[: len(block.data)]
    for place in range(1, _SCALE + 2):
        too_fine = too_fine & digit[place : place + len(block.data)]
    return not too_fine.any()


def _from_float(number: pl.Series, dtype: pl.DataType) -> Cast:
    """Cast floats that print with at most four decimals at once; the others go the way of their shortest text."""
    rows = ((number != number.round(_SCALE)) | (number.abs() >= _EXACT_FLOAT) | ~number.is_finite()).fill_null(False)
    if not rows.any():
        return Cast(number.cast(dtype, strict=False))
    plain = pl.select(pl.when(~rows).then(number)).to_series()
    return overlay(plain.cast(dtype, strict=False), rows, _read(number.filter(rows).cast(pl.String), dtype))


def _read(raw: pl.Series, dtype: pl.DataType) -> Cast:
    """Read text digit by digit: syntax, then lost decimals, then range."""
    text, whole, fraction = pl.col("text"), pl.col("whole"), pl.col("fraction")
    digits = whole + fraction
    significant = digits.str.strip_chars_start("0").str.len_bytes()
    trailing = digits.str.len_bytes() - digits.str.strip_chars_end("0").str.len_bytes()
    decimals = fraction.str.len_bytes().cast(pl.Int64) - trailing.cast(pl.Int64) - pl.col("exponent")
    number = text.cast(pl.Float64, strict=False)
    noise = (number - number.round(_SCALE)).abs()
    parts = text.str.extract_groups(_SYNTAX).struct
    frame = (
        pl.DataFrame({"raw": raw})
        .with_columns(text=pl.col("raw").str.strip_chars())
        .with_columns(
            whole=parts.field("2").fill_null(""),
            fraction=parts.field("3").fill_null(""),
            exponent=pl.when(parts.field("4").is_null())
            .then(0)
            .otherwise(parts.field("4").str.strip_prefix("+").cast(pl.Int64, strict=False)),
            value=text.cast(dtype, strict=False),
        )
        .with_columns(
            syntax=text.str.contains(_SYNTAX) & (digits != ""),
            zero=significant == 0,
            lossless=(significant == 0) | (decimals <= _SCALE).fill_null(False),
            artefact=(significant >= _FLOAT_DIGITS)
            & (noise <= _ABSOLUTE_ERROR + _RELATIVE_ERROR * number.abs()).fill_null(False),
        )
        .with_columns(
            value=pl.when("zero").then(pl.lit(0).cast(dtype)).otherwise("value"),
            fault=pl.when(text == "")
            .then(NO_FAULT)
            .when(~pl.col("syntax"))
            .then(pl.lit(WRONG_TYPE))
            .when(~pl.col("zero") & pl.col("value").is_null())
            .then(pl.lit(OUT_OF_RANGE))
            .when(~pl.col("lossless") & ~pl.col("artefact"))
            .then(pl.lit("precision_loss"))
            .otherwise(NO_FAULT),
        )
    )
    fine = pl.col("fault").is_null() & (text != "")
    frame = frame.select(
        value=pl.when(fine).then("value"),
        fault="fault",
        rounded=fine & ~pl.col("lossless"),
        trimmed=fine & (text != pl.col("raw")),
    )
    repairs = {"rounded": frame["rounded"], "trimmed": frame["trimmed"]}
    return Cast(frame["value"], frame["fault"], repairs)
