"""What the server counts, in Prometheus' form."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from seldon.serving.answer import Identity
from seldon.serving.tally import Tally


class Metrics:
    """A registry of its own; `process_start_time_seconds` in it tells a restart from a counter that ran backwards."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, identity: Identity) -> None:
        """Declare the metrics."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("churn_model", "what is served", registry=registry).info(
            {
                "deployment": identity.deployment,
                "namespace": identity.namespace,
                "version": identity.version,
                "digest": identity.digest,
                "track": identity.track,
            }
        )
        self.tally = Tally()
        registry.register(self.tally)
        self.defects = Counter("churn_defects", "requests that met a defect of the server", registry=registry)
        self.feedback = Counter("churn_feedback_truths", "true labels that came back", ["label"], registry=registry)
        self.rewards = Gauge("churn_feedback_reward", "sum of the rewards that came back", registry=registry)
        self._log = Counter("churn_log_records", "records of the prediction log", ["outcome"], registry=registry)
        self.log_written = self._log.labels("written")
        self.log_dropped = self._log.labels("dropped")
        self.customers_unknown = Counter(
            "churn_customers_unknown", "customers asked for that the snapshot does not know", registry=registry
        )
        self.snapshots_refused = Counter(
            "churn_customer_snapshots_refused", "customer snapshots that were damaged or do not fit", registry=registry
        )
        self.log_failures = Counter(
            "churn_log_failures", "attempts to write a file of the prediction log that failed", registry=registry
        )

    def watch(self, in_flight: Callable[[], int], limit: int, waiting: Callable[[], int]) -> None:
        """Bind the gauges that are read when they are asked for."""
        Gauge("churn_in_flight_limit", "requests accepted at a time", registry=self._registry).set(limit)
        Gauge("churn_in_flight", "requests accepted and not answered", registry=self._registry).set_function(in_flight)
        Gauge("churn_log_waiting", "records not written yet", registry=self._registry).set_function(waiting)

    def watch_customers(self, age_hours: Callable[[], float], count: Callable[[], int]) -> None:
        """Bind the gauges of the customer snapshot."""
        registry = self._registry
        age = Gauge("churn_customer_snapshot_age_hours", "age of the customer snapshot served", registry=registry)
        age.set_function(age_hours)
        Gauge("churn_customers", "customers that can be asked for", registry=registry).set_function(count)

    def text(self) -> bytes:
        """Return everything counted so far."""
        return generate_latest(self._registry)
