"""What every request counts: plain numbers, of which Prometheus' metrics are made when somebody asks for them.

A metric of `prometheus_client` takes a lock for each number; the event loop, which alone counts and is asked here,
needs none.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, Literal, get_args

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Service = Literal["predictions", "infer", "feedback"]
_SECONDS: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, float("inf"))
"""Upper bounds of the histogram's buckets."""


class Tally(Collector):
    """Requests, how long they took, and the rows in them.

    Attributes:
        rows: scored so far.
        contacted: those of them whose score reached the threshold.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self.rows = self.contacted = 0
        self._answers: Counter[tuple[Service, int]] = Counter()
        self._durations = {service: [0] * len(_SECONDS) for service in get_args(Service)}
        self._totals = dict.fromkeys(get_args(Service), 0.0)

    def answered(self, service: Service, code: int, seconds: float) -> None:
        """Count an answer."""
        self._answers[service, code] += 1
        self._durations[service][bisect_left(_SECONDS, seconds)] += 1
        self._totals[service] += seconds

    def collect(self) -> Iterator[Metric]:
        """Return what was counted so far."""
        requests = CounterMetricFamily("churn_requests", "requests answered", labels=["service", "code"])
        for (service, code), count in self._answers.items():
            requests.add_metric([service, str(code)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "churn_request_seconds", "from the headers of a request to its answer", labels=["service"]
        )
        for service, counts in self._durations.items():
            seconds.add_metric([service], _cumulated(counts), self._totals[service])
        yield seconds
        yield CounterMetricFamily("churn_rows", "rows scored", self.rows)
        yield CounterMetricFamily("churn_contacted", "rows whose score reached the threshold", self.contacted)


def _cumulated(counts: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [floatToGoString(bound) for bound in _SECONDS]  # type: ignore[no-untyped-call]
    return list(zip(bounds, accumulate(counts), strict=True))
