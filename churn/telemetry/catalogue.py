"""Every metric of what is no server; those of the prediction server are declared in `seldon.serving.metrics`."""

from typing import Final, Literal

from churn.telemetry.metric import Metric

Verdict = Literal["OK", "WATCH", "RETRAIN", "ROLLBACK"]

INGEST_ROWS: Final = Metric(
    "churn_ingest_rows",
    "gauge",
    "rows read so far by what became of them (appended, duplicate, quarantined); no counter, for a replay takes rows "
    "out of quarantine",
    ("stream", "outcome"),
)
INGEST_OBJECTS: Final = Metric("churn_ingest_objects_total", "counter", "landing objects that were read", ("stream",))
INGEST_CLOSED_UNTIL: Final = Metric(
    "churn_ingest_closed_until_timestamp_seconds", "gauge", "end of the last hour that was read through", ("stream",)
)
INGEST_NEWEST_ROW: Final = Metric(
    "churn_ingest_newest_row_timestamp_seconds", "gauge", "event time of the newest row appended", ("stream",)
)
TABLE_ROWS: Final = Metric("churn_table_rows", "gauge", "rows of a Delta table at its newest version", ("table",))
TABLE_VERSION: Final = Metric("churn_table_version", "gauge", "newest version of a Delta table", ("table",))
TABLE_CHANGED: Final = Metric("churn_table_changed_timestamp_seconds", "gauge", "commit of that version", ("table",))
REGISTRY_VERSIONS: Final = Metric("churn_registry_versions", "gauge", "model versions that the ledger knows")
REGISTRY_VERSION: Final = Metric(
    "churn_registry_version_info", "gauge", "1: the version that holds a stage", ("stage", "version", "candidate")
)
REGISTRY_TRAINED: Final = Metric(
    "churn_registry_trained_timestamp_seconds", "gauge", "when the version of a stage was registered", ("stage",)
)
REGISTRY_ENTERED: Final = Metric(
    "churn_registry_entered_timestamp_seconds", "gauge", "when it came into the stage", ("stage",)
)
REGISTRY_QUALITY: Final = Metric(
    "churn_registry_quality",
    "gauge",
    "figure of the version of a stage on its test cutoff (roc_auc, brier)",
    ("stage", "figure"),
)
LEDGER_ENTRIES: Final = Metric("churn_ledger_entries_total", "counter", "entries of the ledger")
LEDGER_HEAD: Final = Metric("churn_ledger_head_timestamp_seconds", "gauge", "the last entry")
LEDGER_DECISIONS: Final = Metric(
    "churn_ledger_decisions_total",
    "counter",
    "decisions that were committed; registered is a training that ended well",
    ("decision",),
)
LEDGER_DECIDED: Final = Metric(
    "churn_ledger_decision_timestamp_seconds", "gauge", "the last one of its kind", ("decision",)
)
DISAGREEMENTS: Final = Metric(
    "churn_disagreements", "gauge", "points on which ledger, ZenML, MLflow and deployment differ"
)
DEPLOYMENT_WEIGHT: Final = Metric(
    "churn_deployment_weight_ratio",
    "gauge",
    "share of the customers that a track gets, 0 to 1",
    ("deployment", "track", "version"),
)
DEPLOYMENT_READY: Final = Metric(
    "churn_deployment_ready", "gauge", "1: the track's server answers", ("deployment", "track", "version")
)
DEPLOYMENT_RESTARTS: Final = Metric(
    "churn_deployment_restarts_total",
    "counter",
    "times that the track's server was started again",
    ("deployment", "track", "version"),
)
DEPLOYMENT_FAULT: Final = Metric(
    "churn_deployment_fault",
    "gauge",
    "1: the wanted state cannot be reached; churn serve status says why",
    ("deployment",),
)
MONITOR_VERDICT: Final = Metric(
    "churn_monitor_verdict", "gauge", "1: the last verdict of the monitor; 0: the others it has given", ("verdict",)
)
MONITOR_GIVEN: Final = Metric(
    "churn_monitor_verdict_timestamp_seconds", "gauge", "when each verdict was last given", ("verdict",)
)
REFRESHED: Final = Metric("churn_metrics_refreshed_timestamp_seconds", "gauge", "when this page was made")
REFRESH_SECONDS: Final = Metric("churn_metrics_refresh_seconds", "gauge", "what it took to make this page")

METRICS: Final[tuple[Metric, ...]] = (
    INGEST_ROWS,
    INGEST_OBJECTS,
    INGEST_CLOSED_UNTIL,
    INGEST_NEWEST_ROW,
    TABLE_ROWS,
    TABLE_VERSION,
    TABLE_CHANGED,
    REGISTRY_VERSIONS,
    REGISTRY_VERSION,
    REGISTRY_TRAINED,
    REGISTRY_ENTERED,
    REGISTRY_QUALITY,
    LEDGER_ENTRIES,
    LEDGER_HEAD,
    LEDGER_DECISIONS,
    LEDGER_DECIDED,
    DISAGREEMENTS,
    DEPLOYMENT_WEIGHT,
    DEPLOYMENT_READY,
    DEPLOYMENT_RESTARTS,
    DEPLOYMENT_FAULT,
    MONITOR_VERDICT,
    MONITOR_GIVEN,
    REFRESHED,
    REFRESH_SECONDS,
)
