import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from churn.features import dbt as module
from churn.features.catalogue import load_catalogue
from churn.features.dbt import FeatureBuildFailed

if TYPE_CHECKING:
    from churn.features.dbt import Dbt


def results(dbt: "Dbt") -> list[dict[str, str]]:
    document = json.loads((dbt.work_dir / "target" / "run_results.json").read_text(encoding="utf-8"))
    return [{"kind": node["unique_id"].split(".")[0], "status": node["status"]} for node in document["results"]]


def nodes(dbt: "Dbt") -> list[dict[str, Any]]:
    manifest = json.loads((dbt.work_dir / "target" / "manifest.json").read_text(encoding="utf-8"))
    return [*manifest["nodes"].values(), *manifest["unit_tests"].values()]


def test_every_unit_test_gives_what_is_expected(dbt: "Dbt") -> None:
    dbt.run(["test", "--select", "test_type:unit"], {})

    assert {result["status"] for result in results(dbt)} == {"pass"}


def test_every_model_has_a_unit_test_and_a_description(dbt: "Dbt") -> None:
    models = [node for node in nodes(dbt) if node["resource_type"] == "model"]
    tested = {node["model"] for node in nodes(dbt) if node["resource_type"] == "unit_test"}

    assert {model["name"] for model in models} == tested
    assert [model["name"] for model in models if not model["description"]] == []


def test_what_is_parsed_with_the_defaults_of_variables_serves_every_build(dbt: "Dbt", tmp_path: Path) -> None:
    extreme = tmp_path / "dbt"
    shutil.copytree(dbt.project, extreme)
    project = extreme / "dbt_project.yml"
    document = yaml.safe_load(project.read_text())
    numbers = ("horizon_days", "active_days", "days_after", "values_after", "through", "expected_events")
    others: dict[str, object] = {
        "cutoffs": [{"day": "1999-12-31", "labelled": False}],
        "event_types": {name: [] for name in document["vars"]["event_types"]},
        "cancellation_events": [],
        "cancelled_statuses": [],
    } | dict.fromkeys(numbers, 7)
    assert others.keys() == document["vars"].keys()
    document["vars"] = others
    project.write_text(yaml.safe_dump(document))
    other = replace(dbt, project=extreme, work_dir=tmp_path)

    other.run(["parse"], {})

    known = {node["unique_id"]: node for node in nodes(dbt)}
    for node in nodes(other):
        with_defaults = known.pop(node["unique_id"])
        assert node["config"] == with_defaults["config"]
        for kind, names in node["depends_on"].items():
            assert set(names) <= set(with_defaults["depends_on"][kind])
    assert not known


def test_documentation_describes_every_column_of_the_feature_table(dbt: "Dbt") -> None:
    dbt.run(["docs", "generate"], {})

    catalog = json.loads((dbt.work_dir / "target" / "catalog.json").read_text(encoding="utf-8"))
    columns = set(catalog["nodes"]["model.churn.customer_snapshots"]["columns"])
    features = {feature.name for feature in load_catalogue(dbt.project)}
    assert len(features) >= 50
    # The one column that is no feature is a step on the way to one.
    assert columns == features | {"customer_id", "cutoff", "churned", "gap_mean_90d"}


def test_a_command_dbt_does_not_know_says_what_dbt_said(dbt: "Dbt") -> None:
    with pytest.raises(FeatureBuildFailed, match=r"dbt ended before it ran a model .*no-such-option"):
        dbt.run(["build", "--no-such-option"], {})


def test_the_reason_is_found_above_a_log_that_failed_too(dbt: "Dbt", monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Runtime Error\\n  IO Error: No space left on device\\n--- Logging error ---\\nArguments: ()"
    monkeypatch.setattr(module, "_PROCESS", (sys.executable, "-c", f"print('{said}'); raise SystemExit(2)"))

    with pytest.raises(FeatureBuildFailed, match=r"before it ran a model \(IO Error: No space left on device\)"):
        dbt.run(["build"], {})
