import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
import yaml

from benchmarks import frames
from churn.bundle.write import write_bundle
from churn.features.catalogue import load_catalogue
from churn.features.dbt import Dbt
from churn.features.tables import ACTIVITY, EVENTS, RECORDS, ROLLUPS
from churn.features.views import create_view
from churn.landing.zone import LandingZone
from churn.settings import load_settings
from churn.sources.registry import open_source
from churn.sources.replay import replay
from churn.training.judge import judge
from churn.training.train import train_candidates
from tests.churn.features.conftest import FeatureLake
from tests.docs.pages import DOCS, example
from tests.world import world_in

if TYPE_CHECKING:
    from churn.features.feature_set import FeatureSet
    from churn.features.settings import FeatureSettings
    from churn.training.frames import SplitFrames
    from churn.training.settings import TrainingSettings


@pytest.fixture
def extended(project_root: Path, tmp_path: Path) -> Path:
    """A copy of the dbt project with the feature and the unit test of the page."""
    shutil.copytree(project_root / "dbt", tmp_path / "dbt")
    patch = example("extending.md", "feature")
    subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, check=True)
    tests = tmp_path / "dbt" / "models" / "marts" / "marts_unit_tests.yml"
    tests.write_text(f"{tests.read_text(encoding='utf-8')}\n{example('extending.md', 'unit test')}", encoding="utf-8")
    return tmp_path / "dbt"


def test_a_feature_is_added(
    lake: FeatureLake, first: "FeatureSet", few_days: "FeatureSettings", extended: Path, tmp_path: Path
) -> None:
    # When the project is extended, its unit tests pass and the next build has the feature
    run = Dbt(extended, tmp_path, few_days)
    with duckdb.connect(str(run.database)) as database:
        for name, columns in {ACTIVITY: EVENTS, **RECORDS, **ROLLUPS}.items():
            create_view(database, name, columns, [])
    run.run(["build", "--exclude-resource-types", "test"], {})
    after = FeatureLake(lake.root, extended).build(few_days, first.snapshot)

    rows = after.frame(after.cutoffs.all)
    assert after.features.version > first.features.version
    assert set(rows["quantity_per_purchase_total"]) == {3.0}
    assert "quantity_per_purchase_total" in {feature.name for feature in load_catalogue(extended)}
    assert "quantity_per_purchase_total" not in first.frame(first.cutoffs.all).columns


def test_a_model_is_added(
    splits: "SplitFrames",
    quick: "TrainingSettings",
    project_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given the module in a package of its own and its name in the settings
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "small_tree.py").write_text(example("extending.md", "model"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "configs").mkdir()
    written = (project_root / "configs" / "dev.yaml").read_text(encoding="utf-8")
    (tmp_path / "configs" / "dev.yaml").write_text(f"{written}\n{example('extending.md', 'candidates')}")
    named = load_settings("dev", tmp_path).training.candidates[-1]

    # When it is trained and judged, its bundle is not refused
    settings, catalogue = quick.model_copy(update={"candidates": (named,)}), frames.catalogue()
    [candidate] = train_candidates(splits, catalogue, settings)
    report = judge([candidate], splits, catalogue, settings)
    bundle = write_bundle(tmp_path / "bundle", candidate, splits, report, settings, frames.lineage(splits))

    assert named == "acme.small_tree"
    assert bundle.manifest.metrics["roc_auc"].value == pytest.approx(0.8, abs=0.1)
    assert bundle.manifest.parity.largest_difference < settings.parity_tolerance


def test_a_source_is_added(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(example("extending.md", "export"), encoding="utf-8")
    (tmp_path / "shop.yaml").write_text(example("extending.md", "mapping"), encoding="utf-8")
    world = world_in(tmp_path)

    replay(open_source("mapped", tmp_path / "shop.yaml"), LandingZone(world.settings.landing.url), per="hour")
    report = world.ingest(datetime(2026, 3, 3, tzinfo=UTC))

    rows = world.rows().sort("event_time")
    assert report.counts.quarantined == 0
    assert rows["event_type"].to_list() == ["purchase", "purchase", "return"]
    assert [str(amount) for amount in rows["amount"]] == ["19.9000", "5.0000", "-19.9000"]
    assert rows["event_time"][0] == datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    assert rows["customer_id"].n_unique() == 2


def test_the_page_has_the_place_a_refused_bundle_points_to() -> None:
    headings = [line for line in (DOCS / "extending.md").read_text(encoding="utf-8").splitlines() if line[:1] == "#"]

    assert "### Steps that convert exactly" in headings
    assert yaml.safe_load(example("extending.md", "candidates")).keys() == {"training"}
