from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from churn.clock import ProjectClock
from churn.monitoring.windows import Window
from steps import live_model

NOON = datetime(1998, 6, 29, 12, tzinfo=UTC)


def test_a_gateway_is_not_asked_about_a_past_that_it_dates_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> None:
        raise AssertionError("the gateway dates requests by the machine's clock")

    clock = ProjectClock(tmp_path / "clock")
    clock.begin(NOON)
    monkeypatch.setattr(live_model, "project_clock", lambda: clock)
    monkeypatch.setattr(live_model, "active_deployment", asked)

    assert live_model._gateway()(Window(NOON - timedelta(hours=6), NOON)) is None

    clock.catch_up()
    with pytest.raises(AssertionError, match="dates requests"):
        live_model._gateway()
