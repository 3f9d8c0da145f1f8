from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest

from seldon.serving.tally import Service, Tally

_BOUNDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0)
_answers = st.lists(
    st.tuples(
        st.sampled_from(get_args(Service)), st.sampled_from((200, 400, 503)), st.floats(0, 3) | st.sampled_from(_BOUNDS)
    ),
    max_size=30,
)


@given(_answers, st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_page_is_the_one_that_the_client_library_would_make(
    answers: list[tuple[Service, int, float]], rows: int, contacted: int
) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    theirs, ours, tally = CollectorRegistry(), CollectorRegistry(), Tally()
    ours.register(tally)
    requests = Counter("churn_requests", "requests answered", ["service", "code"], registry=theirs)
    about = "from the headers of a request to its answer"
    seconds = Histogram("churn_request_seconds", about, ["service"], buckets=_BOUNDS, registry=theirs)
    by_service = {service: seconds.labels(service) for service in get_args(Service)}
    Counter("churn_rows", "rows scored", registry=theirs).inc(rows)
    Counter("churn_contacted", "rows whose score reached the threshold", registry=theirs).inc(contacted)

    for service, code, took in answers:
        requests.labels(service, str(code)).inc()
        by_service[service].observe(took)
        tally.answered(service, code, took)
    tally.rows, tally.contacted = rows, contacted

    assert generate_latest(ours) == generate_latest(theirs)
