"""Compares feature tables row by row: `python -m benchmarks.features_agree OURS POLARS [PANDAS [NUMPY]]`.

Polars adds up decimals as ours does, so that every value must be equal; pandas and NumPy add up doubles, whose
last digits depend on the order.
"""

import json
import sys
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.peers.features_job import RESULT
from churn.features.catalogue import TABLE
from churn.features.tables import CUSTOMER, CUTOFF


def main() -> None:
    """Compare the tables that the arguments name with the first; a difference is an error."""
    ours, exact, *near = map(Path, sys.argv[1:])
    expected = pl.read_delta(str(ours / TABLE)).sort(CUTOFF, CUSTOMER)
    assert_frame_equal(_rows(exact, expected), expected, check_exact=True)
    for folder in near:
        assert_frame_equal(_rows(folder, expected), expected, rel_tol=1e-9, abs_tol=1e-6)
    print(json.dumps({"rows": expected.height}))


def _rows(folder: Path, like: pl.DataFrame) -> pl.DataFrame:
    return pl.read_parquet(folder / RESULT).select(like.columns).cast(like.schema).sort(CUTOFF, CUSTOMER)


if __name__ == "__main__":
    main()
