"""Objects that are decoded, and what came of them."""

from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Literal

import polars as pl
import pytest

from churn.errors import UnreadableObject
from churn.landing.decode import decode
from churn.landing.decoded import LINE, Decoded
from churn.settings import LandingSettings

Format = Literal["jsonl", "csv", "parquet"]
WANTED = ("id", "amount", "note")
LIMITS = LandingSettings(url="landing")
TIGHT = LandingSettings(url="landing", max_object_bytes=100_000, max_line_bytes=1_000)


def read(
    data: bytes,
    format: Format = "jsonl",
    *,
    compressed: bool = False,
    wanted: Collection[str] = WANTED,
    limits: LandingSettings = LIMITS,
) -> Decoded:
    return decode(data, format=format, compressed=compressed, wanted=wanted, limits=limits)


def reason(data: bytes, format: Format = "jsonl", *, compressed: bool = False, limits: LandingSettings = LIMITS) -> str:
    with pytest.raises(UnreadableObject) as caught:
        read(data, format, compressed=compressed, limits=limits)
    return caught.value.reason


def column(decoded: Decoded, name: str) -> dict[int, object]:
    return dict(zip(decoded.frame[LINE].to_list(), decoded.frame[name].to_list(), strict=True))


def bad(decoded: Decoded) -> dict[int, str]:
    return {line.line: line.reason for line in decoded.bad_lines}


def parquet(columns: Mapping[str, object]) -> bytes:
    target = BytesIO()
    pl.DataFrame(columns).write_parquet(target)
    return target.getvalue()
