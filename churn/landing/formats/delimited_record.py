"""One CSV record at a time, as RFC 4180 spells it, for what the block reader cannot vouch for."""

import re
from collections.abc import Iterator

from churn.errors import UnreadableObject

_QUOTED = re.compile(rb'"([^"]*+(?:""[^"]*+)*+)"')
_PLAIN = re.compile(rb"[^,\n]*")
_MAX_IN_VAIN = 16 * 2**20
"""Bytes that may be looked at in search of closing quotes that do not come."""


def split_record(data: bytes, start: int, max_bytes: int) -> tuple[list[bytes] | str, int]:
    """Split the record that starts at `start`.

    A quote inside an unquoted field stands for itself. A record that cannot be split ends with its first line, so
    that one stray quote costs one line.

    Returns:
        The raw fields (or the reason why there are none) and the position after the record, its newline left out.
    """
    newline = data.find(b"\n", start)
    line_end = len(data) if newline < 0 else newline
    if line_end - start > max_bytes:
        return "line_too_long", line_end
    line = data[start:line_end].removesuffix(b"\r")
    if b'"' not in line:
        return line.split(b","), line_end
    fields: list[bytes] = []
    position, limit = start, min(len(data), start + max_bytes)
    while True:
        if data[position : position + 1] == b'"':
            quoted = _QUOTED.match(data, position, limit)
            if quoted is None:
                return ("unclosed_quote" if limit == len(data) else "line_too_long"), line_end
            fields.append(quoted[1].replace(b'""', b'"'))
            position = quoted.end()
            if data[position : position + 2] in (b"\r\n", b"\r"):
                position += 1
        else:
            plain = _PLAIN.match(data, position)
            position = plain.end() if plain else position
            text = plain[0] if plain else b""
            fields.append(text if data[position : position + 1] == b"," else text.removesuffix(b"\r"))
        after = data[position : position + 1]
        if after == b",":
            position += 1
        elif after in (b"\n", b""):
            return (fields, position) if position - start <= max_bytes else ("line_too_long", line_end)
        else:
            return "invalid_quote", line_end


def scan_records(data: bytes, start: int, line: int, max_bytes: int) -> Iterator[tuple[int, list[bytes] | str]]:
    """Give each record from `start` on with the line it starts on; blank lines are left out.

    Raises:
        UnreadableObject: `unclosed_quote`, when looking for closing quotes in vain has cost more than it may.
    """
    in_vain = 0
    while start < len(data):
        fields, end = split_record(data, start, max_bytes)
        if fields in ("unclosed_quote", "line_too_long") and end - start <= max_bytes:
            in_vain += min(len(data) - start, max_bytes)
            if in_vain > _MAX_IN_VAIN:
                raise UnreadableObject("unclosed_quote", f"too many quotes that nothing closes, last at line {line}")
        if data[start:end].strip(b" \t\r"):
            yield line, fields
        line += data.count(b"\n", start, end + 1)
        start = end + 1
