import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from churn.telemetry.catalogue import METRICS
from churn.telemetry.metric import Metric, page

ROWS = Metric("churn_rows_total", "counter", "rows", ("stream", "outcome"))
NEWEST = Metric("churn_newest_timestamp_seconds", "gauge", "newest")

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=15)
@given(values=st.dictionaries(st.tuples(texts, texts), st.floats(allow_nan=False), max_size=5))
def test_a_page_says_what_was_put_into_it_whatever_the_labels_hold(values: dict[tuple[str, str], float]) -> None:
    samples = [ROWS.of(value, outcome=outcome, stream=stream) for (stream, outcome), value in values.items()]

    [family] = text_string_to_metric_families(page([ROWS], samples).decode())

    read = {(sample.labels["stream"], sample.labels["outcome"]): sample.value for sample in family.samples}
    assert read == values


def test_a_moment_is_seconds_and_a_metric_without_samples_is_declared() -> None:
    text = page([ROWS, NEWEST], [NEWEST.of(datetime(2026, 3, 1, tzinfo=UTC))]).decode()

    assert "churn_newest_timestamp_seconds 1.7723232e+09\n" in text
    assert "# TYPE churn_rows_total counter\n" in text


def test_labels_that_are_others_samples_that_are_twice_and_metrics_of_another_page_are_refused() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        ROWS.of(1, stream="activity")
    with pytest.raises(ValueError, match="twice"):
        page([NEWEST], [NEWEST.of(1), NEWEST.of(2)])
    with pytest.raises(ValueError, match="of no metric"):
        page([NEWEST], [ROWS.of(1, stream="a", outcome="b")])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_keep_to_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"churn_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert ("timestamp" in metric.name) == metric.name.endswith("_timestamp_seconds")
    assert not set(metric.labels) & {"job", "instance", "le", "environment"}


def test_every_metric_is_declared_once() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
