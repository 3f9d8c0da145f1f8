"""The same features in NumPy on packed keys: `python -m benchmarks.peers.features_numpy LAKE OUT`.

pyarrow reads and encodes every code as a number, keys are packed into one integer, pandas groups days and codes once,
and every cutoff works on what came out with NumPy. The lake measured on has no customer or subscription records, so
that their columns are empty here, which is in its favour.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers.features_job import SETTINGS, run
from benchmarks.peers.features_pandas import BANDS, KINDS, ROLES, SUMMED, WINDOWS, ratios
from churn.features.settings import FeatureSettings

_DAY_US = 86_400_000_000
_SPAN = 1 << 16
"""More than there are days since 1970."""

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Coded = tuple[Ints, pa.Array]
"""Position of each row's code among the codes, -1 for none, and the codes."""


def features(files: Sequence[str], cutoffs: Mapping[date, bool], settings: FeatureSettings) -> pd.DataFrame:
    """Compute the whole table, sorted by cutoff and customer."""
    columns = ["customer_id", "event_time", "available_at", "event_type", "amount", "quantity", "country"]
    events = pq.read_table(list(files), columns=[*columns, *KINDS.values()], partitioning=None)
    customer, tokens = _coded(events, "customer_id")
    moment = pc.cast(events["event_time"], pa.int64()).to_numpy()
    day = moment // _DAY_US
    available = -(-pc.cast(events["available_at"], pa.int64()).to_numpy() // _DAY_US)
    seen = {code: _last_seen(events, code, customer, day, available, cutoffs) for code in (*KINDS.values(), "country")}
    days = _days(events, customer, moment, day, available, settings)
    del events
    parts = []
    for cutoff, labelled in sorted(cutoffs.items()):
        rows = _from_days(days, _number(cutoff))
        rows = rows[rows["recency_days"] <= settings.active_days]
        for kind, code in KINDS.items():
            owner, _, last, _ = seen[code]
            for window, reach in WINDOWS.items():
                inside = (last[cutoff] >= _number(cutoff) - reach) & (last[cutoff] >= 0)
                rows[f"{kind}_{window}"] = np.bincount(owner[inside], minlength=len(tokens))[rows.index]
        rows["country"] = _newest(*seen["country"], cutoff).reindex(rows.index)
        rows["churned"] = _churned(rows, days, _number(cutoff), settings) if labelled else None
        rows["cutoff"] = cutoff
        rows["customer_id"] = tokens.take(pa.array(rows.index)).to_pandas().to_numpy()
        parts.append(ratios(rows).sort_values("customer_id"))
    return pd.concat(parts, ignore_index=True)


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _coded(events: pa.Table, name: str) -> Coded:
    encoded = events[name].combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary


def _last_seen(
    events: pa.Table, code: str, customer: Ints, day: Ints, available: Ints, cutoffs: Mapping[date, bool]
) -> tuple[Ints, Ints, dict[date, Ints], pa.Array]:
    """Find for each customer and code the last event day known at each cutoff, -1 for none."""
    number, codes = _coded(events, code)
    present = number >= 0
    frame = pd.DataFrame({"key": (customer * max(len(codes), 1) + number)[present]})
    for cutoff in cutoffs:
        known = (day < _number(cutoff)) & (available <= _number(cutoff))
        frame[str(cutoff)] = np.where(known, day, -1)[present]
    last = frame.groupby("key", sort=False).max()
    key = last.index.to_numpy()
    size = max(len(codes), 1)
    return key // size, key % size, {cutoff: last[str(cutoff)].to_numpy() for cutoff in cutoffs}, codes


def _newest(owner: Ints, number: Ints, last: Mapping[date, Ints], codes: pa.Array, cutoff: date) -> pd.Series:
    """Return by customer the code seen last; the greatest where a day has several."""
    place = np.argsort(np.argsort(codes.to_pandas().to_numpy()))
    frame = pd.DataFrame({"customer": owner, "number": number, "place": place[number], "last": last[cutoff]})
    newest = frame[frame["last"] >= 0].sort_values(["last", "place"]).groupby("customer")["number"].last()
    return pd.Series(codes.to_pandas().to_numpy()[newest], index=newest.index)


def _days(
    events: pa.Table, customer: Ints, moment: Ints, day: Ints, available: Ints, settings: FeatureSettings
) -> pd.DataFrame:
    """Sum up by customer, event day and available day, in this order."""
    kind, kinds = _coded(events, "event_type")
    role = {
        name: np.isin(kind, np.flatnonzero(np.isin(kinds.to_pandas(), getattr(settings.event_types, of))))
        for name, of in ROLES.items()
    }
    left = np.isin(kind, np.flatnonzero(np.isin(kinds.to_pandas(), settings.cancellation_events)))
    amount = pc.cast(events["amount"], pa.float64()).fill_null(0).to_numpy()
    quantity = pc.cast(events["quantity"], pa.float64()).fill_null(0).to_numpy()
    band = moment % _DAY_US // (_DAY_US // 4)
    frame = pd.DataFrame(
        {
            "key": (customer * _SPAN + day) * _SPAN + available,
            "events": np.ones(len(day), dtype=np.int32),
            **{name: rows.astype(np.int32) for name, rows in role.items()},
            **{name: (band == number).astype(np.int32) for number, name in enumerate(BANDS)},
            "amount": np.where(role["purchases"], amount, 0),
            "quantity": np.where(role["purchases"], quantity, 0),
            "returned_amount": np.where(role["returns"], np.abs(amount), 0),
            "cancelled": left.astype(np.int32),
        }
    )
    days = frame.groupby("key", sort=True).sum()
    key = days.index.to_numpy()
    return days.assign(customer=key // _SPAN**2, event_day=key // _SPAN % _SPAN, available_day=key % _SPAN)


def _from_days(days: pd.DataFrame, cutoff: int) -> pd.DataFrame:
    """Compute what the days of a customer tell, by customer."""
    known = days[(days["event_day"] < cutoff) & (days["available_day"] <= cutoff)]
    customer, age = known["customer"].to_numpy(), cutoff - known["event_day"].to_numpy()
    before = np.where(np.r_[False, customer[1:] == customer[:-1]], np.r_[0, age[:-1]], -1)
    gap = np.where(before > age, before - age, 0)
    first, recent, new = before != age, age <= 90, before < 0
    columns = {
        f"{name}_{window}": known[name].to_numpy() * (age <= reach)
        for name in SUMMED
        for window, reach in WINDOWS.items()
    }
    columns |= {f"active_days_{window}": first & (age <= reach) for window, reach in WINDOWS.items()}
    columns |= {name: known[name].to_numpy() for name in BANDS}
    columns |= {
        "amount_180d": known["amount"].to_numpy() * (age <= 180),
        "active_days_180d": first & (age <= 180),
        "returned_amount_total": known["returned_amount"].to_numpy(),
        "weekend": np.where((cutoff - age) % 7 - 2 < 2, known["events"], 0) * ((cutoff - age) % 7 >= 2),
        "gaps": gap > 0,
        "gap_sum": gap,
        "gap_squares": gap * gap,
        "gaps_90d": (gap > 0) & recent,
        "gap_sum_90d": gap * recent,
        "active_weeks_90d": recent & (new | (before > 90) | ((before - 1) // 7 != (age - 1) // 7)),
        "active_months_total": new | ((before - 1) // 30 != (age - 1) // 30),
    }
    # The rows are in the order of customers, so that sums and ends are those of runs.
    starts = np.flatnonzero(np.r_[True, customer[1:] != customer[:-1]])
    rows = pd.DataFrame(
        {
            name: np.add.reduceat(values, starts, dtype=np.float64 if values.dtype == bool else None)
            for name, values in columns.items()
        },
        index=customer[starts],
    ).astype(float)
    bought = np.where(known["purchases"] > 0, age, _SPAN)
    rows["recency_days"] = np.minimum.reduceat(age, starts).astype(float)
    rows["tenure_days"] = np.maximum.reduceat(age, starts).astype(float)
    rows["purchase_recency_days"] = np.minimum.reduceat(bought, starts).astype(float)
    rows["gap_max_days"] = np.maximum.reduceat(gap, starts).astype(float)
    at = np.maximum.reduceat(np.where(gap > 0, np.arange(len(gap)), -1), starts)
    rows["gap_last_days"] = np.where(at >= 0, gap[at], np.nan)
    return rows.replace({"purchase_recency_days": {_SPAN: np.nan}, "gap_max_days": {0: np.nan}})


def _churned(rows: pd.DataFrame, days: pd.DataFrame, cutoff: int, settings: FeatureSettings) -> pd.Series:
    after = days[(days["event_day"] >= cutoff) & (days["event_day"] < cutoff + settings.horizon_days)]
    left = after.loc[after["cancelled"] > 0, "customer"]
    churned = ~rows.index.isin(after["customer"].unique()) | rows.index.isin(left.unique())
    return pd.Series(churned, index=rows.index)


def _from_files(files: list[str], cutoffs: Mapping[date, bool]) -> pl.DataFrame:
    return pl.from_pandas(features(files, cutoffs, SETTINGS))


if __name__ == "__main__":
    run(_from_files)
