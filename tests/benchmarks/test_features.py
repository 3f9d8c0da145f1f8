from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks import features
from benchmarks.measure import Cost
from benchmarks.peers import features_numpy, features_pandas, features_polars
from benchmarks.peers.features_job import SETTINGS

START = datetime(2026, 1, 1, tzinfo=UTC)
CUTOFFS = {date(2026, 1, 9): True, date(2026, 1, 16): True, date(2026, 1, 31): False}


def events(rows: int, customers: int) -> pl.DataFrame:
    """A month of events, a tenth of them available days later."""
    rng = np.random.default_rng(5)
    minutes, late = rng.integers(0, 30 * 24 * 60, rows), rng.random(rows) < 0.1
    return pl.DataFrame(
        {
            "customer_id": [f"cus_{number}" for number in rng.integers(0, customers, rows)],
            "event_time": [START + timedelta(minutes=int(minute)) for minute in minutes],
            "event_type": rng.choice(["purchase", "return", "click", "login", "cancel"], rows),
            "amount": [None if number < 500 else number / 100 for number in rng.integers(0, 9000, rows)],
            "quantity": rng.integers(1, 5, rows).astype(float),
            "country": rng.choice(["DE", "AT"], rows),
            "item_id": rng.choice([f"i{number}" for number in range(40)], rows),
            "channel": rng.choice(["web", "app"], rows),
            "session_id": [None if number < 100 else f"s{number}" for number in rng.integers(0, 2000, rows)],
        }
    ).with_columns(
        pl.col("amount", "quantity").cast(pl.Decimal(18, 4)),
        pl.col("event_time").cast(pl.Datetime("us", "UTC")),
        available_at=pl.col("event_time").cast(pl.Datetime("us", "UTC"))
        + pl.Series([timedelta(hours=1 + 72 * int(flag)) for flag in late]),
    )


@pytest.mark.parametrize("peer", [features_pandas.features, features_numpy.features], ids=["pandas", "numpy"])
def test_another_program_makes_the_rows_of_polars_by_hand(tmp_path: Path, peer: Callable[..., pd.DataFrame]) -> None:
    rows = events(4_000, customers=150)
    rows.write_parquet(tmp_path / "events.parquet")

    theirs = pl.from_pandas(peer([str(tmp_path / "events.parquet")], CUTOFFS, SETTINGS))

    expected = features_polars.features({"activity": rows.lazy()}, CUTOFFS, SETTINGS)
    assert expected["cutoff"].n_unique() == 3
    assert_frame_equal(theirs.select(expected.columns).cast(expected.schema), expected, rel_tol=1e-9, abs_tol=1e-6)


def test_costs_are_shown_beside_what_is_wanted() -> None:
    def rounds(*cpu: float) -> list[Cost]:
        return [Cost(seconds, seconds, 100 * seconds, {}) for seconds in cpu]

    costs = {
        features.OURS: rounds(2, 3, 10),
        features.POLARS: rounds(1, 2, 3),
        features.PANDAS: rounds(12),
        features.NUMPY: rounds(6),
        features.HOUR: rounds(0.1, 0.1, 0.3),
        features.DAY: rounds(1.5),
    }

    programs, later = features.programs(costs), features.later(costs)

    assert "| ours, a full build | 3.0 | 3.0 | 1000 (≤ 2048) | 1.50 (≤ 1.3) | 0.25 (≤ 0.33) | 3 |" in programs
    assert "| NumPy on packed keys | 6.0 | 6.0 | 600 | 3.00 | 0.50 | 1 |" in programs
    assert "| one hour more, no cutoff touched | 0.1 | 0.1 | 30 | 3.3% (≤ 3 %) |" in later
    assert "| one day more, every cutoff moves | 1.5 | 1.5 | 150 | 50.0% |" in later
