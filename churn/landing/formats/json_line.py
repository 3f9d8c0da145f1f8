"""One JSON line as text values, spelt exactly as the block reader of Polars spells them."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from types import NoneType
from typing import Any, NoReturn

_EXACT_DIGITS = 16
"""Digits from which a decimal literal no longer survives a double and is kept as written."""
_MANTISSA = re.compile(r"-?(\d+)\.(\d+)")


class _Number(str):
    """A JSON number as written."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that the first of two equal keys can win."""

    __slots__ = ()


def _refuse(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_refuse, object_pairs_hook=_Object)


_JSON_TYPES: Mapping[type, str] = {
    NoneType: "null",
    bool: "boolean",
    int: "number",
    float: "number",
    _Number: "number",
    str: "string",
    dict: "object",
    _Object: "object",
    list: "array",
}


def read_line(line: bytes, wanted: Collection[str], types: dict[str, set[str]]) -> Mapping[str, str | None] | str:
    """Give the wanted values of one line as text, or the reason why the line is bad.

    Args:
        line: the line without its newline.
        wanted: keys to keep.
        types: takes the JSON type of each key that is met.
    """
    if b"\0" in line:
        return "nul_byte"
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    try:
        document = _DECODER.decode(text)
        if not isinstance(document, _Object):
            return "not_an_object"
        row: dict[str, str | None] = {}
        for key, value in document:
            if key in row or key not in wanted:
                continue
            row[key] = _text(value)
    except (ValueError, RecursionError):
        return "invalid_json"
    if any(value is not None and not _is_unicode(value) for value in row.values()):
        return "invalid_utf8"
    note_types(types, ((key, type(value)) for key, value in document))
    return row


MAX_SEEN = 1_000
"""Source keys remembered per object; a writer that makes up keys cannot fill the memory."""


def note_types(types: dict[str, set[str]], pairs: Iterable[tuple[str, type]]) -> None:
    """Remember the JSON types of keys from the Python types of their values."""
    for key, kind in pairs:
        if key in types:
            types[key].add(_JSON_TYPES[kind])
        elif len(types) < MAX_SEEN and _is_unicode(key):
            types[key] = {_JSON_TYPES[kind]}


def number_text(literal: str) -> str:
    """Spell a JSON number: integers and long decimals as written, other decimals as the shortest of their double."""
    if literal.lstrip("-").isdigit():
        return "0" if literal == "-0" else literal
    mantissa = _MANTISSA.match(literal)
    if mantissa and len(mantissa[1]) + len(mantissa[2]) >= _EXACT_DIGITS:
        return literal
    return _double_text(literal)


def _double_text(literal: str) -> str:
    double = float(literal)
    if double in (float("inf"), float("-inf")):
        return literal
    text = format(Decimal(repr(double)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(value: object) -> str | None:
    if isinstance(value, _Number):
        return number_text(value)
    if value is None or isinstance(value, str):
        return value
    return _nested(value)


def _nested(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _Number():
            return ("0" if value == "-0" else str(value)) if value.lstrip("-").isdigit() else _double_text(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _Object():
            return "{" + ", ".join(f"{_nested(key)}: {_nested(item)}" for key, item in value) + "}"
        case list():
            return "[" + ", ".join(map(_nested, value)) + "]"
    raise ValueError(f"{type(value).__name__} is not JSON")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
