"""Measurements of a live model that never was, for the tests of its judge, its actions and its page."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from churn.drift.persistence import drifts
from churn.drift.reference import reference_of
from churn.drift.window import measure_window
from churn.evaluation.bootstrap import Estimate
from churn.evaluation.metrics import METRICS
from churn.features.catalogue import Feature
from churn.monitoring.health import Answers, DataHealth, StreamQuarantine, traffic_of
from churn.monitoring.measurement import MeasuredWindow, Measurement
from churn.monitoring.quality import Quality
from churn.monitoring.settings import MonitoringSettings

START = datetime(2026, 3, 2, tzinfo=UTC)
SETTINGS = MonitoringSettings()
CATALOGUE = (Feature("amount", "numeric", ""), Feature("plan", "categorical", ""))
ANSWERED = Answers(requests=600, failed=0)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def customers(rows: int, seed: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "amount": draw.lognormal(3, 1, rows),
            "plan": draw.choice(np.array(["basic", "plus"]), rows, p=[0.7, 0.3]).tolist(),
            "score": draw.beta(2, 5, rows),
            "contacted": draw.uniform(size=rows) < 0.2,
            "latency_ms": draw.exponential(2, rows),
        }
    )


REFERENCE = reference_of(customers(4_000, 0), CATALOGUE, customers(4_000, 0)["score"].to_numpy())


def measured_window(number: int, change: Change, answers: Answers | None, rows: int = 600) -> MeasuredWindow:
    start = START + timedelta(hours=6 * number)
    frame = change(customers(rows, number + 1))
    end = start + timedelta(hours=6)
    return MeasuredWindow(
        start=start,
        end=end,
        traffic=traffic_of(frame, frame, answers),
        drift=measure_window(REFERENCE, frame, start, end, SETTINGS.drift),
    )


def healthy(**changes: Any) -> Measurement:
    """Return four quiet windows, and data as it should be; `changes` replace fields."""
    return watched([lambda frame: frame] * 4, **changes)


def watched(customers: list[Change], *, answers: Answers | None = ANSWERED, **changes: Any) -> Measurement:
    """Return a measurement of windows whose customers were changed; `changes` replace fields."""
    measured = [measured_window(number, change, answers) for number, change in enumerate(customers)]
    at = START + timedelta(hours=6 * len(customers) + 1)
    found = Measurement(
        at=at,
        version="7",
        bundle_digest="ab" * 32,
        deployment="churn/churn",
        live_since=START,
        windows=tuple(measured),
        partial=None,
        drifts=drifts(REFERENCE, [window.drift for window in measured], SETTINGS.drift),
        importance={"amount": 0.9, "plan": 0.1},
        data=DataHealth(
            newest_activity=at - timedelta(hours=2),
            closed_until=at,
            quarantine=(StreamQuarantine(stream="activity", read=1_000, quarantined=3),),
        ),
        quality=None,
        former="6",
        former_inputs=("amount", "plan"),
        doubts=(),
    )
    return found.model_copy(update=changes)


def estimates(values: dict[str, float]) -> dict[str, Estimate]:
    """Return metrics with intervals of ± 0.01 around the values; the others are at a half."""
    found = {str(name): 0.5 for name in METRICS} | values
    return {name: Estimate(value=value, low=value - 0.01, high=value + 0.01) for name, value in found.items()}


def quality(values: dict[str, float] | None = None, over: Estimate | None = None) -> Quality:
    """Return outcomes beside a promotion at which every metric was a half."""
    return Quality.model_validate(
        {
            "since": START - timedelta(days=97),
            "until": START - timedelta(days=90),
            "rows": 900,
            "churned": 300,
            "metrics": {name: one.model_dump() for name, one in estimates(values or {}).items()},
            "promoted": {name: one.model_dump() for name, one in estimates({}).items()},
            "previous": "6" if over else None,
            "over_previous": {"profit_per_customer": over.model_dump()} if over else None,
            "left_out": None,
        }
    )
