"""The same features in plain pandas: `python -m benchmarks.peers.features_pandas LAKE OUT`.

Written as it is usually written with care: only the columns needed are read, codes become categories, and every cutoff
and window is a filter, a `groupby` and its built-in aggregates, without a Python function per group. The lake measured
on has no customer or subscription records, so that their columns are empty here, which is in its favour.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.peers.features_job import SETTINGS, run
from churn.features.settings import FeatureSettings

KINDS = {"items": "item_id", "channels": "channel", "sessions": "session_id"}
WINDOWS = {"7d": 7, "30d": 30, "90d": 90, "total": 100_000}
BANDS = ("night", "morning", "afternoon", "evening")
ROLES = {"purchases": "purchase", "returns": "returned", "clicks": "click", "logins": "login"}
SUMMED = ("events", *ROLES, "amount", "quantity")
_CODES = ("customer_id", "event_type", *KINDS.values(), "country")


def features(files: Sequence[str], cutoffs: Mapping[date, bool], settings: FeatureSettings) -> pd.DataFrame:
    """Compute the whole table, sorted by cutoff and customer."""
    events = _events(files, settings)
    parts = [
        _snapshot(events, pd.Timestamp(day, tz="UTC"), labelled, settings).assign(cutoff=day)
        for day, labelled in sorted(cutoffs.items())
    ]
    return pd.concat(parts, ignore_index=True)


def _events(files: Sequence[str], settings: FeatureSettings) -> pd.DataFrame:
    columns = ["event_time", "available_at", "amount", "quantity", *_CODES]
    events = pd.concat([pd.read_parquet(file, columns=columns, partitioning=None) for file in files], ignore_index=True)
    events = events.astype({"amount": float, "quantity": float, **dict.fromkeys(_CODES, "category")})
    events["event_day"] = events["event_time"].dt.normalize()
    events["available_day"] = events["available_at"].dt.ceil("D")
    events["events"] = 1
    for role, name in ROLES.items():
        events[role] = events["event_type"].isin(getattr(settings.event_types, name))
    events["cancelled"] = events["event_type"].isin(settings.cancellation_events)
    events["weekend"] = events["event_day"].dt.dayofweek >= 5
    quarter = events["event_time"].dt.hour // 6
    for number, band in enumerate(BANDS):
        events[band] = quarter == number
    events["returned_amount"] = events["amount"].abs().where(events["returns"])
    events["amount"] = events["amount"].where(events["purchases"])
    events["quantity"] = events["quantity"].where(events["purchases"])
    # The last country of a customer is then the newest; of several on one day it is the greatest.
    events = events.sort_values(["event_day", "country"])
    return events.drop(columns=["event_time", "available_at", "event_type"])


def _snapshot(events: pd.DataFrame, cutoff: pd.Timestamp, labelled: bool, settings: FeatureSettings) -> pd.DataFrame:
    known = events[(events["event_day"] < cutoff) & (events["available_day"] <= cutoff)]
    known = known.assign(age=(cutoff - known["event_day"]).dt.days)
    rows = _rhythm(known)
    rows = rows[rows["recency_days"] <= settings.active_days]
    windows = [_window(known[known["age"] <= days], name) for name, days in WINDOWS.items()]
    rows = rows.join(pd.concat(windows, axis=1).fillna(0))
    half_year = known[known["age"] <= 180].groupby("customer_id", observed=True)
    rows["amount_180d"] = half_year["amount"].sum()
    rows["active_days_180d"] = half_year["event_day"].nunique()
    rows[["amount_180d", "active_days_180d"]] = rows[["amount_180d", "active_days_180d"]].fillna(0)
    customers = known.groupby("customer_id", observed=True)
    rows = rows.join(customers[[*BANDS, "weekend", "returned_amount"]].sum())
    rows = rows.rename(columns={"returned_amount": "returned_amount_total"})
    rows["country"] = customers["country"].last()
    rows["purchase_recency_days"] = known[known["purchases"]].groupby("customer_id", observed=True)["age"].min()
    rows["churned"] = _churned(rows, events, cutoff, settings) if labelled else None
    return ratios(rows).sort_index().reset_index().astype({"customer_id": str, "country": object})


def _window(recent: pd.DataFrame, name: str) -> pd.DataFrame:
    customers = recent.groupby("customer_id", observed=True)
    rows = customers[list(SUMMED)].sum()
    rows["active_days"] = customers["event_day"].nunique()
    for kind, code in KINDS.items():
        rows[kind] = customers[code].nunique()
    return rows.add_suffix(f"_{name}")


def _rhythm(known: pd.DataFrame) -> pd.DataFrame:
    """Compute what the active days of a customer and the gaps between them tell."""
    days = known[["customer_id", "age"]].drop_duplicates().sort_values(["customer_id", "age"], ascending=[True, False])
    age, recent = days["age"], days["age"] <= 90
    gap = days.groupby("customer_id", observed=True)["age"].shift() - age
    days = days.assign(
        gap=gap,
        gap_square=gap**2,
        gap_90d=gap.where(recent),
        week=((age - 1) // 7).where(recent),
        month=(age - 1) // 30,
    )
    return days.groupby("customer_id", observed=True).agg(
        recency_days=("age", "min"),
        tenure_days=("age", "max"),
        gaps=("gap", "count"),
        gap_sum=("gap", "sum"),
        gap_squares=("gap_square", "sum"),
        gap_last_days=("gap", "last"),
        gap_max_days=("gap", "max"),
        gaps_90d=("gap_90d", "count"),
        gap_sum_90d=("gap_90d", "sum"),
        active_weeks_90d=("week", "nunique"),
        active_months_total=("month", "nunique"),
    )


def _churned(rows: pd.DataFrame, events: pd.DataFrame, cutoff: pd.Timestamp, settings: FeatureSettings) -> pd.Series:
    end = cutoff + pd.Timedelta(days=settings.horizon_days)
    after = events[(events["event_day"] >= cutoff) & (events["event_day"] < end)]
    left = after.loc[after["cancelled"], "customer_id"]
    churned = ~rows.index.isin(after["customer_id"].unique()) | rows.index.isin(left.unique())
    return pd.Series(churned, index=rows.index)


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the features that follow from others, and drop the steps to them."""
    rows = rows.copy()

    def per(name: str, by: str) -> pd.Series:
        return rows[name] / rows[by].where(rows[by] != 0)

    gaps = rows["gaps"]
    variance = (gaps * rows["gap_squares"] - rows["gap_sum"] ** 2) / (gaps * (gaps - 1)).where(gaps > 1)
    rows["gap_mean_days"] = per("gap_sum", "gaps")
    rows["gap_deviation_days"] = np.sqrt(variance)
    rows["active_day_rate"] = rows["active_days_total"] / rows["tenure_days"]
    for name in (*BANDS, "weekend"):
        rows[f"{name}_share"] = per(name, "events_total")
    rows["gap_trend"] = per("gap_sum_90d", "gaps_90d") / rows["gap_mean_days"]
    rows["overdue_ratio"] = rows["recency_days"] / rows["gap_mean_days"]
    rows["overdue_max_ratio"] = rows["recency_days"] / rows["gap_max_days"]
    late = rows["recency_days"] - rows["gap_mean_days"]
    rows["overdue_deviations"] = late / rows["gap_deviation_days"].where(rows["gap_deviation_days"] > 0)
    rows["silent_days_expected"] = rows["active_day_rate"] * rows["recency_days"]
    for window in ("90d", "total"):
        both = rows[f"returns_{window}"] + rows[f"purchases_{window}"]
        rows[f"return_share_{window}"] = rows[f"returns_{window}"] / both.where(both != 0)
        rows[f"amount_per_active_day_{window}"] = per(f"amount_{window}", f"active_days_{window}")
    rows["amount_per_purchase_total"] = per("amount_total", "purchases_total")
    rows["events_per_active_day_total"] = per("events_total", "active_days_total")
    rows["items_per_active_day_90d"] = per("items_90d", "active_days_90d")
    for name in ("events", "active_days", "amount"):
        rows[f"{name}_trend"] = per(f"{name}_30d", f"{name}_90d") * 3
    texts = ("plan", "subscription_status", "segment", "age_band", "income_band", "household")
    empty = {"subscription_price": np.nan, "subscription_age_days": np.nan}
    changes = {"subscription_changes_90d": 0.0, "subscription_changes_total": 0.0}
    steps = ["gaps", "gap_sum", "gap_squares", "gaps_90d", "gap_sum_90d", "weekend", *BANDS]
    return rows.drop(columns=steps).assign(**empty, **changes, **dict.fromkeys(texts))


def _from_files(files: list[str], cutoffs: Mapping[date, bool]) -> pl.DataFrame:
    return pl.from_pandas(features(files, cutoffs, SETTINGS))


if __name__ == "__main__":
    run(_from_files)
