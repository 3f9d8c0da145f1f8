"""CDNOW: 69,659 purchases of 23,570 customers at a music shop, January 1997 to June 1998 (Fader and Hardie)."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from churn.settings import Stream
from churn.sources.source import ISO, UPLOADED, SourceError

_COLUMNS = ("customer_id", "date", "quantity", "amount")


class Cdnow:
    """The set that ships inside the `lifetimes` wheel; the wheel is located, never imported.

    The data knows days, not hours: `event_time` is midnight UTC, and a day's purchases are handed over its 24 hours
    by customer id modulo 24, so that there is something to upload every hour.

    Args:
        path: `CDNOW_master.txt`; by default the one in the installed wheel.
    """

    name = "cdnow"

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _installed()

    def streams(self) -> tuple[Stream, ...]:
        """Return the only stream."""
        return ("activity",)

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield all purchases in one frame."""
        if stream != "activity":
            return
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()[1:]
        except FileNotFoundError:
            raise SourceError(f"{self._path}: no such file; pass the CDNOW_master.txt of lifetimes 0.11.3") from None
        raw = pl.DataFrame([line.split() for line in lines], schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
        day = pl.col("date").str.to_datetime("%Y%m%d", time_unit="us", time_zone="UTC")
        yield raw.select(
            "customer_id",
            day.dt.to_string(ISO.replace("%:z", "Z")).alias("event_time"),
            pl.lit("purchase").alias("event_type"),
            "quantity",
            "amount",
            pl.lit("USD").alias("currency"),
            (day + pl.duration(hours=pl.col("customer_id").cast(pl.Int64) % 24)).alias(UPLOADED),
        ).sort(UPLOADED, maintain_order=True)


def _installed() -> Path:
    spec = find_spec("lifetimes")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("cdnow: lifetimes is not installed; install it or pass the path of CDNOW_master.txt")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"
