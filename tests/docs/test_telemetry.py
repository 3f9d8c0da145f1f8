import re
from pathlib import Path

from tests.telemetry import alerts, recorded


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(project_root: Path) -> None:
    page = (project_root / "docs" / "telemetry.md").read_text(encoding="utf-8")
    _, *sections = re.split(r"^### ", page.partition("\n## Dashboards")[0], flags=re.MULTILINE)
    advice = {name: text.strip() for name, _, text in (section.partition("\n") for section in sections)}

    assert sorted(advice) == sorted(rule["alert"] for rule in alerts())
    assert all(len(text) > 60 for text in advice.values())


def test_every_recorded_series_is_explained(project_root: Path) -> None:
    page = (project_root / "docs" / "telemetry.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `(\w+:[\w:]+)`", page, re.MULTILINE) == [rule["record"] for rule in recorded()]
