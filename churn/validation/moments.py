"""Times written alike, read from their bytes: the digits of a whole block of rows at once."""

from functools import cache

import numpy as np
import numpy.typing as npt

_DIGITS = (slice(0, 4), slice(5, 7), slice(8, 10), slice(11, 13), slice(14, 16), slice(17, 19))
"""Where `2026-01-02T03:04:05` has its year, month, day, hour, minute and second."""
_FRACTION = 20
_SECOND = 1_000_000


def read_alike(data: bytes, like: str, decimals: int) -> npt.NDArray[np.int64] | None:
    """Return the microseconds from 1970 of times that are written like one, whatever zone it names.

    Args:
        data: values, each as long as `like`, joined by single bytes.
        like: date, separator, time of day to the second, a point and the decimals if any, zone.
        decimals: digits of the fraction of a second, up to 6.

    Returns:
        None when a value is written in another way, or is no time of the years 1 to 9999.
    """
    parts = [*_DIGITS, slice(_FRACTION, _FRACTION + decimals)]
    codes = np.frombuffer(data + b"\n", np.uint8).reshape(-1, len(like) + 1).T.copy()
    shape = np.frombuffer(like.encode(), np.uint8)[:, np.newaxis]
    fixed = np.ones(len(like), np.bool_)
    for part in parts:
        fixed[part] = False
    if (codes[:-1][fixed] != shape[fixed]).any() or (codes[:-1][~fixed] - ord("0") > 9).any():
        return None
    year, month, day, hour, minute, second, fraction = (_number(codes[part]) for part in parts)
    if year.min() < 1 or month.min() < 1 or month.max() > 12 or day.min() < 1:
        return None
    if hour.max() > 23 or minute.max() > 59 or second.max() > 59:
        return None
    starts = _month_starts()
    at = year * 12 + month
    date = starts[at] + day
    if (date > starts[at + 1]).any():
        return None
    moments: npt.NDArray[np.int64] = (date - 1) * 86_400 + (hour * 60 + minute) * 60 + second
    moments *= _SECOND
    moments += fraction * 10 ** (6 - decimals)
    return moments


def _number(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Read numbers from their digits, given as one row per place."""
    number = np.zeros(digits.shape[1], np.int32)
    for place in digits:
        number *= 10
        number += place & 0x0F
    return number


@cache
def _month_starts() -> npt.NDArray[np.int64]:
    """The days from 1970 to the first of each month, at year × 12 + month."""
    months = np.arange(1 - 1970 * 12 - 1 - 1, (10_000 - 1970) * 12 + 1).astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64)
