from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.bundle.errors import BundleInvalid, UnfitInput
from churn.bundle.manifest import RunIds
from churn.errors import ChurnError
from churn.evaluation.settings import EvaluationSettings
from churn.features.feature_set import FeatureSet, Recipe
from churn.lake.create import create_table
from churn.lake.snapshot import DataSnapshot, TableVersion, digest_of
from churn.training import experiment
from churn.training.errors import UnfitData
from churn.training.experiment import run_experiment, split_frames
from churn.training.frames import SplitFrames
from churn.training.incumbent import Incumbent, NotComparable
from churn.training.settings import BASELINE, TrainingSettings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stored(splits: SplitFrames, lake: Path) -> FeatureSet:
    """Put the rows of the splits where a build would have put them."""
    rows = pl.concat([frame for _, frame in splits.named])
    made_up = frames.lineage(splits)
    table = create_table(f"{lake}/customer_snapshots", rows.schema, name="customer_snapshots", partition_by="cutoff")
    table = table.append(rows.sample(fraction=1, shuffle=True, seed=1), fence="features")
    return FeatureSet(
        recipe=Recipe(
            snapshot=DataSnapshot(tables={}),
            settings=made_up.feature_settings,
            code="0" * 64,
            cutoffs=made_up.cutoffs,
            watermark=NOON,
            through=1,
            columns=tuple(feature.name for feature in frames.catalogue()),
        ),
        features=TableVersion(uri=table.uri, version=table.version, rows=table.rows, digest=digest_of(table)),
        rows={},
        digests={},
        digest="12" * 32,
    )


@pytest.fixture
def settings(quick: TrainingSettings, monkeypatch: pytest.MonkeyPatch) -> TrainingSettings:
    """One candidate on the catalogue of the made-up rows."""
    monkeypatch.setattr(experiment, "load_catalogue", lambda dbt_dir: frames.catalogue())
    evaluation = EvaluationSettings(bootstrap_rounds=20, importance_rows=100, importance_rounds=1)
    return quick.model_copy(update={"candidates": (BASELINE,), "evaluation": evaluation})


def test_the_stored_rows_come_back_split_by_what_they_are_for(splits: SplitFrames, tmp_path: Path) -> None:
    found = split_frames(stored(splits, tmp_path))

    for (name, read), (_, made) in zip(found.named, splits.named, strict=True):
        wanted = made.sort("cutoff", "customer_id").select(read.columns)
        assert read.equals(wanted), name


def test_an_experiment_writes_a_bundle_that_knows_where_it_came_from(
    splits: SplitFrames, settings: TrainingSettings, tmp_path: Path
) -> None:
    features = stored(splits, tmp_path / "lake")
    lineage, ids = frames.lineage(splits), RunIds(created_at=NOON, zenml_run="run-1")

    first = run_experiment(features, settings, dbt_dir=tmp_path, lineage=lineage, out=tmp_path / "out", ids=ids)
    live = Incumbent("version 3", lambda: first.bundles[0])
    again = run_experiment(
        features, settings, dbt_dir=tmp_path, lineage=lineage, out=tmp_path / "again", incumbent=live
    )

    [bundle], [same] = first.bundles, again.bundles
    assert (bundle.path, bundle.manifest.lineage, bundle.manifest.run) == (tmp_path / "out" / BASELINE, lineage, ids)
    assert bundle.manifest.metrics == first.report.models[BASELINE].metrics
    assert bundle.manifest.files["model.onnx"] == same.manifest.files["model.onnx"]
    incumbent = again.report.incumbent
    assert incumbent is not None
    assert (incumbent.name, again.report.incumbent_left_out) == ("version 3", None)
    assert incumbent.metrics["roc_auc"].value == pytest.approx(first.report.models[BASELINE].metrics["roc_auc"].value)
    assert "Over the model in production (version 3)" in (same.path / "card.html").read_text()
    check_what_cannot_be_compared(features, splits, bundle)


def check_what_cannot_be_compared(features: FeatureSet, splits: SplitFrames, bundle: Bundle) -> None:
    def changed(**lineage: object) -> Incumbent:
        other = bundle.manifest.lineage.model_copy(update=lineage)
        manifest = bundle.manifest.model_copy(update={"lineage": other})
        return Incumbent("version 3", lambda: replace(bundle, manifest=manifest))

    made = bundle.manifest.lineage
    month = made.feature_settings.model_copy(update={"horizon_days": 30})
    later = made.cutoffs.model_copy(update={"calibration": made.cutoffs.test})
    fewer = replace(splits, test=splits.test.drop("plan"))

    with pytest.raises(NotComparable, match="it predicts churn within 30 days, the new models within 90"):
        changed(feature_settings=month).predictions(features, splits)
    with pytest.raises(NotComparable, match=r"it learned from outcomes until \S+, and the test cutoff is"):
        changed(cutoffs=later).predictions(features, splits)
    with pytest.raises(UnfitInput, match="columns plan are missing"):
        changed().predictions(features, fewer)


def test_a_broken_model_in_production_is_named_and_keeps_no_new_one_away(
    splits: SplitFrames, settings: TrainingSettings, tmp_path: Path
) -> None:
    def broken() -> Bundle:
        raise BundleInvalid("its bundle is gone")

    result = run_experiment(
        stored(splits, tmp_path / "lake"),
        settings,
        dbt_dir=tmp_path,
        lineage=frames.lineage(splits),
        out=tmp_path / "out",
        incumbent=Incumbent("version 3", broken),
    )

    assert (result.report.incumbent, result.report.incumbent_left_out) == (None, "version 3: its bundle is gone")
    assert "left out: version 3: its bundle is gone" in (result.bundles[0].path / "card.html").read_text()


def test_unfit_rows_leave_no_bundle(splits: SplitFrames, settings: TrainingSettings, tmp_path: Path) -> None:
    loyal = replace(splits, test=splits.test.with_columns(churned=pl.lit(False)))

    with pytest.raises(UnfitData, match="test: 0 of 700 customers churned"):
        run_experiment(
            stored(loyal, tmp_path / "lake"),
            settings,
            dbt_dir=tmp_path,
            lineage=frames.lineage(splits),
            out=tmp_path / "out",
        )

    assert not (tmp_path / "out").exists()


def test_a_feature_table_that_is_gone_is_named(splits: SplitFrames, tmp_path: Path) -> None:
    features = stored(splits, tmp_path)
    (tmp_path / "customer_snapshots").rename(tmp_path / "gone")

    with pytest.raises(ChurnError, match="customer_snapshots at version 1: missing"):
        split_frames(features)
