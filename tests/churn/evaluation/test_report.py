from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from benchmarks.frames import snapshots
from churn.evaluation.bootstrap import bootstrap
from churn.evaluation.costs import Costs
from churn.evaluation.metrics import METRICS, Metric, Scored
from churn.evaluation.report import EvaluationReport, Predictions, evaluate
from churn.evaluation.settings import EvaluationSettings

COSTS = Costs()
SETTINGS = EvaluationSettings(bootstrap_rounds=60)


@pytest.fixture(scope="module")
def test_rows() -> pl.DataFrame:
    return snapshots(900, date(2026, 1, 1), seed=5)


def predictions(rows: pl.DataFrame, name: str, noise: float) -> Predictions:
    signal = np.where(rows["churned"].to_numpy(), 0.6, 0.4)
    score = np.clip(signal + np.random.default_rng(1).normal(0, noise, rows.height), 0, 1)
    return Predictions(name, score, 0.5)


@pytest.fixture(scope="module")
def report(test_rows: pl.DataFrame) -> EvaluationReport:
    return evaluate(
        test_rows,
        [predictions(test_rows, "sharp", 0.1), predictions(test_rows, "blunt", 0.4)],
        recency=predictions(test_rows, "recency_only", 0.4),
        incumbent=predictions(test_rows, "live", 0.1),
        costs=COSTS,
        settings=SETTINGS,
        seed=3,
    )


def test_every_metric_lies_in_its_interval(report: EvaluationReport) -> None:
    for model in report.models.values():
        assert set(model.metrics) == set(METRICS)
        for name, estimate in model.metrics.items():
            assert estimate.value is not None
            assert estimate.low is not None
            assert estimate.high is not None
            # A mean distance is biased upwards by resampling: its interval may lie above it.
            assert estimate.low <= estimate.value <= estimate.high or name == "calibration_error", name


def test_differences_are_paired(report: EvaluationReport) -> None:
    gain = report.models["sharp"].over_recency["roc_auc"]
    same = report.models["sharp"].over_incumbent
    none = report.models["blunt"].over_recency["roc_auc"]

    assert gain.low is not None
    assert gain.low > 0.05
    assert same is not None
    assert (same["roc_auc"].low, same["roc_auc"].high) == (0, 0)
    assert (none.low, none.high) == (0, 0)


def test_segments_split_the_rows(report: EvaluationReport, test_rows: pl.DataFrame) -> None:
    sizes: dict[str, int] = {}
    for segment in report.models["sharp"].segments:
        sizes[segment.column] = sizes.get(segment.column, 0) + segment.rows

    assert sizes == dict.fromkeys(("plan", "country", "tenure_days"), test_rows.height)


def test_rare_values_are_one_segment(test_rows: pl.DataFrame) -> None:
    settings = SETTINGS.model_copy(update={"segment_values": 2, "segment_columns": ("country",)})
    model = predictions(test_rows, "sharp", 0.1)

    result = evaluate(test_rows, [model], recency=model, incumbent=None, costs=COSTS, settings=settings, seed=3)

    values = [s.value for s in result.models["sharp"].segments if s.column == "country"]
    assert values == ["DE", "FR", "others"]
    assert result.incumbent is None
    assert result.models["sharp"].over_incumbent is None


def test_a_segment_of_one_class_has_no_auc_and_no_error(test_rows: pl.DataFrame) -> None:
    rows = test_rows.with_columns(churned=pl.when(pl.col("plan") == "gold").then(False).otherwise("churned"))
    model = predictions(rows, "sharp", 0.1)

    result = evaluate(rows, [model], recency=model, incumbent=None, costs=COSTS, settings=SETTINGS, seed=3)

    (gold,) = (s for s in result.models["sharp"].segments if s.value == "gold")
    assert gold.metrics["roc_auc"].value is None
    assert gold.metrics["brier"].value is not None


def test_the_report_survives_json(report: EvaluationReport) -> None:
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_rows_of_one_customer_are_resampled_together(test_rows: pl.DataFrame) -> None:
    model = predictions(test_rows, "sharp", 0.3)
    scored = Scored(test_rows["churned"].to_numpy(), model.scores, 0.5)
    copies = 8
    repeated = Scored(np.tile(scored.churned, copies), np.tile(scored.score, copies), 0.5)
    customers = pl.concat([test_rows["customer_id"]] * copies)

    def width(rows: Scored, who: pl.Series) -> float:
        estimate = bootstrap([rows], who, COSTS, 200, seed=1)[0].estimates(0.95)["roc_auc"]
        assert estimate.low is not None
        assert estimate.high is not None
        return estimate.high - estimate.low

    # Copies of a customer tell nothing new: the interval must not shrink, as it would row by row.
    once = width(scored, test_rows["customer_id"])
    assert width(repeated, customers) == pytest.approx(once, rel=0.05)
    assert width(repeated, pl.Series(map(str, range(len(customers))))) < once / 2


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        churned = draw.random(300) < 0.4
        score = np.clip(np.where(churned, 0.55, 0.45) + draw.normal(0, 0.1, 300), 0, 1)
        customers = pl.Series(map(str, range(300)))
        estimate = bootstrap([Scored(churned, score, 0.5)], customers, COSTS, 100, seed)[0].estimates(0.9)["roc_auc"]
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 0.7602 <= estimate.high  # Φ(0.1 / (0.1 √2)): normal scores one deviation apart

    assert held >= 30


def test_metrics_that_are_not_asked_for_change_nothing(test_rows: pl.DataFrame) -> None:
    model = predictions(test_rows, "sharp", 0.3)
    scored = Scored(test_rows["churned"].to_numpy(), model.scores, 0.5)

    asked: tuple[Metric, ...] = ("brier", "profit_per_customer")
    [every] = bootstrap([scored], test_rows["customer_id"], COSTS, 20, seed=1)
    [some] = bootstrap([scored], test_rows["customer_id"], COSTS, 20, seed=1, metrics=asked)

    assert some.value == {name: every.value[name] for name in asked}
    assert all(np.array_equal(drawn, every.resampled[name]) for name, drawn in some.resampled.items())
    assert some.estimates(0.9) == {name: every.estimates(0.9)[name] for name in some.value}


def test_a_segment_of_everybody_has_the_figures_of_the_whole(test_rows: pl.DataFrame) -> None:
    report = evaluate(
        test_rows.with_columns(plan=pl.lit(None, pl.String)),
        [predictions(test_rows, "sharp", 0.3)],
        recency=predictions(test_rows, "recency_only", 0.3),
        incumbent=None,
        costs=COSTS,
        settings=EvaluationSettings(bootstrap_rounds=20, segment_columns=("plan",)),
        seed=1,
    )

    model = report.models["sharp"]
    [unknown] = [segment for segment in model.segments if segment.column == "plan"]
    assert unknown.rows == report.rows
    assert unknown.metrics == model.metrics


def test_another_seed_draws_other_resamples(test_rows: pl.DataFrame) -> None:
    model = predictions(test_rows, "sharp", 0.3)
    scored = Scored(test_rows["churned"].to_numpy(), model.scores, 0.5)

    one, two = (bootstrap([replace(scored)], test_rows["customer_id"], COSTS, 20, seed)[0] for seed in (1, 2))

    assert one.value == two.value
    assert not np.array_equal(one.resampled["brier"], two.resampled["brier"])


def test_what_the_process_saw_before_changes_no_resample(test_rows: pl.DataFrame) -> None:
    model = predictions(test_rows, "sharp", 0.3)
    scored = Scored(test_rows["churned"].to_numpy(), model.scores, 0.5)
    customers = "seen-before-" + test_rows["customer_id"]
    [first] = bootstrap([scored], customers, COSTS, 20, seed=1)

    # Polars numbers categories in the order in which a process meets them.
    others = "met-backwards-" + test_rows["customer_id"]
    met = others.reverse().cast(pl.Categorical)
    [second] = bootstrap([scored], others, COSTS, 20, seed=1)

    assert len(met) == len(customers)
    assert np.array_equal(first.resampled["brier"], second.resampled["brier"])
