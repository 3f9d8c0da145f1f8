"""Seeded rows in the shape of `customer_snapshots`, with a known relation between activity and churn."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from churn.bundle.manifest import Lineage
from churn.features.catalogue import Feature
from churn.features.cutoffs import Cutoffs
from churn.features.settings import FeatureSettings
from churn.lake.snapshot import DataSnapshot, TableVersion
from churn.training.frames import SplitFrames

_NUMERIC = {
    "recency_days": "days since the last event",
    "tenure_days": "days since the first event",
    "events_30d": "events in the last 30 days",
    "events_90d": "events in the last 90 days",
    "amount_90d": "money spent in the last 90 days",
    "gap_mean_days": "mean days between active days, unknown with one of them",
    "return_share": "share of returns among purchases, unknown without any",
    "constant": "always 1",
    "never": "never known",
}
_CATEGORICAL = {"plan": "subscription plan", "country": "country of the customer"}
_REQUIRED = ("recency_days", "tenure_days")
_FIRST = date(2026, 1, 1)
HORIZON = timedelta(days=90)


def catalogue(features: int = 15) -> tuple[Feature, ...]:
    """Return numeric features, filled up with noise, and the categorical ones."""
    noise = {f"noise_{i}": "means nothing" for i in range(features - len(_NUMERIC) - len(_CATEGORICAL))}
    return (
        *(Feature(name, "numeric", text, required=name in _REQUIRED) for name, text in (_NUMERIC | noise).items()),
        *(Feature(name, "categorical", text) for name, text in _CATEGORICAL.items()),
    )


def snapshots(rows: int, cutoff: date, seed: int, features: int = 15) -> pl.DataFrame:
    """Return one cutoff's rows: who was active lately, often and for long leaves less."""
    draw = np.random.default_rng([seed, cutoff.toordinal()])
    rate = draw.lognormal(-2.5, 1.0, rows)
    tenure = draw.uniform(5, 900, rows)
    recency = np.minimum(draw.exponential(1 / rate), 89).round()
    events_90 = draw.poisson(rate * 90) + 1
    events_30 = np.minimum(draw.poisson(rate * 30), events_90)
    plan = draw.choice(np.array(["basic", "plus", "gold", None], dtype=object), rows, p=[0.5, 0.25, 0.15, 0.1])
    risk = 0.9 * np.log1p(recency) - 0.8 * np.log1p(events_90) - 0.3 * np.log1p(tenure) + 0.7 * (plan == "basic") + 1.2
    columns: dict[str, object] = {
        "customer_id": [f"s{i:07d}" for i in range(rows)],
        "cutoff": [cutoff] * rows,
        "recency_days": recency,
        "tenure_days": tenure.round(),
        "events_30d": events_30.astype(np.float64),
        "events_90d": events_90.astype(np.float64),
        "amount_90d": (events_90 * draw.lognormal(3, 1, rows)).round(2),
        "gap_mean_days": np.where(events_90 > 1, 90 / events_90 * draw.uniform(0.5, 1.5, rows), np.nan),
        "return_share": np.where(draw.uniform(size=rows) < 0.3, np.nan, draw.beta(1, 12, rows)),
        "constant": np.ones(rows),
        "never": [None] * rows,
        "plan": plan.tolist(),
        "country": draw.choice(["DE", "FR", "GB", "PL", "MT"], rows, p=[0.5, 0.25, 0.14, 0.108, 0.002]),
        **{f.name: draw.normal(size=rows) for f in catalogue(features) if f.name.startswith("noise_")},
        "churned": draw.uniform(size=rows) < 1 / (1 + np.exp(-risk)),
    }
    dtypes = {"customer_id": pl.String(), "cutoff": pl.Date(), "churned": pl.Boolean()}
    schema = dtypes | {feature.name: feature.dtype for feature in catalogue(features)}
    return pl.DataFrame(columns, schema_overrides=schema, nan_to_null=True, strict=False)


def split_frames(train_rows: int, later_rows: int, seed: int = 7, features: int = 15) -> SplitFrames:
    """Return the four splits: `train_rows` over three cutoffs, and `later_rows` in each of the others."""
    selection, calibration, test = (_FIRST + n * HORIZON for n in (2, 3, 4))
    months = [_FIRST + timedelta(days=30 * n) for n in range(3)]
    return SplitFrames(
        train=pl.concat([snapshots(train_rows // 3, month, seed, features) for month in months]),
        selection=snapshots(later_rows, selection, seed, features),
        calibration=snapshots(later_rows, calibration, seed, features),
        test=snapshots(later_rows, test, seed, features),
    )


def lineage(frames: SplitFrames) -> Lineage:
    """Return where the frames would have come from, had they been built."""

    def days(frame: pl.DataFrame) -> tuple[date, ...]:
        return tuple(frame["cutoff"].unique().sort())

    table = TableVersion(uri="lake/activity", version=7, rows=12_345, digest="ab" * 32)
    return Lineage(
        git_commit="0123456789abcdef0123456789abcdef01234567",
        git_dirty=True,
        lock_digest="cd" * 32,
        snapshot=DataSnapshot(tables={"activity": table}),
        features=TableVersion(uri="lake/customer_snapshots", version=3, rows=3_600, digest="ef" * 32),
        features_digest="12" * 32,
        feature_settings=FeatureSettings(horizon_days=HORIZON.days),
        cutoffs=Cutoffs(
            train=days(frames.train),
            selection=days(frames.selection)[0],
            calibration=days(frames.calibration)[0],
            test=days(frames.test)[0],
            latest=days(frames.test)[0] + HORIZON,
            shared_validation=False,
        ),
    )
