"""The gate on the real lake, with two candidates of one training."""

from datetime import timedelta
from pathlib import Path

import pytest

from churn.bundle.bundle import Bundle
from churn.errors import ChurnError, SnapshotError
from churn.promotion.evidence import Evidence
from churn.promotion.gate import judge
from churn.promotion.gather import Contender, gather
from churn.promotion.lake_data import LakeData
from churn.promotion.settings import PromotionSettings
from tests.trained import MAY, Trained, inside

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first
SETTINGS = PromotionSettings(rounds=100, segment_rows=100)


@pytest.fixture(scope="module")
def bundles(trained: Trained) -> dict[str, Bundle]:
    from zenml.client import Client

    with inside(trained.root):
        return {
            model.candidate: Client().get_artifact_version(model.artifact).load() for model in trained.models.models
        }


def meet(trained: Trained, mine: Bundle, theirs: Bundle | None) -> Evidence:
    return gather(
        Contender("2", mine.digest, lambda: mine),
        Contender("1", theirs.digest, lambda: theirs) if theirs else None,
        target="staging",
        data=LakeData(trained.world.lake),
        decided=lambda cutoff: None,
        settings=SETTINGS,
        now=MAY,
    )


def test_real_candidates_are_compared_on_the_rows_they_were_trained_beside(
    trained: Trained, bundles: dict[str, Bundle]
) -> None:
    mine, theirs = bundles["logistic_regression"], bundles["random_forest"]

    evidence = meet(trained, mine, theirs)

    assert evidence.faults == ()
    assert evidence.comparison is not None
    assert evidence.comparison.incumbent is not None
    assert evidence.comparison.sample.rows == mine.manifest.rows["test"]
    for found, bundle in ((evidence.comparison.candidate, mine), (evidence.comparison.incumbent, theirs)):
        assert found.roc_auc.value == pytest.approx(bundle.manifest.metrics["roc_auc"].value)
        assert found.profit_per_customer.value == pytest.approx(bundle.manifest.metrics["profit_per_customer"].value)
    passed = {check.name for check in judge(evidence, SETTINGS).checks if check.passed}
    assert passed >= {"readable", "complete", "held_out", "parity"}
    assert Evidence.model_validate_json(evidence.model_dump_json()).digest == evidence.digest


def test_a_model_knows_what_its_lake_held_when_it_was_trained(trained: Trained, bundles: dict[str, Bundle]) -> None:
    evidence = meet(trained, bundles["logistic_regression"], None)

    assert evidence.watermark is not None
    assert evidence.lake_watermark is not None
    assert MAY - timedelta(days=2) < evidence.watermark <= MAY
    assert evidence.watermark <= evidence.lake_watermark  # other suites may have brought newer data


def test_the_newest_customers_are_those_whose_outcome_nobody_knows(
    trained: Trained, bundles: dict[str, Bundle]
) -> None:
    lineage = bundles["logistic_regression"].manifest.lineage

    newest = LakeData(trained.world.lake).newest_customers(lineage)

    assert newest.height > 10
    assert set(newest["cutoff"]) == {lineage.cutoffs.latest}
    assert newest["churned"].null_count() == newest.height


def test_another_feature_table_than_recorded_is_refused(trained: Trained, bundles: dict[str, Bundle]) -> None:
    lineage = bundles["logistic_regression"].manifest.lineage

    with pytest.raises(SnapshotError, match="holds other features than the candidate learned from"):
        LakeData(trained.world.lake).rows(lineage.model_copy(update={"features_digest": "0" * 64}))


def test_a_lake_without_activity_says_so(tmp_path: Path) -> None:
    with pytest.raises(ChurnError, match=r"activity: holds no activity.*ingest it first"):
        LakeData(str(tmp_path)).newest()
