"""What a cluster tells of a deployment's requests: the servers' prediction log and the executors' counters."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from churn.log import get_logger
from churn.rollout.counters import Counters
from seldon.cluster.executor import counters_since, increases, last_seen, selector
from seldon.cluster.history import History
from seldon.cluster.prometheus import Series, TelemetryMissing, raw_series
from seldon.cluster.requests import requests
from seldon.cluster.settings import ClusterSettings
from seldon.gateway.prediction_log import PredictionLog

if TYPE_CHECKING:
    import polars as pl

    from seldon.gateway.prediction_log import Expected

log = get_logger(__name__)

_BEFORE: Final = timedelta(minutes=5)
"""How far before a moment samples are asked for, to know where a counter stood."""


class Telemetry:
    """Reads of one deployment; the counting begins with the first question for counters."""

    def __init__(
        self,
        namespace: str,
        deployment: str,
        settings: ClusterSettings,
        expected: "Expected | None",
        clock: Callable[[], datetime],
    ) -> None:
        """Ask nothing yet."""
        self._namespace, self._deployment = namespace, deployment
        self._settings, self._expected, self._clock = settings, expected, clock
        self._began: datetime | None = None

    @cached_property
    def _predictions(self) -> PredictionLog:
        return PredictionLog(self._settings.landing, self._deployment, self._expected)

    def requests(self, history: History, since: datetime) -> "pl.DataFrame":
        """Return the requests since a moment, up to when all of them are known.

        Without Prometheus failures are unknown, so then there is nothing to judge: the frame is empty.
        """
        now = self._clock()
        try:
            series = self._series(since - _BEFORE, now)
        except TelemetryMissing as error:
            log.warning("failures_unknown", deployment=self._deployment, error=str(error))
            series = ()
        return requests(
            self._predictions.records(since, now),
            increases(series, since - _BEFORE),
            last_seen(series),
            history,
            since,
            now - timedelta(seconds=self._settings.record_seconds),
        )

    def counters(self) -> Counters:
        """Return what was counted since the first call.

        Raises:
            TelemetryMissing: Prometheus does not say.
        """
        now = self._clock()
        self._began = self._began or now
        series = self._series(self._began - _BEFORE, now)
        return counters_since(increases(series, self._began - _BEFORE), tuple(last_seen(series)), self._began)

    def _series(self, since: datetime, until: datetime) -> tuple[Series, ...]:
        wanted = selector(self._deployment, self._namespace, self._settings.namespace_label)
        return raw_series(self._settings.prometheus, wanted, since, until, self._settings.answer_seconds)
