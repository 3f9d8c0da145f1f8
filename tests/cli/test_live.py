"""What a person sees of a rollout while it runs."""

import io

import pytest
from rich.console import Console

from churn.rollout.verdict import RolloutVerdict
from cli.live import drawn, shown
from seldon.rollout.outcome import Progress
from seldon.rollout.watching import watchers
from tests.rollout import START, judged, traffic


def progress(stage: str, says: str = "", verdict: RolloutVerdict | None = None) -> Progress:
    return Progress(at=START, stage=stage, weight=50, says=says, verdict=verdict)


def text_of(one: Progress) -> str:
    console = Console(file=io.StringIO(), width=160, record=True)
    console.print(drawn(one))
    return console.export_text()


def test_both_tracks_and_every_metric_are_drawn() -> None:
    verdict = judged(traffic(4_000, canary_error=0.2))

    text = text_of(progress("50 %", verdict.reason, verdict))

    assert "canary 50 %" in text
    assert verdict.reason in " ".join(text.split())
    assert f"{verdict.evidence.canary.failed:,}" in text
    for metric in verdict.evidence.metrics:
        assert metric.metric.replace("_", " ") in text
    assert "100%" in text


def test_a_rollout_without_requests_is_drawn() -> None:
    text = text_of(progress("shadow", "", judged(traffic(0))))

    assert "–" in text
    assert "0%" in text


def test_before_there_is_a_verdict_there_are_only_words() -> None:
    assert text_of(progress("smoke test", "health")).split() == ["smoke", "test", "canary", "50", "%", "health"]


def test_elsewhere_than_on_a_terminal_each_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with shown():
        for stage in ("shadow", "shadow", "50 %"):
            watchers.tell(progress(stage, f"{stage} goes on"))
    watchers.tell(progress("100 %"))

    lines = [line for line in capsys.readouterr().err.splitlines() if "goes on" in line and not line.startswith("{")]
    assert lines == ["00:00:00  shadow: shadow goes on", "00:00:00  50 %: 50 % goes on"]
