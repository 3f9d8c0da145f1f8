import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.grafana.build import DASHBOARDS, FOLDER, text
from monitoring.grafana.panels import SOURCE, WIDTH
from tests.monitoring.conftest import Tool
from tests.telemetry import known_series, platform, rules, series_in, serving

FILES = sorted(FOLDER.glob("*.json"))


def panels(file: Path) -> list[dict[str, Any]]:
    return list(json.loads(file.read_text(encoding="utf-8"))["panels"])


def expressions() -> dict[str, str]:
    """Every query by dashboard, panel and letter."""
    return {
        f"{file.stem}/{panel['title']}/{target['refId']}": target["expr"]
        for file in FILES
        for panel in panels(file)
        for target in panel["targets"]
    }


def test_the_files_follow_from_the_program() -> None:
    files = {file.name: file.read_text(encoding="utf-8") for file in FILES}

    assert files == {f"{one.uid}.json": text(one) for one in DASHBOARDS}, "python -m monitoring.grafana.build"


def test_there_is_one_dashboard_each_for_data_model_and_serving() -> None:
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in FILES]

    assert [document["uid"] for document in documents] == ["churn-data", "churn-model", "churn-serving"]
    assert len({document["title"] for document in documents}) == 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_are_told_apart_lie_beside_each_other_and_ask_the_chosen_source(file: Path) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    found = panels(file)
    cells = [
        (x, y)
        for panel in found
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert "datasource" in [one["name"] for one in document["templating"]["list"] if one["type"] == "datasource"]
    assert len({panel["id"] for panel in found}) == len({panel["title"] for panel in found}) == len(found)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < WIDTH
    for panel in found:
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == SOURCE


def test_promtool_understands_every_query(promtool: Tool, tmp_path: Path) -> None:
    found = expressions()
    wrapped = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(found.values())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": wrapped}]}))

    result = promtool("check", "rules", file)

    assert result.returncode == 0, result.stderr
    assert f"{len(found)} rules found" in result.stdout


def test_a_query_that_is_broken_would_be_noticed(promtool: Tool, tmp_path: Path) -> None:
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": [{"record": "q:1", "expr": "sum(rate(x)"}]}]}))

    assert promtool("check", "rules", file).returncode != 0


def test_queries_and_choices_read_only_what_a_page_or_a_rule_gives() -> None:
    choices = {variable.metric for dashboard in DASHBOARDS for variable in dashboard.variables}
    named = {where: series_in(expr) for where, expr in expressions().items()}

    assert {where: names - known_series() for where, names in named.items() if names - known_series()} == {}
    assert choices <= known_series()


def test_what_is_measured_is_shown_or_watched() -> None:
    """A metric that no panel and no alert reads is measured for nobody."""
    read = {name for expr in expressions().values() for name in series_in(expr)}
    read |= {name for rule in rules() for name in series_in(rule["expr"])}
    ours = [family for family in (*platform(), *serving()) if family.name.startswith("churn_")]

    assert {family.name for family in ours if not family.series & read} == {
        "churn_feedback_reward",  # a sum of whatever the callers call a reward
        "churn_metrics_refresh_seconds",
    }
