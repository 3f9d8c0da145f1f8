"""What the servers wrote down of their predictions, read as it comes in."""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import fsspec
import orjson
import polars as pl

from seldon.gateway.state import TRACKS

Features = Mapping[str, float | str | None]
Expected = Callable[[str, Sequence[Features]], Sequence[float | None]]
"""Gives the scores that the bundle with a digest has for logged features; None where it cannot tell."""

_RECORDS: Final = pl.Schema(
    {
        "request_id": pl.String(),
        "event_time": pl.Datetime("us", "UTC"),
        "customer_id": pl.String(),
        "row": pl.Int64(),
        "track": pl.String(),
        "bundle_digest": pl.String(),
        "score": pl.Float64(),
        "contacted": pl.Boolean(),
        "latency_ms": pl.Float64(),
    }
)
_FEATURES: Final = "features"
_FORMATS: Final = (".parquet", ".jsonl.gz")
"""What servers write, and what those before them wrote."""
_MISMATCH: Final = 1e-6


@dataclass
class PredictionLog:
    """The rolled files of one deployment; each is read once, it never changes.

    Attributes:
        landing: the landing zone that holds `predictions/dt=…/hour=…/`.
        deployment: whose files count.
        expected: scores the canary's records a second time; None leaves that out.
        behind: how far the servers' clock is behind the machine's, which the gateway lives by.
    """

    landing: str
    deployment: str
    expected: Expected | None = None
    behind: Callable[[], timedelta] = timedelta
    _read: dict[str, pl.DataFrame] = field(default_factory=dict, repr=False)

    def records(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Return one row a request and track, of requests between two moments on the machine's clock.

        Columns: `request_id`, `track`, `event_time` (UTC), `customer_id`, `score`, `contacted`, `latency_ms` and
        `expected_score`.

        A request for several customers shows its first row, unless another one's score is not the bundle's.
        """
        behind = self.behind()
        frames = [self._file(path) for path in self._files(since - behind, until - behind)]
        frame = pl.concat(frames) if frames else _with_expected(pl.DataFrame(schema=_RECORDS), [])
        wrong = ((pl.col("score") - pl.col("expected_score")).abs() > _MISMATCH).fill_null(False)
        return (
            frame.with_columns(wrong=wrong)
            .sort("wrong", "row", descending=[True, False], maintain_order=True)
            .unique(["request_id", "track"], keep="first", maintain_order=True)
            .select(
                *("request_id", "track", "event_time", "customer_id"),
                *("score", "contacted", "latency_ms", "expected_score"),
            )
        )

    def _files(self, since: datetime, until: datetime) -> Iterator[str]:
        self._fs, root = fsspec.core.url_to_fs(self.landing)
        self._fs.invalidate_cache()
        begins = tuple(f"{self.deployment}-{track}-" for track in TRACKS)
        hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour <= until:
            try:
                found = self._fs.ls(f"{root}/predictions/dt={hour:%Y-%m-%d}/hour={hour:%H}", detail=False)
            except FileNotFoundError:
                found = []
            for path in sorted(found):
                if path.rpartition("/")[2].startswith(begins) and path.endswith(_FORMATS):
                    yield path
            hour += timedelta(hours=1)

    def _file(self, path: str) -> pl.DataFrame:
        if path not in self._read:
            content = self._fs.cat_file(path)
            frame, features = _columns(content) if path.endswith(".parquet") else _lines(content)
            self._read[path] = _with_expected(frame, self._expected(frame, features))
        return self._read[path]

    def _expected(self, frame: pl.DataFrame, features: Callable[[], Sequence[Features]]) -> Sequence[float | None]:
        """Score a file's records again; a file is one process's, so it has one track and one bundle."""
        if self.expected is None or frame.is_empty() or frame["track"][0] != "canary":
            return [None] * frame.height
        return self.expected(frame["bundle_digest"][0], features())


def bundle_scores(bundles: Mapping[str, Path]) -> Expected:
    """Return what scores by bundles, found by digest; each is checked and opened once."""
    from churn.bundle.bundle import Bundle, open_bundle

    opened: dict[str, Bundle] = {}

    def expected(digest: str, features: Sequence[Features]) -> Sequence[float | None]:
        if digest not in bundles:
            return [None] * len(features)
        bundle = opened.get(digest) or opened.setdefault(digest, open_bundle(bundles[digest], digest))
        schema = {feature.name: feature.dtype for feature in bundle.manifest.catalogue}
        rows = [{name: given.get(name) for name in schema} for given in features]
        return list(map(float, bundle.predict(pl.DataFrame(rows, schema=schema))))

    return expected


def _with_expected(frame: pl.DataFrame, scores: Sequence[float | None]) -> pl.DataFrame:
    return frame.drop("bundle_digest").with_columns(pl.Series("expected_score", scores, pl.Float64))


def _columns(content: bytes) -> tuple[pl.DataFrame, Callable[[], Sequence[Features]]]:
    """Read the records of a Parquet file, and when asked for, their features; a damaged one has none.

    Not by Polars, which a damaged file can make ask for more memory than there is.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content), columns=[*_RECORDS, _FEATURES], use_threads=False)
        table.validate(full=True)  # Polars trusts text to be UTF-8
    except (pa.ArrowException, OSError):
        return pl.DataFrame(schema=_RECORDS), list
    frame = pl.DataFrame(table.drop_columns([_FEATURES])).select(_RECORDS.names()).cast(_RECORDS)
    return frame, lambda: table.column(_FEATURES).to_pylist()


def _lines(content: bytes) -> tuple[pl.DataFrame, Callable[[], Sequence[Features]]]:
    """Read the records of a file of JSON lines, and when asked for, their features."""
    text = _whole_lines(content)
    schema = {**_RECORDS, "event_time": pl.String()}
    at = pl.col("event_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us")
    frame = (pl.read_ndjson(text, schema=schema) if text else pl.DataFrame(schema=schema)).with_columns(at)
    return frame, lambda: [orjson.loads(line)[_FEATURES] for line in text.splitlines()]


def _whole_lines(content: bytes) -> bytes:
    """Return the lines of a gzip file, as far as it reaches when its writer was stopped."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content)
    except zlib.error:
        return b""
    return text[: text.rfind(b"\n") + 1]
