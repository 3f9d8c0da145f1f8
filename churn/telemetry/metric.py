"""A metric that is declared once, and a page of samples in Prometheus' form."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    """One value; `labels` in the order of the metric's."""

    metric: "Metric"
    value: float
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """A family of samples.

    Attributes:
        name: with unit, and `_total` where it is a counter, as Prometheus wants it.
        kind: a counter only grows, or begins anew.
        meaning: one line for people.
        labels: what tells its samples apart.
    """

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str
    labels: tuple[str, ...] = ()

    def of(self, value: float | datetime, **labels: str) -> Sample:
        """Return a sample; a moment counts in seconds since 1970.

        Raises:
            ValueError: the labels are not those of the metric.
        """
        if set(labels) != set(self.labels):
            raise ValueError(f"{self.name}: has the labels {self.labels}, not {tuple(labels)}")
        number = value.timestamp() if isinstance(value, datetime) else float(value)
        return Sample(self, number, tuple(labels[name] for name in self.labels))


def page(metrics: Collection[Metric], samples: Iterable[Sample]) -> bytes:
    """Return the page of these metrics; one without samples is declared all the same.

    Raises:
        ValueError: two samples cannot be told apart, or belong to none of the metrics.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    families = {metric: _family(metric) for metric in metrics}
    seen: set[tuple[Metric, tuple[str, ...]]] = set()
    for sample in samples:
        if sample.metric not in families or (sample.metric, sample.labels) in seen:
            raise ValueError(f"{sample.metric.name}: {sample.labels} is there twice, or of no metric of this page")
        seen.add((sample.metric, sample.labels))
        families[sample.metric].add_metric(sample.labels, sample.value)  # type: ignore[attr-defined]
    registry = CollectorRegistry()
    registry.register(_Families(families.values()))
    return generate_latest(registry)


class _Families:
    def __init__(self, families: "Collection[Family]") -> None:
        self._families = families

    def collect(self) -> "Iterator[Family]":
        yield from self._families


def _family(metric: Metric) -> "Family":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return family(metric.name, metric.meaning, labels=metric.labels)
