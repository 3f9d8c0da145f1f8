"""The thorough look at the live model by Evidently: daily, and when something speaks against the model."""

from typing import Annotated

import polars as pl
from zenml import get_step_context, log_metadata, step
from zenml.client import Client
from zenml.materializers.structured_string_materializer import StructuredStringMaterializer
from zenml.types import HTMLString

from churn.bundle.checked import REFERENCE
from churn.monitoring.examination import Examination, Examined, Sides, examine, is_due
from churn.monitoring.judge import judge
from churn.monitoring.measurement import Live, Measurement, compared, predictions_of, records_of
from churn.monitoring.predictions import one_a_customer
from churn.monitoring.record import last_verdict
from churn.monitoring.windows import Window
from materializers.monitor import ExaminationMaterializer
from materializers.pages import render
from stacks.environment import active_environment, active_settings
from steps.guard import failing_closed
from steps.live_model import held_out, live_model

EXPERIMENT = "monitor_model"
ENVIRONMENT_TAG = "environment"
"""Tag of MLflow's runs: each environment removes its own."""
_SPEAKS = ("inputs", "features", "score", "outcomes", "previous")
"""Findings that Evidently can say more about."""


@step(
    enable_cache=False,
    output_materializers={
        "examination": ExaminationMaterializer,
        "evidently_drift": StructuredStringMaterializer,
        "evidently_classification": StructuredStringMaterializer,
    },
)
def examine_model(
    measurement: Measurement,
) -> tuple[
    Annotated[Examination, "examination"],
    Annotated[HTMLString, "evidently_drift"],
    Annotated[HTMLString, "evidently_classification"],
]:
    """Examine the customers of the last windows, where that is due; otherwise the last examination holds on."""
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} examine_model", "monitoring_failed"):
        settings = active_settings()
        last = last_verdict(settings.lake.url, measurement.at)
        before = last.examination if last and last.bundle_digest == measurement.bundle_digest else None
        light = judge(measurement, Examination(), settings.monitoring)
        why_not = is_due(
            before,
            alarmed=any(light.finding(name).decision != "OK" for name in _SPEAKS),  # type: ignore[arg-type]
            window_end=light.window_end,
            at=measurement.at,
            settings=settings.monitoring.examination,
        )
        if why_not is None:
            examined = _examined(measurement, live_model(measurement.at), str(run.id))
        else:
            examined = Examined(before or Examination(why_not=why_not), "", "")
    log_metadata({"examined": why_not is None, "failed_tests": len(examined.examination.deciding)})
    drift = HTMLString(examined.drift_page or _nothing(why_not or "Evidently could not draw it"))
    classification = HTMLString(examined.classification_page or _nothing(why_not or "no outcomes are known yet"))
    return examined.examination, drift, classification


def _examined(found: Measurement, live: Live, run: str) -> Examined:
    settings = active_settings()
    manifest = live.bundle.manifest
    predictions = predictions_of(live, settings.lake.url, found.at)
    most = settings.monitoring.examination.rows
    customers = []
    for window in (Window(one.start, one.end) for one in found.windows):
        asked = one_a_customer(predictions.rows(window))
        customers.append(compared(predictions, asked, window, live.bundle, most))
    reference = pl.read_parquet(live.bundle.path / REFERENCE).rename({manifest.output: "score"})
    examined = examine(
        Sides(pl.concat(customers), reference),
        _answered(found, live),
        [feature for feature in manifest.catalogue if found.importance[feature.name] > 0],
        at=found.at,
        window_end=found.windows[-1].end,
        settings=settings.monitoring.examination,
    )
    keep_pages(examined, found, run)
    return examined


def _answered(found: Measurement, live: Live) -> Sides | None:
    """Return customers whose outcome is known beside those of the test at promotion; None without either."""
    records = records_of(live, active_settings().lake.url, found.at)
    tested = held_out(live.bundle)
    if found.quality is None or found.quality.metrics is None or records is None or tested is None:
        return None
    decides = (pl.col("score") >= live.bundle.manifest.threshold).alias("predicted")
    window = Window(found.quality.since, found.quality.until)
    known = records.labelled(live.bundle, window, active_settings().monitoring.examination.rows)
    return Sides(known.with_columns(decides), tested.with_columns(decides))


def keep_pages(examined: Examined, found: Measurement, run: str) -> None:
    """Keep the pages in MLflow; the step does not ask for the tracker, because most runs have nothing for it."""
    tracker = Client().active_stack.experiment_tracker
    if tracker is None or not hasattr(tracker, "configure_mlflow"):
        return
    import mlflow
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker

    assert isinstance(tracker, MLFlowExperimentTracker)
    tracker.configure_mlflow()
    tracker._set_active_experiment(EXPERIMENT)  # a new experiment's files belong into the stack's store, not here
    examination = examined.examination
    pages = {"drift": examined.drift_page, "classification": examined.classification_page}
    tags = {
        ENVIRONMENT_TAG: active_environment(),
        "bundle_digest": found.bundle_digest,
        "version": found.version,
        "zenml_run": run,
    }
    with mlflow.start_run(run_name=f"version {found.version}", tags=tags):
        mlflow.log_metrics(
            {
                "customers": examination.customers,
                "failed_tests": len(examination.deciding),
                "shown_tests": len(examination.shown),
            }
        )
        for name, page in pages.items():
            if page:
                mlflow.log_text(page, f"evidently/{name}.html")


def _nothing(why: str) -> str:
    return render("not_examined.html.j2", title="Not examined by Evidently", why=why)
