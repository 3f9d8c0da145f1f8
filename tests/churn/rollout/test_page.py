import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import polars as pl
import pytest

from churn.rollout.baseline import Promise
from churn.rollout.drawing import odds, signed
from churn.rollout.history import Look, look_of, thinned
from churn.rollout.judge import Judge
from churn.rollout.page import RolloutFacts, rollout_page
from churn.rollout.verdict import RolloutVerdict
from tests.rollout import BASELINE, HALF, SETTINGS, SMALL, START, judged, traffic

FACTS = RolloutFacts(canary="8", stable="7", deployment="churn/churn", lines=(("Rolled back in", "0.4 s"),))


@cache
def watched(canary_error: float) -> tuple[tuple[Look, ...], tuple[RolloutVerdict, ...]]:
    """Look at a rollout every 1,000 requests, at 20 % and then at 50 %."""
    later = traffic(12_000, seed=2, canary_error=canary_error, start=START + timedelta(hours=1))
    later = later.with_columns(customer=pl.lit("later-") + pl.col("customer"))
    verdicts: list[RolloutVerdict] = []
    bench = Judge(SETTINGS, BASELINE, Promise())
    for step, requests in ((SMALL, traffic(3_000, weight=0.2, canary_error=canary_error)), (HALF, later)):
        for part in requests.iter_slices(1_000):
            bench.add(part)
            verdicts.append(bench.verdict(step, since=START, now=START + timedelta(minutes=len(verdicts))))
    return tuple(look_of(verdict) for verdict in verdicts), (verdicts[2], verdicts[-1])


def page(canary_error: float = 0.01) -> str:
    return rollout_page(*watched(canary_error), FACTS)


def ends_of(html: str, kind: str) -> list[tuple[float, float]]:
    """Return the last point of every line of a kind."""
    lines = re.findall(rf'<polyline class="{kind}" points="([^"]+)"', html)
    return [(float(x), float(y)) for x, y in (line.split(" ")[-1].split(",") for line in lines)]


def test_the_page_says_what_was_decided_and_why() -> None:
    html = page(canary_error=0.05)
    last = watched(0.05)[1][-1]

    assert last.decision == "ROLLBACK"
    assert '<div class="verdict rollback">Rolled back</div>' in html
    assert f"{last.reason[0].upper()}{last.reason[1:]}." in html
    assert "Version 8 beside version 7" in html
    assert "0.4 s" in html


def test_a_page_of_fast_mode_says_that_the_limit_alone_is_no_rollback() -> None:
    looks, verdicts = watched(0.01)
    strict = [
        verdict.model_copy(update={"evidence": verdict.evidence.model_copy(update={"mode": "strict"})})
        for verdict in verdicts
    ]

    assert "rolled back, if beyond its margin too" in page()
    assert "beyond its margin" not in rollout_page(looks, strict, FACTS)


def test_a_line_crosses_the_limit_where_the_judge_rolls_back() -> None:
    limit = ends_of(page(0.05), "limit")[0][1]

    assert ends_of(page(0.05), "odds errors")[0][1] < limit
    assert ends_of(page(0.01), "odds errors")[0][1] > ends_of(page(0.01), "limit")[0][1]


def test_every_metric_has_a_line_and_every_weight_a_mark() -> None:
    html = page()

    assert len(re.findall('<polyline class="odds ', html)) == 9
    assert html.count('<polyline class="step"') == 6
    assert ">20 %</text>" in html
    assert ">50 %</text>" in html


def test_each_step_stands_in_the_table() -> None:
    html = page()

    assert re.findall(r'<span class="small verdict (\w+)">', html) == ["promote", watched(0.01)[1][-1].decision.lower()]


def test_a_rollout_nobody_called_has_a_page() -> None:
    nothing = judged(traffic(10).clear())

    html = rollout_page([look_of(nothing)], [nothing], FACTS)

    assert "Not decided" in html
    assert "Evidence against the canary" not in html


def test_doubts_are_shown() -> None:
    doubtful = judged(traffic(4_000, weight=0.4).with_columns(weight=pl.lit(0.5)))

    html = rollout_page([look_of(doubtful)], [doubtful], FACTS)

    assert "Why the data are in doubt" in html
    assert doubtful.evidence.doubts[0][1:] in html


def test_no_value_becomes_markup_and_nothing_is_loaded() -> None:
    history, verdicts = watched(0.01)
    hostile = FACTS.model_copy(update={"deployment": "<script>alert(1)</script>", "lines": (("<b>", "<img src=x>"),)})

    html = rollout_page(history, verdicts, hostile)

    assert not re.findall(r"<(script|link|img|iframe|b>)", html.replace('<div class="tile"><b>', ""))
    assert "&lt;script&gt;" in html
    assert "nan" not in html.lower().replace("nano", "")


@pytest.mark.parametrize(("count", "most"), [(1, 5), (5, 5), (12, 5)])
def test_thinning_keeps_both_ends_and_the_end_of_every_step(count: int, most: int) -> None:
    look = watched(0.01)[0][0]
    history: Sequence[Look] = [look.model_copy(update={"requests": i, "step": int(i > 6)}) for i in range(count)]

    kept = [look.requests for look in thinned(history, most)]

    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert kept == sorted(set(kept))
    assert len(kept) == min(count, most + (6 not in [0, 3, 6, 8, 11] and count > 6))
    assert count <= 6 or 6 in kept


@pytest.mark.parametrize(
    ("log_odds", "shown"), [(0.0, "1 : 1"), (4.61, "100 : 1"), (-2.3026, "1 : 10"), (0.7, "2 : 1"), (23.1, "10¹⁰ : 1")]
)
def test_odds_read_like_odds(log_odds: float, shown: str) -> None:
    assert odds(log_odds) == shown


def test_differences_have_a_sign() -> None:
    assert [signed(value) for value in (0.01, -0.01, 0.0, None)] == ["+0.0100", "−0.0100", "0", "–"]
