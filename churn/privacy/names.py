"""Object names for tables, logs and reports: an uploader may have put a customer's name or number into one.

A name stays readable only when every piece of it is known to be harmless. What is not known is replaced, never judged.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from churn.privacy.keys import DataKey

_SEQUENCE_WORDS: Final = frozenset({"part", "batch", "chunk", "file", "seq", "shard", "page", "slice", "segment", "of"})
"""Words that a running number follows."""

_NEUTRAL: Final = """
activity activities customers subscriptions predictions events event transactions transaction orders order purchases
purchase sales clicks logins invoices products sessions payments data dump export exports upload uploads landing raw
clean full delta incremental backfill snapshot sample late retry replay daily hourly weekly monthly hour day week month
year test dev staging prod online retail cdnow complete journey mapped source web app mobile store shop crm erp billing
log logs stream all new old empty header utc csv json jsonl parquet snappy zstd gz gzip
"""
_WORDS: Final = _SEQUENCE_WORDS | frozenset(_NEUTRAL.split())
"""Words that name no person. No month: May, April and Jan are people too."""

_LETTERS: Final = frozenset("vc")
"""Letters that stand for a version or a counter when a number is joined to them."""

_PREFIX: Final = re.compile(
    r"(activity|customers|subscriptions|predictions)/dt=[0-9]{4}-[0-9]{2}-[0-9]{2}/hour=([01][0-9]|2[0-3])/"
)
_EXTENSION: Final = re.compile(r"\.(jsonl|jsonl\.gz|csv|csv\.gz|parquet)\Z")
_PIECE: Final = re.compile(
    r"""(?:
        (?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}
      | (?=[0-9a-f]*(?:[a-f][0-9]+[a-f]+[0-9]|[0-9][a-f]+[0-9]+[a-f]))[0-9a-f]{8,64})
      | (?P<year>[12][0-9]{3})(?P<joint>[-_]?)(?P<month>[0-9]{2})(?P=joint)(?P<day>[0-9]{2})
        (?:[-_T][0-2][0-9](?:[0-5][0-9]){0,2}Z?)?
      | (?P<word>[A-Za-z]*)(?P<number>[0-9]*)
    )(?:[-_.]|\Z)""",
    re.VERBOSE,
)
"""An id (digits and letters must alternate: `abe19750101` is hexadecimal too), a day or time, a word, a number."""

_LONGEST: Final = 120
_NUMBER: Final = 8
_LOOSE_DIGITS: Final = 4
"""Digits a name may hold outside days, ids and running numbers: a telephone or customer number has more."""


def safe_name(relative_path: str, key: DataKey) -> str:
    """Return the path unchanged when its name is harmless, else with `~<16 hex>.<ext>` in place of the name.

    The hex digits are an HMAC of the whole path: without the key nobody can test a guess. A folder that is not exactly
    that of the layout goes as well.

    Args:
        relative_path: path of the object below the landing zone.
        key: data key.
    """
    prefix = _PREFIX.match(relative_path)
    name = relative_path[prefix.end() :] if prefix else relative_path
    extension = _EXTENSION.search(name)
    if prefix and extension and _is_harmless(name[: extension.start()]):
        return relative_path
    lossless = relative_path.encode("utf-8", "surrogatepass").decode("latin-1")
    token = key.fingerprint("object", lossless)[:8].hex()
    return f"{prefix.group() if prefix else ''}~{token}{extension.group() if extension else ''}"


def find_by_safe_name(paths: Iterable[str], safe: str, key: DataKey) -> str | None:
    """Return the raw path that `safe` stands for, if it is among `paths`."""
    return next((path for path in paths if safe_name(path, key) == safe), None)


def _is_harmless(stem: str) -> bool:
    if not stem or len(stem) > _LONGEST:
        return False
    position, loose_digits, previous = 0, 0, ""
    while position < len(stem):
        piece = _PIECE.match(stem, position)
        if piece is None or not _is_known(piece):
            return False
        word, number = (piece["word"] or "").lower(), piece["number"] or ""
        if (word or previous) not in _SEQUENCE_WORDS:
            loose_digits += len(number)
        previous, position = word, piece.end()
    return loose_digits <= _LOOSE_DIGITS


def _is_known(piece: re.Match[str]) -> bool:
    if piece["year"]:
        return _is_date(piece["year"], piece["month"], piece["day"])
    if piece["id"]:
        return True
    word, number = (piece["word"] or "").lower(), piece["number"] or ""
    if not word or word in _LETTERS:
        return 0 < len(number) <= _NUMBER
    return word in _WORDS and len(number) <= _NUMBER


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True
