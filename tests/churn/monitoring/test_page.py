import re

import polars as pl

from churn.evaluation.bootstrap import Estimate
from churn.monitoring.action import Deed
from churn.monitoring.examination import Examination
from churn.monitoring.judge import judge
from churn.monitoring.measurement import Measurement, PartialWindow
from churn.monitoring.page import TITLES, monitor_page
from churn.monitoring.watched import Watched
from tests.watched import SETTINGS, healthy, quality, watched


def page(found: Measurement, deed: Deed = Deed(kind="none", says="nothing to do")) -> str:  # noqa: B008 - frozen
    return monitor_page(Watched(measurement=found, verdict=judge(found, Examination(), SETTINGS), deed=deed))


def broken() -> Measurement:
    found = watched(
        [lambda frame: frame, *[lambda frame: frame.with_columns(pl.col("amount") * 100)] * 3],
        quality=quality({"roc_auc": 0.4}, Estimate(value=-2, low=-3, high=-1)),
    )
    partial = PartialWindow(start=found.windows[-1].end, end=found.at, traffic=found.windows[0].traffic)
    return found.model_copy(update={"partial": partial})


def test_a_page_holds_the_verdict_every_finding_and_what_was_done() -> None:
    shown = page(broken(), Deed(kind="rollback", says="version 6 is in production again"))

    assert "To be rolled back" in shown
    assert "Version 6 is in production again." in shown
    assert [title for title in TITLES.values() if title not in shown] == []
    assert shown.count('class="broken"') == 4  # three windows, and the key
    assert '<span class="alarm">amount</span>' in shown
    assert "partial" in shown
    assert "−2.000" in shown


def test_a_page_of_nothing_but_a_new_version_can_be_drawn() -> None:
    drifts = tuple(drift.model_copy(update={"tested": 0, "flagged": 0}) for drift in healthy().drifts)

    shown = page(healthy(windows=(), drifts=drifts, former=None))

    assert "To be watched" in shown
    assert "there is no healthy version before" in shown


def test_a_page_is_one_file_and_escapes_what_it_shows() -> None:
    shown = page(healthy(deployment="<script>alert(1)</script>"))

    assert "<script" not in shown
    assert re.findall(r'(?:src|href)="[^#]', shown) == []
    assert "None" not in shown
