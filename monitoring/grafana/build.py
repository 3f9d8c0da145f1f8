"""The dashboards: `python -m monitoring.grafana.build` writes dashboards/*.json again."""

import json
from pathlib import Path
from typing import Final

from monitoring.grafana.panels import Dashboard, Panel, Query, Variable

FOLDER: Final = Path(__file__).with_name("dashboards")

_HERE: Final = '{namespace=~"$namespace", deployment=~"$deployment"}'
_STREAM: Final = 'stream=~"$stream"'

DATA: Final = Dashboard(
    uid="churn-data",
    title="Churn: data",
    says="Does what is uploaded reach the lake, in time and in one piece?",
    hours=168,
    variables=(Variable("stream", "churn_ingest_rows"),),
    panels=(
        Panel(
            "Since the last hour read through",
            (Query(f"time() - churn_ingest_closed_until_timestamp_seconds{{{_STREAM}}}", "{{stream}}"),),
            unit="s",
            says="Grows to an hour and falls when ingestion closes the next one.",
            warn=7200,
        ),
        Panel(
            "Age of the newest row",
            (Query(f"time() - churn_ingest_newest_row_timestamp_seconds{{{_STREAM}}}", "{{stream}}"),),
            unit="s",
            says="By the rows' own time; replayed history is old.",
            warn=93600,
        ),
        Panel(
            "Rows of the last hour",
            (Query(f"delta(churn_ingest_rows{{{_STREAM}}}[1h])", "{{stream}} {{outcome}}"),),
            says="A replay takes rows out of quarantine, which is below zero.",
        ),
        Panel(
            "Share of a day's rows in quarantine",
            (Query(f"stream:churn_ingest_quarantined:ratio_delta1d{{{_STREAM}}}", "{{stream}}"),),
            unit="percentunit",
            warn=0.05,
        ),
        Panel("Objects an hour", (Query(f"increase(churn_ingest_objects_total{{{_STREAM}}}[1h])", "{{stream}}"),)),
        Panel("Rows by table", (Query("churn_table_rows", "{{table}}"),)),
        Panel(
            "Since a table changed", (Query("time() - churn_table_changed_timestamp_seconds", "{{table}}"),), unit="s"
        ),
        Panel(
            "Commits an hour",
            (Query("delta(churn_table_version[1h])", "{{table}}"),),
            says="Versions of each Delta table.",
        ),
    ),
)

MODEL: Final = Dashboard(
    uid="churn-model",
    title="Churn: model",
    says="Which version stands where, how good and how old it is, and what was decided.",
    hours=720,
    panels=(
        Panel(
            "Versions in stages",
            (Query("churn_registry_version_info"),),
            kind="table",
            width=12,
        ),
        Panel(
            "Verdict of the monitor",
            (Query("churn_monitor_verdict == 1", "{{verdict}}"),),
            kind="stat",
            width=6,
        ),
        Panel(
            "Parts that disagree",
            (Query("churn_disagreements", ""),),
            kind="stat",
            warn=1,
            width=6,
            says="Ledger, ZenML, MLflow and the deployment; churn status names them.",
        ),
        Panel(
            "Age of the model",
            (Query("time() - churn_registry_trained_timestamp_seconds", "{{stage}}"),),
            unit="s",
            warn=3024000,
        ),
        Panel(
            "In its stage for",
            (Query("time() - churn_registry_entered_timestamp_seconds", "{{stage}}"),),
            unit="s",
        ),
        Panel(
            "Figures on the test cutoff",
            (Query("churn_registry_quality", "{{stage}} {{figure}}"),),
            unit="none",
            says="Of the version of each stage, measured once at its training.",
        ),
        Panel(
            "Decisions a day",
            (Query("increase(churn_ledger_decisions_total[1d])", "{{decision}}"),),
        ),
        Panel(
            "Since the last decision of each kind",
            (Query("time() - churn_ledger_decision_timestamp_seconds", "{{decision}}"),),
            unit="s",
            says="registered is the last training that ended well.",
        ),
        Panel(
            "Since the monitor gave each verdict",
            (Query("time() - churn_monitor_verdict_timestamp_seconds", "{{verdict}}"),),
            unit="s",
        ),
        Panel("Versions", (Query("churn_registry_versions", "registered"),), width=8),
        Panel("Ledger", (Query("churn_ledger_entries_total", "entries"),), width=8),
        Panel(
            "Since the ledger's last entry",
            (Query("time() - churn_ledger_head_timestamp_seconds", "head"),),
            "s",
            width=8,
        ),
    ),
)

SERVING: Final = Dashboard(
    uid="churn-serving",
    title="Churn: serving and rollout",
    says="Is every request answered, how fast, and does the canary behave like stable?",
    hours=3,
    variables=(Variable("namespace", "churn_model_info"), Variable("deployment", "churn_model_info")),
    panels=(
        Panel(
            "Share of customers",
            (Query("churn_deployment_weight_ratio", "{{track}} {{version}}"),),
            unit="percentunit",
            says="The steps of a rollout.",
        ),
        Panel("Predictions", (Query(f"track:churn_requests:rate5m{_HERE}", "{{track}} {{version}}"),), unit="reqps"),
        Panel(
            "Errors",
            (Query(f"track:churn_request_errors:ratio_rate5m{_HERE}", "{{track}} {{version}}"),),
            unit="percentunit",
            says="As the servers see them: the gateway asks the other track before a client sees one.",
            warn=0.02,
        ),
        Panel(
            "Refusals and errors by status",
            (Query('sum by (code) (rate(churn_requests_total{code!~"2.."}[5m]))', "{{code}}"),),
            unit="reqps",
        ),
        Panel(
            "Latency",
            (
                Query(f"track:churn_request_seconds:p99_rate5m{_HERE}", "{{track}} {{version}} 99 %"),
                Query(f"track:churn_request_seconds:p50_rate5m{_HERE}", "{{track}} {{version}} median"),
            ),
            unit="s",
            warn=0.1,
        ),
        Panel(
            "Customers to contact",
            (Query(f"track:churn_contacted:ratio_rate5m{_HERE}", "{{track}} {{version}}"),),
            unit="percentunit",
            says="Share of the rows whose score reaches the threshold.",
        ),
        Panel(
            "Requests held, of those taken",
            (Query("instance:churn_in_flight:ratio", "{{instance}}"),),
            unit="percentunit",
            warn=0.8,
        ),
        Panel(
            "Prediction log",
            (
                Query("sum by (outcome) (rate(churn_log_records_total[5m]))", "{{outcome}}"),
                Query("sum(churn_log_waiting)", "waiting"),
                Query("sum(rate(churn_log_failures_total[5m]))", "failed writes"),
            ),
        ),
        Panel(
            "Customers by token",
            (
                Query("sum(increase(churn_customers_unknown_total[1h]))", "unknown, an hour"),
                Query("sum(increase(churn_customer_snapshots_refused_total[1h]))", "snapshots refused, an hour"),
            ),
            says="Asked for by a token that the published snapshot does not know; snapshots that no server takes.",
        ),
        Panel(
            "Labels that came back",
            (Query("sum by (label) (rate(churn_feedback_truths_total[1h])) * 3600", "{{label}}"),),
            says="An hour, by /feedback.",
        ),
        Panel(
            "Servers",
            (
                Query("churn_deployment_ready", "{{track}} {{version}} ready"),
                Query("increase(churn_deployment_restarts_total[1h])", "{{track}} {{version}} restarts"),
                Query("churn_deployment_fault", "{{deployment}} fault"),
                Query("sum(increase(churn_defects_total[1h]))", "defects"),
            ),
        ),
        Panel(
            "Memory",
            (Query('process_resident_memory_bytes{job="churn-serving"}', "{{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "Processor",
            (Query('rate(process_cpu_seconds_total{job="churn-serving"}[5m])', "{{instance}}"),),
            unit="percentunit",
        ),
    ),
)

DASHBOARDS: Final = (DATA, MODEL, SERVING)


def text(dashboard: Dashboard) -> str:
    """Return the file of a dashboard."""
    return json.dumps(dashboard.as_json(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for one in DASHBOARDS:
        (FOLDER / f"{one.uid}.json").write_text(text(one), encoding="utf-8")
