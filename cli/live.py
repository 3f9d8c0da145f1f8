"""The live view of a rollout: where it is, what the judge says, and each metric's evidence."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Group

    from churn.rollout.verdict import MetricEvidence, TrackEvidence
    from seldon.rollout.outcome import Progress

_BAR = 24


@contextmanager
def shown() -> Iterator[None]:
    """Show what a rollout in the body does: a live table on a terminal, elsewhere one line a step."""
    from rich.console import Console

    from seldon.rollout.watching import watchers

    console = Console(stderr=True)
    if not console.is_terminal:
        with watchers.watching(_Lines()):
            yield
        return
    from rich.live import Live

    with (
        Live(console=console, refresh_per_second=4) as live,
        watchers.watching(lambda progress: live.update(drawn(progress))),
    ):
        yield


class _Lines:
    def __init__(self) -> None:
        self._last = ""

    def __call__(self, progress: "Progress") -> None:
        if progress.stage != self._last:
            typer.echo(f"{progress.at:%H:%M:%S}  {progress.stage}: {progress.says}", err=True)
        self._last = progress.stage


def drawn(progress: "Progress") -> "Group":
    """Draw one progress."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text(f"{progress.stage}  canary {progress.weight} %  {progress.says}", style="bold")
    if progress.verdict is None:
        return Group(head)
    evidence = progress.verdict.evidence
    tracks = Table("track", "requests", "customers", "failed", "p50", "p99")
    for name, track in (("stable", evidence.stable), ("canary", evidence.canary)):
        tracks.add_row(name, *_figures(track))
    metrics = Table("metric", "difference", "allowed", "worse? evidence for a rollback", "no worse? evidence to go on")
    for metric in evidence.metrics:
        metrics.add_row(
            metric.metric.replace("_", " "),
            "–" if metric.difference is None else f"{metric.difference:+.4f}",
            f"{metric.margin:+.4f}",
            _bar(metric.log_e, metric.needed),
            _cleared(metric),
        )
    return Group(head, tracks, metrics)


def _figures(track: "TrackEvidence") -> tuple[str, ...]:
    times = ("–" if seconds is None else f"{1000 * seconds:.1f} ms" for seconds in (track.p50, track.p99))
    return (f"{track.requests:,}", f"{track.customers:,}", f"{track.failed:,}", *times)


def _cleared(metric: "MetricEvidence") -> str:
    if metric.promote_log_e is None or metric.promote_needed is None:
        return ""
    return _bar(metric.promote_log_e, metric.promote_needed)


def _bar(log_e: float, needed: float) -> str:
    share = min(max(log_e / needed, 0.0), 1.0) if math.isfinite(log_e) else 1.0
    filled = round(share * _BAR)
    return f"{'█' * filled}{'·' * (_BAR - filled)} {share:4.0%}"
