"""Codes: short printable text such as an id, a currency or a channel."""

import polars as pl

from churn.contracts import ContractField
from churn.validation.blocks import Block, rows_where
from churn.validation.casts import NO_FAULT, WRONG_TYPE, Cast, fault_where, overlay, refuse

_EXACT_FLOAT = 2.0**53
"""Above this, neighbouring whole numbers share one Float64, so an id would no longer be certain."""

_SUSPICIOUS = r"^$|^ | $|[^ -?A-Z\\-z|}~]"
"""Empty, edged by a space, or holding anything but printable ASCII without `@`, `[` and `{`."""
_SUSPICIOUS_PERSONAL = r"^$|^ | $|[^ -Z\\-z|}~]"
_SUSPICIOUS_SUBJECT = r"^$|^ | $|[^ -Z\\-z|}~]|^[0-9]+\.0+$"

_LONG, _SAMPLE, _FEW = 32_768, 4_096, 64
"""Rows from which on a column is sampled, rows of a sample, and values in it that count as few."""


def cast_code(source: pl.Series, field: ContractField) -> Cast:
    """Cast a column of any type to a code: String, or Categorical where a long column holds few values."""
    dtype = source.dtype
    if dtype == pl.String:
        return _from_text(source, field)
    if dtype.is_integer() or isinstance(dtype, pl.Categorical | pl.Enum):
        return _from_text(source.cast(pl.String), field)
    if dtype.is_float() or dtype.is_decimal():
        return _from_number(source, field)
    return refuse(source, field.dtype)


def _from_text(text: pl.Series, field: ContractField) -> Cast:
    """Clean text; rows that look clean are never touched."""
    if field.personal == "no" and text.len() >= _LONG and (coded := _coded(text, field)) is not None:
        return Cast(coded)
    rows = _suspicious(text, field)
    return Cast(text) if rows is None else overlay(text, rows, _clean(text.filter(rows), field))


def _coded(text: pl.Series, field: ContractField) -> pl.Series | None:
    """Return a column of a few clean values, by a sample, as a Categorical: each value is looked at once.

    That costs what it takes to look at every row, and half of what it takes to write them is saved. Never an Enum: a
    file would name all its values, also those of rows that are refused.
    """
    if text.sample(_SAMPLE, with_replacement=True, seed=0).n_unique() > _FEW:
        return None
    coded = text.cast(pl.Categorical(pl.Categories.random()))
    return coded if _suspicious(coded.unique().cast(pl.String), field) is None else None


def _suspicious(text: pl.Series, field: ContractField) -> pl.Series | None:
    """Return the mask of the rows that may need cleaning, or None when there are none."""
    pattern = {"no": _SUSPICIOUS, "token": _SUSPICIOUS_PERSONAL, "subject": _SUSPICIOUS_SUBJECT}[field.personal]
    return rows_where(
        text,
        lambda block: block.str.contains(pattern) | (block.str.len_bytes() > field.max_length),
        lambda block: _is_plain(block, field),
    )


def _is_plain(block: Block, field: ContractField) -> bool:
    """Tell whether nothing in a block looks suspicious."""
    if not block.is_printable() or block.longest > field.max_length or block.holds("[") or block.holds("{"):
        return False
    if field.personal == "no":
        return not block.holds("@")
    return field.personal == "token" or not block.holds_pair(".0")


def _clean(raw: pl.Series, field: ContractField) -> Cast:
    """Trim, then name the first fault of each row: nested JSON, control characters, length, an e-mail address."""
    text = pl.col("text")
    faults = (
        pl.when(text.str.contains(r"^[\[{]"))
        .then(pl.lit(WRONG_TYPE))
        .when(text.str.contains(r"\p{Cc}"))
        .then(pl.lit("control_character"))
        .when(text.str.len_chars() > field.max_length)
        .then(pl.lit("too_long"))
    )
    if field.personal == "no":
        faults = faults.when(text.str.contains(r"(?s)@.*\.")).then(pl.lit("looks_personal"))
    whole = text.str.contains(r"^[0-9]+\.0+$") if field.personal == "subject" else pl.lit(False)
    frame = (
        pl.DataFrame({"raw": raw})
        .with_columns(text=pl.col("raw").str.strip_chars())
        .with_columns(
            trimmed=(text != pl.col("raw")) & (text != ""),
            float_id=whole,
            fault=faults.otherwise(NO_FAULT),
            value=pl.when(whole).then(text.str.replace(r"\.0+$", "")).when(text != "").then(text),
        )
        .with_columns(value=pl.when(pl.col("fault").is_null()).then("value"))
    )
    return Cast(
        frame["value"],
        frame["fault"] if frame["fault"].null_count() < frame.height else None,
        {"trimmed": frame["trimmed"], "float_id": frame["float_id"]},
    )


def _from_number(source: pl.Series, field: ContractField) -> Cast:
    """Read ids that a tool has turned into floats or decimals: whole ones become text again."""
    number = source.cast(pl.Float64, strict=False)
    whole = (number.is_finite() & (number.abs() <= _EXACT_FLOAT) & (number == number.round(0))).fill_null(False)
    if source.dtype.is_decimal():
        whole &= (source == source.cast(pl.Decimal(38, 0), strict=False)).fill_null(False)
    text = pl.select(pl.when(whole).then(number).cast(pl.Int64, strict=False).cast(pl.String)).to_series()
    return Cast(text, fault_where(source.is_not_null() & ~whole, WRONG_TYPE), {"float_id": whole})
