import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.pages import example

if TYPE_CHECKING:
    from churn.features.feature_set import FeatureSet
    from churn.features.settings import FeatureSettings
    from tests.churn.features.conftest import FeatureLake


def test_a_version_of_the_feature_table_is_read_as_the_page_says(
    lake: "FeatureLake",
    first: "FeatureSet",
    few_days: "FeatureSettings",
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a later version with other rows
    lake.build(few_days.model_copy(update={"active_days": 1}))
    monkeypatch.chdir(project)
    found: dict[str, Any] = {}

    exec(example("features.md", "read"), found)

    rows = found["rows"]
    assert found["version"] == first.features.version
    assert len(found["frame"]) == len(found["pandas_frame"]) == first.features.rows
    assert {str(day): count for day, count, _ in rows} == first.rows
    assert found["made_from"]["snapshot"] == first.snapshot.digest


def test_dbt_makes_its_page_with_the_command_of_the_page(project_root: Path, tmp_path: Path) -> None:
    page = (project_root / "docs" / "features.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^dbt (docs generate .*)$", page, re.MULTILINE)
    words = command.replace("$out", str(tmp_path)).split()

    subprocess.run(
        [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *words],
        cwd=project_root,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        check=True,
        capture_output=True,
    )

    assert "customer_snapshots" in (tmp_path / "static_index.html").read_text(encoding="utf-8")
