import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.conftest import Tool
from tests.telemetry import RULE_FILES, RULES, alerts, known_series, recorded, rules, series_in

CASES = sorted((RULES.parent / "tests").glob("*.yml"))


def expected() -> list[dict[str, Any]]:
    """What the unit tests of the alerts expect, one entry for each look."""
    documents = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in CASES]
    return [look for document in documents for case in document["tests"] for look in case.get("alert_rule_test", [])]


def test_promtool_understands_the_configuration_and_every_rule(promtool: Tool) -> None:
    result = promtool("check", "config", RULES.parent / "prometheus.yml")

    assert result.returncode == 0, result.stderr
    assert all(f"{file.name}" in result.stdout for file in RULE_FILES)


@pytest.mark.parametrize("cases", CASES, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should(promtool: Tool, cases: Path) -> None:
    result = promtool("test", "rules", cases)

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_rule_that_says_otherwise_would_be_noticed(promtool: Tool, tmp_path: Path) -> None:
    shutil.copytree(RULES.parent, tmp_path / "prometheus")
    data = tmp_path / "prometheus" / "rules" / "data.yml"
    data.write_text(data.read_text().replace("> 0.05", "> 0.5"))

    result = promtool("test", "rules", tmp_path / "prometheus" / "tests" / "data.yml")

    assert result.returncode == 1
    assert "ChurnQuarantineShare" in result.stdout + result.stderr


def test_every_alert_is_seen_firing_and_seen_silent() -> None:
    names = {rule["alert"] for rule in alerts()}

    assert {look["alertname"] for look in expected() if look.get("exp_alerts")} == names
    assert {look["alertname"] for look in expected() if not look.get("exp_alerts")} == names


def test_every_recorded_series_has_a_value_that_is_expected() -> None:
    cases = (RULES.parent / "tests" / "recorded.yml").read_text(encoding="utf-8")
    asked = {look["expr"].split()[0] for case in yaml.safe_load(cases)["tests"] for look in case["promql_expr_test"]}

    assert asked == {rule["record"] for rule in recorded()}


def test_every_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on() -> None:
    found = alerts()

    assert len({rule["alert"] for rule in found}) == len(found)
    for rule in found:
        assert rule["alert"].startswith("Churn")
        assert rule["labels"] == {"severity": rule["labels"]["severity"]}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/telemetry.md#{rule['alert'].lower()}"


def test_rules_read_only_what_a_page_or_a_rule_gives() -> None:
    assert [names for rule in rules() if (names := series_in(rule["expr"]) - known_series())] == []


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (le) (rate(a_total{b="c"}[5m])) / on (d) group_left (e) f', {"a_total", "f"}),
        ("max without(x) (t:y:z5m[1h]) > 2 * 3600 unless metric", {"t:y:z5m", "metric"}),
        ("time() - churn_x > 0 or absent(churn_y)", {"churn_x", "churn_y"}),
    ],
)
def test_names_of_series_are_found_in_expressions(expression: str, names: set[str]) -> None:
    assert series_in(expression) == names


def test_the_routes_of_alerts_are_understood(program: Callable[[str], str], project_root: Path) -> None:
    amtool, file = program("amtool"), project_root / "monitoring" / "alertmanager" / "alertmanager.yml"

    def receiver(*labels: str) -> str:
        command = [amtool, "config", "routes", "test", f"--config.file={file}", *labels]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert receiver("severity=critical", "environment=prod") == "on-call"
    assert receiver("severity=warning", "environment=prod") == "team"
    assert receiver("severity=critical", "environment=dev") == "nobody"
