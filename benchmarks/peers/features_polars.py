"""The same features by hand in Polars, straight from the events: `python -m benchmarks.peers.features_polars LAKE OUT`.

Written to be fast: one pass over the events sums up the days, one per kind of code finds when it was last seen, and
the streaming engine runs them. It shares no code with the dbt models, so that they are also checked against it.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from benchmarks.peers.features_job import SETTINGS, run
from churn.features.settings import FeatureSettings

KINDS = {"items": "item_id", "channels": "channel", "sessions": "session_id"}
NAMED = ("country", "plan")
_WINDOWS = {"7d": 7, "30d": 30, "90d": 90, "total": 100_000}
_BANDS = ("night", "morning", "afternoon", "evening")
_ROLES = {"purchases": "purchase", "returns": "returned", "clicks": "click", "logins": "login"}
_KEY = ("customer_id", "event_day", "available_day")
_STEPS = (
    *("gaps", "gap_sum", "gap_squares", "gaps_90d", "gap_sum_90d", "weekend", *_BANDS),
    *("country_record", "plan_record", "valid_from", "status", "price"),
)
"""Columns on the way to features."""
_ATTRIBUTES = ("segment", "age_band", "income_band", "household")


def features(
    tables: Mapping[str, pl.LazyFrame], cutoffs: Mapping[date, bool], settings: FeatureSettings
) -> pl.DataFrame:
    """Compute the whole table, sorted by cutoff and customer.

    Args:
        tables: `activity`, and `customers` and `subscriptions` where there are any.
        cutoffs: each with whether its label is known.
        settings: population, label and event types.
    """
    events = _events(tables["activity"])
    days = _days(events, settings)
    distinct = [_distinct(events, kind, list(cutoffs)) for kind in KINDS]
    named = {code: _last_seen(events, code, list(cutoffs)).collect(engine="streaming") for code in NAMED}
    records = {name: table.collect() for name, table in tables.items() if name != "activity"}
    parts = []
    for day, labelled in sorted(cutoffs.items()):
        rows = _from_days(days, day).filter(pl.col("recency_days") <= settings.active_days)
        for counted in distinct:
            mine = {name: name.removesuffix(f"@{day}") for name in counted.columns if name.endswith(f"@{day}")}
            counts = counted.select("customer_id", *mine).rename(mine)
            rows = rows.join(counts, on="customer_id", how="left")
        for code in NAMED:
            rows = rows.join(_newest(named[code], code, day), on="customer_id", how="left")
        rows = rows.with_columns(pl.col(rf"^({'|'.join(KINDS)})_.*$").fill_null(0))
        rows = _with_records(rows, records, day)
        churned = _churned(rows, days, records, day, settings) if labelled else pl.lit(None, pl.Boolean)
        parts.append(_ratios(rows).with_columns(pl.lit(day).alias("cutoff"), churned.alias("churned")))
    return pl.concat(parts).drop(_STEPS).sort("cutoff", "customer_id")


def _events(activity: pl.LazyFrame) -> pl.LazyFrame:
    day = pl.col("available_at").dt.date()
    late = pl.col("available_at") > day.cast(pl.Datetime("us", "UTC"))
    absent = sorted({*KINDS.values(), *NAMED} - set(activity.collect_schema()))
    return activity.with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in absent),
        pl.col("event_time").dt.date().alias("event_day"),
        pl.when(late).then(day.dt.offset_by("1d")).otherwise(day).alias("available_day"),
    )


def _days(events: pl.LazyFrame, settings: FeatureSettings) -> pl.DataFrame:
    """Sum up by customer, event day and available day, in this order."""
    role = {name: pl.col("event_type").is_in(getattr(settings.event_types, of)) for name, of in _ROLES.items()}
    band = pl.col("event_time").dt.hour() // 6
    sums = (
        pl.len().cast(pl.Int64).alias("events"),
        *(of.cast(pl.Int64).sum().alias(name) for name, of in role.items()),
        *((band == number).cast(pl.Int64).sum().alias(name) for number, name in enumerate(_BANDS)),
        pl.when(role["purchases"]).then("amount").sum().alias("amount"),
        pl.when(role["purchases"]).then("quantity").sum().alias("quantity"),
        pl.when(role["returns"]).then(pl.col("amount").abs()).sum().alias("returned_amount"),
        pl.col("event_type").is_in(settings.cancellation_events).any().alias("cancelled"),
    )
    return events.group_by(_KEY).agg(sums).collect(engine="streaming").sort(_KEY[:2])


def _last_seen(events: pl.LazyFrame, code: str, cutoffs: Sequence[date]) -> pl.LazyFrame:
    """Find for each customer and code the last event day known at each cutoff."""
    known = {str(day): (pl.col("event_day") < day) & (pl.col("available_day") <= day) for day in cutoffs}
    return (
        events.filter(pl.col(code).is_not_null())
        .select("customer_id", code, *(pl.when(rows).then("event_day").alias(day) for day, rows in known.items()))
        .group_by("customer_id", code)
        .agg(pl.col(*known).max())
    )


def _distinct(events: pl.LazyFrame, kind: str, cutoffs: Sequence[date]) -> pl.DataFrame:
    """Count different codes in every window of every cutoff, in columns such as `items_7d@2026-01-01`."""
    ages = {day: (pl.lit(day) - pl.col(str(day))).dt.total_days() for day in cutoffs}
    counts = (
        (age <= days).cast(pl.Int64).sum().alias(f"{kind}_{name}@{day}")
        for day, age in ages.items()
        for name, days in _WINDOWS.items()
    )
    return _last_seen(events, KINDS[kind], cutoffs).group_by("customer_id").agg(*counts).collect(engine="streaming")


def _newest(seen: pl.DataFrame, code: str, day: date) -> pl.DataFrame:
    known = seen.filter(pl.col(str(day)).is_not_null()).sort(str(day), code)
    return known.group_by("customer_id").agg(pl.col(code).last())


def _from_days(days: pl.DataFrame, day: date) -> pl.DataFrame:
    """Compute what the days of a customer tell; `days` must be sorted by customer and day."""
    known = days.lazy().filter(pl.col("event_day") < day, pl.col("available_day") <= day)
    age = (pl.lit(day) - pl.col("event_day")).dt.total_days()
    same = pl.col("customer_id") == pl.col("customer_id").shift()
    before = pl.when(same).then(pl.col("age").shift())
    known = known.with_columns(age.alias("age")).with_columns(before.alias("before"))
    gap = pl.col("before") - pl.col("age")
    known = known.with_columns(
        pl.when(gap > 0).then(gap).alias("gap"),
        (gap.is_null() | (gap > 0)).alias("first"),
        pl.col("event_day").dt.weekday().ge(6).alias("weekend"),
        ((pl.col("before") > 90).fill_null(True) | ((pl.col("before") - 1) // 7 != (pl.col("age") - 1) // 7)).alias(
            "week"
        ),
        ((pl.col("before") - 1) // 30 != (pl.col("age") - 1) // 30).fill_null(True).alias("month"),
    )
    within = {name: pl.col("age") <= days for name, days in {**_WINDOWS, "180d": 180}.items()}
    summed = (
        pl.when(rows).then(pl.col(name)).sum().alias(f"{name}_{window}")
        for name in ("events", *_ROLES, "amount", "quantity")
        for window, rows in within.items()
        if window != "180d" or name == "amount"
    )
    return (
        known.group_by("customer_id")
        .agg(
            *summed,
            *((pl.col("first") & rows).cast(pl.Int64).sum().alias(f"active_days_{w}") for w, rows in within.items()),
            pl.col("returned_amount").sum().alias("returned_amount_total"),
            pl.col("age").min().alias("recency_days"),
            pl.when(pl.col("purchases") > 0).then("age").min().alias("purchase_recency_days"),
            pl.col("age").max().alias("tenure_days"),
            pl.col("gap").drop_nulls().last().alias("gap_last_days"),
            pl.col("gap").max().alias("gap_max_days"),
            pl.col("gap").count().cast(pl.Int64).alias("gaps"),
            pl.col("gap").sum().alias("gap_sum"),
            (pl.col("gap") ** 2).sum().alias("gap_squares"),
            pl.when(within["90d"]).then("gap").count().cast(pl.Int64).alias("gaps_90d"),
            pl.when(within["90d"]).then("gap").sum().alias("gap_sum_90d"),
            (pl.col("week") & within["90d"]).cast(pl.Int64).sum().alias("active_weeks_90d"),
            pl.col("month").cast(pl.Int64).sum().alias("active_months_total"),
            pl.when("weekend").then("events").sum().alias("weekend"),
            pl.col(*_BANDS).sum(),
        )
        .collect(engine="streaming")
    )


def _with_records(rows: pl.DataFrame, records: Mapping[str, pl.DataFrame], day: date) -> pl.DataFrame:
    """Add what the customer and subscription records say that were valid before and available at the cutoff."""
    customers = _known(records, "customers", day, ("country", *_ATTRIBUTES))
    newest = customers.group_by("customer_id", maintain_order=True).last()
    rows = rows.join(newest, on="customer_id", how="left", suffix="_record")
    rows = rows.with_columns(pl.coalesce("country_record", "country").alias("country"))
    subscriptions = _known(records, "subscriptions", day, ("plan", "status", "price"))
    age = (pl.lit(day) - pl.col("valid_from").dt.date()).dt.total_days()
    newest = subscriptions.group_by("customer_id", maintain_order=True).agg(
        pl.col("plan", "status", "price").last(),
        age.last().alias("subscription_age_days"),
        (age <= 90).sum().cast(pl.Int64).alias("subscription_changes_90d"),
        pl.len().cast(pl.Int64).alias("subscription_changes_total"),
    )
    return rows.join(newest, on="customer_id", how="left", suffix="_record").with_columns(
        pl.coalesce("plan_record", "plan").alias("plan"),
        pl.col("status").alias("subscription_status"),
        pl.col("price").alias("subscription_price"),
        pl.col("subscription_changes_90d", "subscription_changes_total").fill_null(0),
    )


def _known(records: Mapping[str, pl.DataFrame], name: str, day: date, columns: Sequence[str]) -> pl.DataFrame:
    """Return records known at a cutoff, oldest first."""
    dtypes = {column: pl.Decimal(18, 4) if column == "price" else pl.String() for column in columns}
    moment = pl.Datetime("us", "UTC")
    key = {"customer_id": pl.String(), "valid_from": moment, "available_at": moment, "record_id": pl.String()}
    table = records.get(name, pl.DataFrame(schema={**key, **dtypes}))
    missing = [pl.lit(None, dtype).alias(column) for column, dtype in dtypes.items() if column not in table.columns]
    midnight = pl.lit(day).cast(moment)
    known = table.with_columns(missing).filter(pl.col("valid_from") < midnight, pl.col("available_at") <= midnight)
    return known.sort("valid_from", "available_at", "record_id").select("customer_id", "valid_from", *columns)


def _churned(
    rows: pl.DataFrame,
    days: pl.DataFrame,
    records: Mapping[str, pl.DataFrame],
    day: date,
    settings: FeatureSettings,
) -> pl.Expr:
    end = day + timedelta(days=settings.horizon_days)
    after = days.filter(pl.col("event_day") >= day, pl.col("event_day") < end)
    left = after.filter("cancelled")["customer_id"]
    if "subscriptions" in records:
        valid_day = pl.col("valid_from").dt.date()
        ended = records["subscriptions"].filter(
            valid_day >= day, valid_day < end, pl.col("status").is_in(settings.cancelled_statuses)
        )
        left = pl.concat([left, ended["customer_id"]])
    customer = pl.col("customer_id")
    return ~customer.is_in(after["customer_id"].unique().implode()) | customer.is_in(left.unique().implode())


def _ratios(rows: pl.DataFrame) -> pl.DataFrame:
    numbers = [name for name, dtype in rows.schema.items() if dtype.is_numeric()]
    rows = rows.with_columns(pl.col(numbers).cast(pl.Float64))
    c = pl.col
    several = c("gaps") > 1
    variance = (c("gaps") * c("gap_squares") - c("gap_sum") ** 2) / (c("gaps") * (c("gaps") - 1))
    rows = rows.with_columns(
        _per("gap_sum", "gaps").alias("gap_mean_days"),
        pl.when(several).then(variance.sqrt()).alias("gap_deviation_days"),
        (c("active_days_total") / c("tenure_days")).alias("active_day_rate"),
        *((c(band) / c("events_total")).alias(f"{band}_share") for band in (*_BANDS, "weekend")),
    )
    return rows.with_columns(
        (_per("gap_sum_90d", "gaps_90d") / c("gap_mean_days")).alias("gap_trend"),
        (c("recency_days") / c("gap_mean_days")).alias("overdue_ratio"),
        (c("recency_days") / c("gap_max_days")).alias("overdue_max_ratio"),
        pl.when(c("gap_deviation_days") > 0)
        .then((c("recency_days") - c("gap_mean_days")) / c("gap_deviation_days"))
        .alias("overdue_deviations"),
        (c("active_day_rate") * c("recency_days")).alias("silent_days_expected"),
        *(_share_of_returns(window).alias(f"return_share_{window}") for window in ("90d", "total")),
        *(_per(f"amount_{w}", f"active_days_{w}").alias(f"amount_per_active_day_{w}") for w in ("90d", "total")),
        _per("amount_total", "purchases_total").alias("amount_per_purchase_total"),
        _per("events_total", "active_days_total").alias("events_per_active_day_total"),
        _per("items_90d", "active_days_90d").alias("items_per_active_day_90d"),
        *((_per(f"{n}_30d", f"{n}_90d") * 3).alias(f"{n}_trend") for n in ("events", "active_days", "amount")),
    )


def _share_of_returns(window: str) -> pl.Expr:
    returns, all_of_them = pl.col(f"returns_{window}"), pl.col(f"returns_{window}") + pl.col(f"purchases_{window}")
    return pl.when(all_of_them != 0).then(returns / all_of_them)


def _per(name: str, by: str) -> pl.Expr:
    """Divide two columns; null where the divisor is 0."""
    return pl.when(pl.col(by) != 0).then(pl.col(name) / pl.col(by))


def _from_files(files: list[str], cutoffs: Mapping[date, bool]) -> pl.DataFrame:
    return features({"activity": pl.scan_parquet(files, hive_partitioning=False)}, cutoffs, SETTINGS)


if __name__ == "__main__":
    run(_from_files)
