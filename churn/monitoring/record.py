"""The table `monitoring`: complete windows and verdicts, each entered once, so that persistence can be read back."""

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from churn.errors import CommitConflict
from churn.lake.create import create_table
from churn.lake.failures import lake_failures
from churn.lake.files import local_or_url
from churn.lake.table import Pinned, open_table
from churn.monitoring.measurement import Known, MeasuredWindow, Measurement
from churn.monitoring.quality import Quality
from churn.monitoring.verdict import MonitorDecision, MonitorVerdict

TABLE = "monitoring"
SCHEMA = pl.Schema(
    {
        "kind": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "deployment": pl.String(),
        "version": pl.String(),
        "bundle_digest": pl.String(),
        "window_start": pl.Datetime("us", "UTC"),
        "window_end": pl.Datetime("us", "UTC"),
        "decision": pl.String(),
        "reason": pl.String(),
        "document": pl.String(),
    }
)
"""`kind` is `window`, `outcomes` or `verdict`; `document` holds the whole of it as JSON."""

_ATTEMPTS = 20


def known_before(lake_url: str, *, deployment: str, version: str, digest: str, since: datetime) -> Known:
    """Return the complete windows of a version since it went live, oldest first, and its newest outcomes."""
    wanted = {"deployment": deployment, "version": version, "bundle_digest": digest}
    windows, quality = (_rows(lake_url, kind) for kind in ("window", "outcomes"))
    if windows is None or quality is None:
        return Known()
    found = windows.filter(pl.col("window_start") >= since, **wanted).sort("window_start").collect()
    newest = quality.filter(pl.col("window_start") >= since, **wanted).sort("window_end").tail(1).collect()
    return Known(
        tuple(MeasuredWindow.model_validate_json(document) for document in found["document"]),
        Quality.model_validate_json(newest["document"][0]) if newest.height else None,
    )


def last_verdict(lake_url: str, at: datetime | None = None) -> MonitorVerdict | None:
    """Return the newest verdict, up to a moment if one is given; None before the first."""
    rows = _rows(lake_url, "verdict")
    if rows is None:
        return None
    then = rows if at is None else rows.filter(pl.col("at") <= at)
    found = then.sort("at").tail(1).collect()
    return MonitorVerdict.model_validate_json(found["document"][0]) if found.height else None


def last_given(lake_url: str) -> dict[MonitorDecision, datetime]:
    """Return when each decision was last given; those that never were are left out."""
    rows = _rows(lake_url, "verdict")
    if rows is None:
        return {}
    return dict(rows.group_by("decision").agg(pl.col("at").max()).collect().iter_rows())


def keep(lake_url: str, measured: Measurement, verdict: MonitorVerdict) -> int:
    """Enter what is new: a window of a version once, its outcomes once a day, and each decision about it once an hour.

    Returns:
        How many rows were entered: a second run in the same hour enters none.

    Raises:
        CommitConflict: other writers came first too many times in a row.
        LakeFailed: the storage refused.
    """
    uri = f"{local_or_url(lake_url)}/{TABLE}"
    about = f"{measured.deployment}:{measured.version}:{measured.bundle_digest}:{measured.live_since.isoformat()}"
    hour = verdict.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    rows = {f"window:{about}:{one.start.isoformat()}": _row(measured, "window", one) for one in measured.windows}
    rows[f"verdict:{about}:{hour.isoformat()}:{verdict.decision}"] = _verdict_row(measured, verdict)
    if (quality := measured.quality) is not None:
        rows[f"outcomes:{about}:{quality.until.isoformat()}"] = _row(measured, "outcomes", quality)
    for _ in range(_ATTEMPTS):
        with lake_failures(uri):
            table = create_table(uri, SCHEMA, name=TABLE)
        new = [name for name in rows if not table.has_transaction(name)]
        if not new:
            return 0
        frame = pl.DataFrame([rows[name] for name in new], schema=SCHEMA, orient="row")
        try:
            with lake_failures(uri):
                _append(table, frame, new)
        except CommitConflict:
            continue
        return len(new)
    raise CommitConflict(f"{uri}: other writers came first {_ATTEMPTS} times in a row; run the monitoring again")


def _append(table: Pinned, frame: pl.DataFrame, transactions: Sequence[str]) -> None:
    table.append(frame, fence=TABLE, transactions=transactions)


def _rows(lake_url: str, kind: str) -> pl.LazyFrame | None:
    table = open_table(f"{local_or_url(lake_url)}/{TABLE}")
    return None if table is None else table.scan().filter(kind=kind)


def _row(measured: Measurement, kind: str, what: MeasuredWindow | Quality) -> dict[str, object]:
    start, end = (what.since, what.until) if isinstance(what, Quality) else (what.start, what.end)
    return {
        "kind": kind,
        "at": measured.at,
        "deployment": measured.deployment,
        "version": measured.version,
        "bundle_digest": measured.bundle_digest,
        "window_start": start,
        "window_end": end,
        "decision": None,
        "reason": None,
        "document": what.model_dump_json(),
    }


def _verdict_row(measured: Measurement, verdict: MonitorVerdict) -> dict[str, object]:
    newest = measured.windows[-1] if measured.windows else None
    return {
        "kind": "verdict",
        "at": verdict.at,
        "deployment": measured.deployment,
        "version": measured.version,
        "bundle_digest": measured.bundle_digest,
        "window_start": newest.start if newest else None,
        "window_end": newest.end if newest else None,
        "decision": verdict.decision,
        "reason": verdict.reason,
        "document": verdict.model_dump_json(),
    }
