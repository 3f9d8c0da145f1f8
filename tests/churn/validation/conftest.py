from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from churn.contracts import Contract, load_contract
from churn.validation.validate import Validated, validate

Check = Callable[..., Validated]


@pytest.fixture(scope="session")
def activity() -> Contract:
    return load_contract("activity")


@pytest.fixture(scope="session")
def activity_v2() -> Contract:
    return load_contract("activity", Path(__file__).parent / "activity_v2.yaml")


@pytest.fixture(scope="session")
def check(activity: Contract) -> Check:
    """Validate columns given by name; the required ones that are not given are filled with good values."""

    def run(columns: Mapping[str, Any], contract: Contract = activity, timezone: str = "UTC") -> Validated:
        frame = pl.DataFrame(columns)
        good = {"customer_id": "c1", "event_time": "2026-01-02T03:04:05Z", "event_type": "click"}
        aliased = {"event_time": {"timestamp", "occurred_at"}}
        frame = frame.with_columns(
            pl.lit(value).alias(name)
            for name, value in good.items()
            if name not in frame.columns and not aliased.get(name, set()) & set(frame.columns)
        ).with_columns(
            pl.lit(datetime(2026, 2, 1, tzinfo=UTC)).alias("available_at"),
            pl.lit(0, dtype=pl.UInt32).alias("__object"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("__line"),
        )
        return validate(frame, contract, timezone=timezone, skew=timedelta(minutes=5))

    return run
