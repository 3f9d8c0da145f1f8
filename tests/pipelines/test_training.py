import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from zenml.client import Client
from zenml.models import ModelVersionResponse

from churn.bundle.bundle import Bundle
from churn.bundle.errors import BundleInvalid
from churn.features.feature_set import FeatureSet
from churn.lake.pins import pinned_versions
from churn.lake.snapshot import take_snapshot
from churn.training.frames import columns_of
from churn.training.settings import BASELINE
from materializers.data_snapshot import DataSnapshotMaterializer
from steps.code_version import lock_digest
from steps.in_production import in_production
from steps.registry import RUN_TAG, run_tag
from tests.promoted import fresh_ledger, put_live
from tests.reliability.canaries import leaks
from tests.trained import (
    COMMIT,
    JULY,
    MAY,
    MODEL_NAME,
    PERSON,
    SECRET,
    Trained,
    arrive,
    configure,
    inside,
    output,
    train,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from churn.training.trained import TrainedModels

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first
CANDIDATES = [BASELINE, "random_forest", "hist_gradient_boosting"]


@pytest.fixture(autouse=True, scope="module")
def here(trained: Trained) -> Iterator[None]:
    with inside(trained.root):
        yield


@pytest.fixture(scope="module")
def tracker(here: None) -> "MlflowClient":
    """MLflow as the stack configures it."""
    from mlflow import MlflowClient

    experiment_tracker = Client().active_stack.experiment_tracker
    assert experiment_tracker is not None
    return MlflowClient(experiment_tracker.get_tracking_uri())  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def versions(trained: Trained) -> dict[str, ModelVersionResponse]:
    return {
        model.candidate: Client().get_model_version(MODEL_NAME, int(model.version))
        for model in trained.registered.models
    }


@pytest.fixture(scope="module")
def bundles(trained: Trained) -> dict[str, Bundle]:
    return {model.candidate: Client().get_artifact_version(model.artifact).load() for model in trained.models.models}


@pytest.fixture(scope="module")
def runs(trained: Trained, tracker: "MlflowClient") -> dict[str, "Run"]:
    return {model.candidate: tracker.get_run(model.mlflow_run) for model in trained.models.models}


def features(trained: Trained) -> FeatureSet:
    found = output(trained.run, "build_features", "feature_set")
    assert isinstance(found, FeatureSet)
    return found


def test_one_run_registers_a_version_for_each_candidate(
    trained: Trained, versions: dict[str, ModelVersionResponse], tracker: "MlflowClient"
) -> None:
    registered = trained.registered.models

    assert [model.candidate for model in registered] == CANDIDATES
    assert len({model.version for model in registered}) == len({model.mlflow_version for model in registered}) == 3
    for model in registered:
        version, tracked = versions[model.candidate], tracker.get_model_version(MODEL_NAME, model.mlflow_version)
        assert {tag.name for tag in version.tags} == {model.candidate, run_tag(str(trained.run.id))}
        assert tracked.tags == {
            "candidate": model.candidate,
            "bundle_digest": model.digest,
            "zenml_version": model.version,
            RUN_TAG: str(trained.run.id),
        }
        assert version.run_metadata["mlflow_version"] == model.mlflow_version


def test_a_version_leads_to_its_bundle_and_to_nobody_elses(
    trained: Trained, versions: dict[str, ModelVersionResponse]
) -> None:
    for model in trained.models.models:
        [(name, linked)] = versions[model.candidate].model_artifacts.items()

        assert name == f"bundle_{model.candidate}"
        assert [str(artifact.id) for artifact in linked.values()] == [model.artifact]
        assert next(iter(linked.values())).load().digest == model.digest


def test_a_version_says_what_it_was_made_of(
    trained: Trained, versions: dict[str, ModelVersionResponse], bundles: dict[str, Bundle]
) -> None:
    built = features(trained)

    for candidate, version in versions.items():
        facts = version.run_metadata
        assert (facts["git_commit"], facts["git_dirty"], facts["candidate"]) == (COMMIT, False, candidate)
        assert (facts["bundle_digest"], facts["features_digest"]) == (bundles[candidate].digest, built.digest)
        assert facts["version_activity"] == built.snapshot.tables["activity"].version
        assert facts["version_customer_snapshots"] == built.features.version
        auc = bundles[candidate].manifest.metrics["roc_auc"]
        assert (facts["roc_auc"], facts["roc_auc_low"], facts["roc_auc_high"]) == (auc.value, auc.low, auc.high)


def test_what_versions_were_made_of_stays_pinned(trained: Trained) -> None:
    built = features(trained)

    lake = trained.world.lake
    assert built.snapshot.tables["activity"].version in pinned_versions(lake, "activity")
    assert built.features.version in pinned_versions(lake, "customer_snapshots")


def test_mlflow_runs_lie_below_the_run_of_the_pipeline_and_compare(
    trained: Trained, runs: dict[str, "Run"], bundles: dict[str, Bundle], tracker: "MlflowClient"
) -> None:
    parents = {run.data.tags["mlflow.parentRunId"] for run in runs.values()}

    assert [tracker.get_run(parent).info.run_name for parent in parents] == [trained.run.name]
    assert len({run.data.tags["mlflow.runColor"] for run in runs.values()}) == len(runs)
    for candidate, run in runs.items():
        manifest = bundles[candidate].manifest
        assert (run.info.status, run.info.run_name) == ("FINISHED", candidate)
        assert run.data.metrics["roc_auc"] == manifest.metrics["roc_auc"].value
        assert run.data.metrics["rows_test"] == manifest.rows["test"]
        assert run.data.params["horizon_days"] == "90"
        assert run.data.params["test_cutoff"] == str(manifest.lineage.cutoffs.test)
        assert {name: run.data.params[name] for name in manifest.parameters} == {
            name: str(value) for name, value in manifest.parameters.items()
        }


def test_mlflow_runs_name_data_code_and_lock(
    trained: Trained, runs: dict[str, "Run"], bundles: dict[str, Bundle], project_root: Path
) -> None:
    built = features(trained)
    tables = {**built.snapshot.tables, "customer_snapshots": built.features}

    for candidate, run in runs.items():
        expected = {
            "candidate": candidate,
            "bundle_digest": bundles[candidate].digest,
            "git_commit": COMMIT,
            "git_dirty": "false",
            "lock_digest": lock_digest(project_root),
            "features_digest": built.digest,
            "zenml_run": str(trained.run.id),
        }
        assert {name: run.data.tags[name] for name in expected} == expected
        assert run.inputs is not None
        inputs = {data.dataset.name: data for data in run.inputs.dataset_inputs}
        assert {name: data.tags[0].value for name, data in inputs.items()} == {
            name: f"version {table.version}" for name, table in tables.items()
        }
        assert all(
            f'"delta_table_version": {tables[name].version}' in data.dataset.source for name, data in inputs.items()
        )


def test_the_logged_model_has_a_signature_and_predicts_as_the_bundle(
    trained: Trained, bundles: dict[str, Bundle], tracker: "MlflowClient"
) -> None:
    import mlflow

    rows = features(trained).frame([features(trained).cutoffs.test]).head(50)
    mlflow.set_tracking_uri(tracker.tracking_uri)
    for model in trained.models.models:
        bundle = bundles[model.candidate]
        loaded = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version_of(trained, model.candidate)}")
        columns = columns_of(rows, bundle.manifest.catalogue)
        frame = pl.DataFrame(columns).with_columns(cs.float().cast(pl.Float64)).to_pandas()

        predicted = loaded.predict(frame)

        assert loaded.metadata.signature.inputs.input_names() == [column.name for column in bundle.manifest.inputs]
        assert loaded.metadata.signature.outputs.input_names() == [bundle.manifest.output]
        np.testing.assert_allclose(np.ravel(predicted[bundle.manifest.output]), bundle.predict(rows), atol=1e-7)


def test_a_candidate_of_another_package_is_logged_too(bundles: dict[str, Bundle], tracker: "MlflowClient") -> None:
    import mlflow

    from steps.tracking import record_bundle

    bundle = bundles[BASELINE]
    named = replace(bundle, manifest=bundle.manifest.model_copy(update={"candidate": "acme.small_tree"}))
    mlflow.set_tracking_uri(tracker.tracking_uri)

    run, model = record_bundle(named, zenml_run="none")

    assert tracker.get_run(run).data.tags["candidate"] == "acme.small_tree"
    assert mlflow.pyfunc.load_model(model).metadata.signature.inputs.input_names() == [
        column.name for column in bundle.manifest.inputs
    ]


def version_of(trained: Trained, candidate: str) -> str:
    return next(model.mlflow_version for model in trained.registered.models if model.candidate == candidate)


def test_the_bundle_and_its_card_lie_in_mlflow_too(
    runs: dict[str, "Run"], bundles: dict[str, Bundle], tracker: "MlflowClient", tmp_path: Path
) -> None:
    for candidate, run in runs.items():
        kept = Path(tracker.download_artifacts(run.info.run_id, "bundle", str(tmp_path)))

        files = {path.name: path.read_bytes() for path in kept.iterdir()}
        assert files == {path.name: path.read_bytes() for path in bundles[candidate].path.iterdir()}
        assert "card.html" in files


def test_no_person_and_no_secret_comes_out_of_the_lake(trained: Trained) -> None:
    zenml = Path(os.environ["ZENML_CONFIG_PATH"])
    customers = trained.world.rows()["customer_id"].unique().sort().head(5).to_list()

    assert PERSON in leaks(Path(trained.world.settings.landing.url) / "activity" / "dt=1998-05-01", [PERSON])
    assert leaks(zenml, ["bundle_digest"])["bundle_digest"] >= {
        str(path.relative_to(zenml)) for path in zenml.rglob("mlflow.db")
    }
    assert leaks(zenml, [PERSON, SECRET]) == {}
    # Another test of this process may have scored them: whom to contact is a list of tokens.
    named = {path for paths in leaks(zenml, customers).values() for path in paths}
    assert not {path for path in named if "/score/scores/" not in path}
    assert leaks(Path(trained.world.lake) / "customer_snapshots", [PERSON, SECRET]) == {}


@pytest.fixture
def live(trained: Trained, versions: dict[str, ModelVersionResponse]) -> Iterator[ModelVersionResponse]:
    """The random forest, in production for the time of a test."""
    version = versions["random_forest"]
    with fresh_ledger(trained):
        put_live(str(version.number))
        yield version


def test_a_recorded_snapshot_gives_the_same_features_after_new_data_came_beside_the_model_in_production(
    trained: Trained, live: ModelVersionResponse, bundles: dict[str, Bundle]
) -> None:
    from zenml import save_artifact

    recorded = save_artifact(features(trained).snapshot, "data_snapshot", materializer=DataSnapshotMaterializer)
    arrive(trained.world, JULY, since=MAY)
    configure(trained.root, training={"candidates": [BASELINE]})

    again = train(str(recorded.id))

    built = output(again, "build_features", "feature_set")
    assert isinstance(built, FeatureSet)
    newest = take_snapshot(trained.world.lake).tables["activity"].version
    assert newest > built.snapshot.tables["activity"].version
    assert built.digest == features(trained).digest
    assert trained.models.report.incumbent is None
    report = cast("TrainedModels", output(again, "train", "trained_models")).report
    assert report.incumbent is not None
    assert report.incumbent.name == f"version {live.number}"
    then, now = bundles["random_forest"].manifest.metrics["brier"], report.incumbent.metrics["brier"]
    assert now.value == pytest.approx(then.value, abs=1e-5)


def test_a_version_in_production_that_no_training_made_is_said_to_be_left_out(trained: Trained) -> None:
    client = Client()
    version = client.create_model_version(MODEL_NAME)
    with fresh_ledger(trained):
        put_live(str(version.number))

        found = in_production()

        assert found is not None
        assert found.name == f"version {version.number}"
        with pytest.raises(BundleInvalid, match="names no bundle"):
            found.load()
    client.delete_model_version(version.id)
    assert in_production() is None
