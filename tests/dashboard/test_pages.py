"""The pages that are files, in a browser: on a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from churn.monitoring.action import Deed
from churn.monitoring.examination import Examination
from churn.monitoring.judge import judge
from churn.monitoring.page import monitor_page
from churn.monitoring.watched import Watched
from churn.rollout.history import look_of
from churn.rollout.page import RolloutFacts, rollout_page
from tests import rollout
from tests.watched import SETTINGS, estimates, quality, watched

if TYPE_CHECKING:
    from playwright.sync_api import Page


def drifted() -> str:
    """Return the report of a model some of whose customers changed, drawn as in `tests/watched.py`."""
    outcomes = quality({"roc_auc": 0.69}).model_copy(update={"promoted": estimates({"roc_auc": 0.73})})
    found = watched(
        [lambda frame: frame, *[lambda frame: frame.with_columns(pl.col("amount") * 1.8)] * 3], quality=outcomes
    )
    verdict = judge(found, Examination(), SETTINGS)
    return monitor_page(
        Watched(measurement=found, verdict=verdict, deed=Deed(kind="none", says="entered for training"))
    )


def faulty() -> str:
    """Return the report of a rollout whose canary fails a request in twenty."""
    verdict = rollout.judged(rollout.traffic(3_000, canary_error=0.05))
    return rollout_page([look_of(verdict)], [verdict], RolloutFacts(canary="8", stable="7", deployment="churn/churn"))


@pytest.mark.parametrize(
    ("name", "made", "promised"),
    [
        ("monitoring", drifted, ("To be trained again", "Drift of features", "Windows")),
        ("rollout", faulty, ("Rolled back", "How far apart the tracks are", "Step by step")),
    ],
)
def test_a_report_fits_a_desk_and_a_phone_and_shows_what_it_found(
    browse: "Callable[[Callable[[Page], None]], None]",
    tmp_path: Path,
    name: str,
    made: Callable[[], str],
    promised: tuple[str, ...],
) -> None:
    file = tmp_path / f"{name}.html"
    file.write_text(made(), encoding="utf-8")
    said: dict[int, str] = {}
    widths: dict[int, int] = {}

    def look(page: "Page") -> None:
        for width in (390, 1040):
            page.set_viewport_size({"width": width, "height": 1335})
            page.goto(file.as_uri())
            said[width] = page.locator("body").inner_text().lower()
            widths[width] = page.evaluate("document.documentElement.scrollWidth")

    browse(look)

    assert widths == {390: 390, 1040: 1040}
    assert [words for words in promised for text in said.values() if words.lower() not in text] == []
