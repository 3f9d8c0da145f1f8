"""The floor: Polars reads the files and writes the rows out as Parquet, with no check at all."""

from pathlib import Path

import polars as pl

from benchmarks.peers.job import COLUMNS, Counted, files, run


def copy(form: str, landing: Path, out: Path) -> Counted:
    """Stream all files into one Parquet file, compressed like the platform's; text stays text."""
    found = files(landing, form)
    if form == "parquet":
        rows = pl.scan_parquet(found, hive_partitioning=False)
    elif form == "csv":
        rows = pl.scan_csv(found, infer_schema=False)
    else:
        rows = pl.scan_ndjson(found, schema=dict.fromkeys(COLUMNS, pl.String))
    out.mkdir(parents=True)
    rows.sink_parquet(out / "activity.parquet", compression="zstd", compression_level=1)
    written = pl.scan_parquet(out / "activity.parquet").select(pl.len()).collect().item()
    return Counted(read=written, appended=written)


if __name__ == "__main__":
    run(copy)
