import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from benchmarks import frames
from churn.bundle.checked import FILES, MANIFEST
from churn.bundle.write import write_bundle
from churn.evaluation.metrics import METRICS
from churn.training.judge import judge
from churn.training.train import train_candidates
from tests.docs.generated import between
from tests.docs.pages import DOCS, example

if TYPE_CHECKING:
    from churn.training.frames import SplitFrames
    from churn.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "training.md").read_text(encoding="utf-8")


def first_cells(block: str) -> set[str]:
    rows = [line for line in block.splitlines()[2:] if line]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_a_bundle_scores_as_the_page_says(
    splits: "SplitFrames", quick: "TrainingSettings", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = frames.catalogue()
    candidates = train_candidates(splits, catalogue, quick)
    report = judge(candidates, splits, catalogue, quick)
    write_bundle(tmp_path / "bundle", candidates[0], splits, report, quick, frames.lineage(splits))
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}

    exec(example("training.md", "score"), found)

    recorded = pl.read_parquet(tmp_path / "bundle" / "reference.parquet").head(3)["churn_probability"]
    np.testing.assert_allclose(found["scores"], recorded, atol=1e-6)
    assert found["contact"].tolist() == (recorded >= candidates[0].threshold).to_list()


def test_the_page_names_the_files_of_a_bundle(page: str) -> None:
    assert first_cells(between(page, "bundle")[1]) == {*FILES, MANIFEST}


def test_the_page_explains_every_metric(page: str) -> None:
    [table] = re.findall(r"\| metric \| meaning \|\n.*?\n\n", page, re.DOTALL)

    assert first_cells(table) == set(METRICS)


def test_every_refusal_the_page_explains_is_one_the_program_makes(project_root: Path, page: str) -> None:
    program = "".join(file.read_text(encoding="utf-8") for file in (project_root / "churn").rglob("*.py"))
    explained = first_cells(between(page, "refusals")[1])

    assert len(explained) >= 10
    assert [phrase for phrase in explained if phrase not in program] == []
