"""What the servers wrote down of their predictions, read as it comes in."""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import fsspec
import orjson
import polars as pl

Expected = Callable[[str, pl.DataFrame], pl.Series]
"""Gives the scores that the bundle with a digest has for logged features, a JSON object a row in column `features`."""

_RECORDS: Final = pl.Schema(
    {
        "request_id": pl.String(),
        "row": pl.Int64(),
        "track": pl.String(),
        "bundle_digest": pl.String(),
        "features": pl.String(),
        "score": pl.Float64(),
        "contacted": pl.Boolean(),
    }
)
_MISMATCH: Final = 1e-6


@dataclass
class PredictionLog:
    """The rolled files of one deployment; each is read once, it never changes.

    Attributes:
        url: the folder that holds `dt=…/hour=…/`.
        deployment: whose files count.
        expected: scores the canary's records a second time; None leaves that out.
    """

    url: str
    deployment: str
    expected: Expected | None = None
    _read: dict[str, pl.DataFrame] = field(default_factory=dict, repr=False)

    def records(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Return one row a request and track: `score`, `contacted`, `expected_score`.

        A request for several customers shows its first row, unless another one's score is not the bundle's.
        """
        frames = [self._record_file(path) for path in self._files(since, until)]
        frame = pl.concat(frames) if frames else _empty()
        wrong = ((pl.col("score") - pl.col("expected_score")).abs() > _MISMATCH).fill_null(False)
        return (
            frame.with_columns(wrong=wrong)
            .sort("wrong", "row", descending=[True, False], maintain_order=True)
            .unique(["request_id", "track"], keep="first", maintain_order=True)
            .select("request_id", "track", "score", "contacted", "expected_score")
        )

    def _files(self, since: datetime, until: datetime) -> Iterator[str]:
        self._fs, root = fsspec.core.url_to_fs(self.url)
        self._fs.invalidate_cache()
        hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour <= until:
            try:
                found = self._fs.ls(f"{root}/dt={hour:%Y-%m-%d}/hour={hour:%H}", detail=False)
            except FileNotFoundError:
                found = []
            for path in sorted(found):
                if path.rpartition("/")[2].startswith(f"{self.deployment}-") and path.endswith(".jsonl.gz"):
                    yield path
            hour += timedelta(hours=1)

    def _record_file(self, path: str) -> pl.DataFrame:
        if path not in self._read:
            rows = [_row(line) for line in _lines(self._fs.cat_file(path))]
            frame = pl.DataFrame(rows, schema=_RECORDS, orient="row", strict=False)
            self._read[path] = self._scored(frame).drop("features", "bundle_digest")
        return self._read[path]

    def _scored(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self.expected is None:
            return frame.with_columns(expected_score=pl.lit(None, pl.Float64))
        canary = frame.filter(track="canary")
        parts = [frame.filter(pl.col("track") != "canary").with_columns(expected_score=pl.lit(None, pl.Float64))]
        for (digest,), part in canary.group_by("bundle_digest", maintain_order=True):
            scores = self.expected(str(digest), part).cast(pl.Float64).alias("expected_score")
            parts.append(part.with_columns(scores))
        return pl.concat(parts)


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=_RECORDS).with_columns(expected_score=pl.lit(None, pl.Float64))


def _lines(content: bytes) -> list[bytes]:
    """Return the whole lines of a gzip file, as far as it reaches when its writer was stopped."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content)
    except zlib.error:
        return []
    return text[: text.rfind(b"\n") + 1].splitlines()


def _row(line: bytes) -> tuple[object, ...]:
    record = orjson.loads(line)
    features = record.get("features")
    record["features"] = features if isinstance(features, str) else json.dumps(features)
    return tuple(record.get(name) for name in _RECORDS)
