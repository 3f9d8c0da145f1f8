"""Findings about the service and the data behind it: errors, latency, volume, freshness, quarantine."""

import statistics
from collections.abc import Iterator
from datetime import timedelta

from churn.monitoring.measurement import Measurement
from churn.monitoring.settings import HealthSettings
from churn.monitoring.verdict import Finding, FindingName

_SURE = 0.99
_WINDOWS_BEFORE = 2
"""Complete windows before the newest one, from which on its volume is compared with theirs."""


def service_findings(found: Measurement, settings: HealthSettings) -> Iterator[Finding]:
    """Judge the newest complete window."""
    names: tuple[FindingName, ...] = ("errors", "latency", "volume")
    if not found.windows:
        yield from (Finding(name=name, decision="WATCH", says="no complete window") for name in names)
        return
    yield _errors(found, settings)
    yield _latency(found, settings)
    yield _volume(found, settings)


def data_findings(found: Measurement, settings: HealthSettings) -> Iterator[Finding]:
    """Judge the data behind the model."""
    yield _freshness(found, settings)
    yield _quarantine(found, settings)


def surely_above(failed: int, requests: int) -> float:
    """Return the share of failures that the true one exceeds with 99 % confidence (Clopper & Pearson 1934)."""
    from scipy.special import betaincinv  # type: ignore[import-untyped]

    return float(betaincinv(failed, requests - failed + 1, 1 - _SURE)) if failed else 0.0


def _errors(found: Measurement, settings: HealthSettings) -> Finding:
    answers, limits = found.windows[-1].traffic.answers, {"error_rate": settings.max_error_rate}
    if answers is None:
        return Finding(name="errors", decision="WATCH", says="nobody can tell how many requests failed", limits=limits)
    if answers.requests < settings.min_requests:
        says = f"{answers.requests} requests are too few to judge errors by, {settings.min_requests} are needed"
        return Finding(name="errors", decision="WATCH", says=says, limits=limits)
    rate, least = answers.failed / answers.requests, surely_above(answers.failed, answers.requests)
    says = f"{answers.failed:,} of {answers.requests:,} requests failed ({rate:.2%})"
    if least > settings.max_error_rate:
        says, decision = f"{says}, surely more than {settings.max_error_rate:.2%}", "ROLLBACK"
    else:
        decision = "WATCH" if rate > settings.max_error_rate else "OK"
    return Finding(
        name="errors",
        decision=decision,
        says=says,
        figures={"error_rate": rate, "at_least": least},
        limits=limits,
    )


def _latency(found: Measurement, settings: HealthSettings) -> Finding:
    p99, limits = found.windows[-1].traffic.p99, {"p99_ms": settings.max_p99_ms}
    if p99 is None:
        return Finding(name="latency", decision="WATCH", says="no latency was logged", limits=limits)
    slow = p99 > settings.max_p99_ms
    says = f"99 % of the predictions took at most {p99:.3g} ms" + (f", allowed are {settings.max_p99_ms:g}" * slow)
    figures: dict[str, float | None] = {"p50_ms": found.windows[-1].traffic.p50, "p99_ms": p99}
    return Finding(name="latency", decision="WATCH" if slow else "OK", says=says, figures=figures, limits=limits)


def _volume(found: Measurement, settings: HealthSettings) -> Finding:
    rows, before = found.windows[-1].traffic.rows, [window.traffic.rows for window in found.windows[:-1]]
    limits = {"share": settings.min_volume_share}
    if len(before) < _WINDOWS_BEFORE:
        return Finding(
            name="volume",
            decision="OK" if rows else "WATCH",
            says=f"{rows:,} predictions, with too few windows before to compare",
            figures={"predictions": float(rows), "usual": None},
            limits=limits,
        )
    usual = statistics.median(before)
    low = rows < settings.min_volume_share * usual or not rows
    return Finding(
        name="volume",
        decision="WATCH" if low else "OK",
        says=f"{rows:,} predictions, {usual:,.0f} in the windows before",
        figures={"predictions": float(rows), "usual": float(usual)},
        limits=limits,
    )


def _freshness(found: Measurement, settings: HealthSettings) -> Finding:
    newest = found.data.newest_activity
    if newest is None:
        return Finding(name="freshness", decision="WATCH", says="the lake holds no activity")
    age = max((found.at - newest) / timedelta(hours=1), 0.0)
    most = settings.max_data_age_hours
    old = most is not None and age > most
    shown = f"{age:.0f} h" if age < 100 else f"{age / 24:,.0f} days"
    return Finding(
        name="freshness",
        decision="WATCH" if old else "OK",
        says=f"the newest activity is {shown} old" + (f", {most:g} h are allowed" if old else ""),
        figures={"age_hours": age},
        limits={} if most is None else {"age_hours": most},
    )


def _quarantine(found: Measurement, settings: HealthSettings) -> Finding:
    worst = max(found.data.quarantine, key=lambda stream: stream.share, default=None)
    limits = {"share": settings.max_quarantine_share}
    if worst is None:
        return Finding(name="quarantine", decision="WATCH", says="nothing was ingested for a day", limits=limits)
    bad = worst.share > settings.max_quarantine_share
    says = f"{worst.share:.1%} of the rows of {worst.stream} went to quarantine within a day" if worst.share else ""
    return Finding(
        name="quarantine",
        decision="WATCH" if bad else "OK",
        says=says or "no row went to quarantine within a day",
        figures={"share": worst.share},
        limits=limits,
    )
