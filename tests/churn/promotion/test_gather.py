from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from churn.bundle.bundle import Bundle, open_bundle
from churn.bundle.errors import BundleInvalid
from churn.evaluation.metrics import roc_auc
from churn.features.settings import FeatureSettings
from churn.promotion.evidence import Evidence
from churn.promotion.gate import judge
from churn.promotion.gather import Contender
from churn.promotion.settings import PromotionSettings
from churn.training.frames import SplitFrames
from churn.training.settings import BASELINE
from tests.churn.promotion.conftest import MadeUp
from tests.evidence import NOW

Meet = Callable[..., Evidence]
Bundles = Mapping[str, Bundle]


def asking(bundle: Bundle, *, feature_settings: FeatureSettings) -> Bundle:
    """Return the bundle as if it had been trained on another question."""
    manifest = bundle.manifest
    lineage = manifest.lineage.model_copy(update={"feature_settings": feature_settings})
    return replace(bundle, manifest=manifest.model_copy(update={"lineage": lineage}))


def test_both_models_are_measured_on_the_same_rows(bundles: Bundles, meet: Meet, splits: SplitFrames) -> None:
    mine, theirs = bundles[BASELINE], bundles["hist_gradient_boosting"]

    evidence = meet(mine, theirs)

    comparison = evidence.comparison
    assert comparison is not None
    assert comparison.incumbent is not None
    assert comparison.over_incumbent is not None
    assert evidence.faults == ()
    churned = splits.test["churned"].to_numpy()
    for bundle, found in ((mine, comparison.candidate), (theirs, comparison.incumbent)):
        assert found.roc_auc.value == pytest.approx(roc_auc(churned, bundle.predict(splits.test)))
        assert found.brier.value == pytest.approx(np.mean((bundle.predict(splits.test) - churned) ** 2))
    over = comparison.over_incumbent.roc_auc
    assert over.value == pytest.approx(comparison.candidate.roc_auc.value - comparison.incumbent.roc_auc.value)  # type: ignore[operator]
    assert over.low < over.value < over.high  # type: ignore[operator]
    assert (comparison.sample.rows, comparison.sample.churned) == (splits.test.height, int(churned.sum()))
    assert comparison.baselines.base_rate.value == pytest.approx(churned.mean() * (1 - churned.mean()))
    assert comparison.baselines.recency.value == pytest.approx(roc_auc(churned, splits.test["recency_days"].to_numpy()))


def test_a_good_model_replaces_a_blind_one_and_never_the_other_way_round(
    bundles: Bundles, meet: Meet, quick: PromotionSettings
) -> None:
    seeing, blind = bundles["hist_gradient_boosting"], bundles["blind_hist_gradient_boosting"]

    forth, back = judge(meet(seeing, blind), quick), judge(meet(blind, seeing), quick)

    assert forth.decision == "PROMOTE", forth.reason
    assert {check.name for check in back.checks if not check.passed} >= {"roc_auc", "brier"}


def test_a_first_model_is_judged_by_floors_and_baselines(
    bundles: Bundles, meet: Meet, quick: PromotionSettings
) -> None:
    assert judge(meet(bundles[BASELINE], None), quick).decision == "PROMOTE"


def test_an_identical_model_loses_nothing_and_wins_nothing(
    bundles: Bundles, meet: Meet, quick: PromotionSettings
) -> None:
    # Given the same model under another version and digest
    twin = replace(bundles[BASELINE], manifest=bundles[BASELINE].manifest.model_copy(update={"digest": "twin"}))

    verdict = judge(meet(bundles[BASELINE], twin), quick)

    failed = {check.name for check in verdict.checks if not check.passed}
    assert failed == {"profit"}
    assert "is 0.0%" in verdict.reason


def test_a_model_never_competes_with_itself(bundles: Bundles, meet: Meet, quick: PromotionSettings) -> None:
    verdict = judge(meet(bundles[BASELINE], bundles[BASELINE]), quick)

    assert "it is the very model that stands at staging as version 5" in verdict.reason


def test_an_earlier_decision_on_the_cutoff_is_asked_for(bundles: Bundles, meet: Meet, quick: PromotionSettings) -> None:
    evidence = meet(bundles[BASELINE], None, decided=lambda cutoff: f"version 7 was promoted on {cutoff}")

    assert evidence.decided == f"version 7 was promoted on {bundles[BASELINE].manifest.lineage.cutoffs.test}"
    assert judge(evidence, quick).decision == "REJECT"


def failing(error: Exception) -> Callable[..., object]:
    def fail(*_: object) -> object:
        raise error

    return fail


SECRET = "juergen@example.org"


@pytest.mark.parametrize("error", [OSError(5, SECRET), KeyError(SECRET), ValueError(SECRET), BundleInvalid("altered")])
@pytest.mark.parametrize("part", ["candidate", "incumbent", "rows", "known_until", "newest", "decided"])
def test_whatever_cannot_be_read_is_a_fault_that_quotes_nothing(
    bundles: Bundles, meet: Meet, quick: PromotionSettings, splits: SplitFrames, part: str, error: Exception
) -> None:
    mine, theirs = bundles[BASELINE], bundles["blind_hist_gradient_boosting"]
    data = MadeUp(splits.test)
    changes: dict[str, object] = {
        "candidate": Contender("9", mine.digest, failing(error)),  # type: ignore[arg-type]
        "incumbent": Contender("9", mine.digest, failing(error)),  # type: ignore[arg-type]
        "decided": failing(error),
    }
    if part not in changes:
        object.__setattr__(data, part, failing(error))
        changes[part] = data
    name = part if part in ("candidate", "incumbent", "decided") else "data"

    evidence = meet(mine, theirs, **{name: changes[part]})

    verdict = judge(evidence, quick)
    assert verdict.decision == "REJECT"
    assert len(evidence.faults) == 1
    assert SECRET not in evidence.model_dump_json() + verdict.model_dump_json()
    assert Evidence.model_validate_json(evidence.model_dump_json()).digest == evidence.digest


@pytest.mark.parametrize(
    ("alter", "complaint"),
    [
        (lambda rows: rows.head(100), "has 100 rows, but 1200 when the candidate was trained"),
        (lambda rows: rows.head(0), "the rows are not those of the cutoff 2026-12-27"),
        (lambda rows: rows.with_columns(churned=pl.col("churned").reverse()), "Brier score is"),
        (lambda rows: rows.with_columns(churned=pl.lit(None, pl.Boolean)), "1200 of 1200 rows have no label yet"),
        (lambda rows: rows.with_columns(customer_id=pl.lit("s1")), "1199 rows repeat a customer"),
        (lambda rows: rows.drop("churned"), "the rows lack churned"),
        (lambda rows: rows.drop("plan"), "columns plan are missing"),
        (lambda rows: rows.with_columns(pl.col("recency_days").reverse()), "Brier score is"),
    ],
    ids=["few", "none", "labels", "immature", "repeated", "no label", "no feature", "features"],
)
def test_rows_that_are_not_those_of_the_training_are_a_fault(
    bundles: Bundles,
    meet: Meet,
    splits: SplitFrames,
    alter: Callable[[pl.DataFrame], pl.DataFrame],
    complaint: str,
) -> None:
    evidence = meet(bundles[BASELINE], None, data=MadeUp(alter(splits.test)))

    [fault] = evidence.faults
    assert complaint in fault
    assert evidence.comparison is None


def test_a_bundle_that_is_not_the_registered_one_is_a_fault(bundles: Bundles, meet: Meet) -> None:
    mine = bundles[BASELINE]

    evidence = meet(mine, None, candidate=Contender("8", "ee" * 32, lambda: mine))

    assert evidence.faults[0].startswith(f"version 8: its bundle has the digest {mine.digest}, but eeee")
    assert evidence.candidate.facts is None


def test_a_bundle_that_is_gone_is_a_fault(bundles: Bundles, meet: Meet, tmp_path: Path) -> None:
    gone = Contender("5", "ee" * 32, lambda: open_bundle(tmp_path))

    evidence = meet(bundles[BASELINE], None, incumbent=gone)

    assert evidence.faults == (f"version 5: {tmp_path}/manifest.json: missing; restore the bundle from the store",)


@pytest.mark.parametrize("change", [{"horizon_days": 30}, {"cancellation_events": ()}, {"cancelled_statuses": ("x",)}])
def test_models_that_predict_different_things_are_not_compared(
    bundles: Bundles, meet: Meet, change: dict[str, object]
) -> None:
    mine = bundles[BASELINE]
    other = mine.manifest.lineage.feature_settings.model_copy(update=change)

    evidence = meet(mine, asking(bundles["hist_gradient_boosting"], feature_settings=other))

    assert len(evidence.faults) == 1
    assert f"the models predict different things, features.{next(iter(change))} is" in evidence.faults[0]


def test_the_better_direction_of_recency_is_the_baseline(bundles: Bundles, meet: Meet, splits: SplitFrames) -> None:
    # Given a model that ignores recency, on rows where those seen lately are those who leave
    blank = splits.test.with_columns(recency_days=-pl.col("recency_days"))
    mine = bundles[BASELINE]
    brier = mine.manifest.metrics["brier"].model_copy(
        update={"value": float(np.mean((mine.predict(blank) - blank["churned"].to_numpy()) ** 2))}
    )
    metrics = {**mine.manifest.metrics, "brier": brier}
    mine = replace(mine, manifest=mine.manifest.model_copy(update={"metrics": metrics}))

    plain, turned = meet(bundles[BASELINE], None), meet(mine, None, data=MadeUp(blank))

    assert plain.comparison is not None
    assert turned.comparison is not None
    assert turned.comparison.baselines.recency.value == pytest.approx(plain.comparison.baselines.recency.value)


def test_watermarks_are_those_of_the_data(bundles: Bundles, meet: Meet, splits: SplitFrames) -> None:
    data = MadeUp(splits.test, mine=NOW - timedelta(days=9), lake=NOW)

    evidence = meet(bundles[BASELINE], None, data=data)

    assert (evidence.watermark, evidence.lake_watermark) == (NOW - timedelta(days=9), NOW)
