"""Types that only the platform itself lands: numbers, flags, tokens and objects, in the one form that it writes."""

import polars as pl

from churn.contracts import ContractField
from churn.validation.casts import OUT_OF_RANGE, WRONG_TYPE, Cast, fault_where, refuse

_TOKEN = r"^cus_[0-9a-f]{32}$"
_OBJECT = r"^\{.*\}$"
_PERSONAL = "@"
_TRUE, _FALSE = "true", "false"


def cast_platform(source: pl.Series, field: ContractField) -> Cast:
    """Cast a column of any type to a number, an integer, a flag, a token or an object."""
    if source.dtype.is_nested() or source.dtype.is_temporal():
        return refuse(source, field.dtype)
    match field.type:
        case "number" | "integer":
            return _number(source, field.dtype)
        case "flag":
            return _flag(source)
        case "token":
            return _matching(source, _TOKEN)
    return _object(source.cast(pl.String), field.max_length)


def _number(source: pl.Series, dtype: pl.DataType) -> Cast:
    values = source.cast(dtype, strict=False)
    cast = Cast(values, fault_where(values.is_null() & source.is_not_null(), WRONG_TYPE))
    if cast.fault is None and dtype.is_float() and not values.drop_nulls().is_finite().all():
        return Cast(values, fault_where((~values.is_finite()).fill_null(False), OUT_OF_RANGE))
    return cast


def _flag(source: pl.Series) -> Cast:
    text = source.cast(pl.String)
    values = pl.select(pl.when(text == _TRUE).then(True).when(text == _FALSE).then(False)).to_series()
    return Cast(values, fault_where(values.is_null() & text.is_not_null(), WRONG_TYPE))


def _matching(source: pl.Series, pattern: str) -> Cast:
    text = source.cast(pl.String)
    wrong = (~text.str.contains(pattern)).fill_null(False)
    values = pl.select(pl.when(~wrong).then(text)).to_series()
    return Cast(values, fault_where(wrong, WRONG_TYPE))


def _object(text: pl.Series, max_length: int) -> Cast:
    faults = (
        pl.when(~text.str.contains(_OBJECT))
        .then(pl.lit(WRONG_TYPE))
        .when(text.str.len_chars() > max_length)
        .then(pl.lit("too_long"))
        .when(text.str.contains(_PERSONAL, literal=True))
        .then(pl.lit("looks_personal"))
    )
    fault = pl.select(faults).to_series()
    values = pl.select(pl.when(fault.is_null()).then(text)).to_series()
    return Cast(values, fault if fault.null_count() < fault.len() else None)
