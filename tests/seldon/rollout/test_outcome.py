import pytest

from seldon.rollout.outcome import Cost, Progress, cost_of
from seldon.rollout.watching import Watchers
from tests.rollout import START, traffic

HIDDEN = Progress(at=START, stage="shadow", weight=0, says="")


def test_the_cost_counts_the_canarys_customers_and_not_its_copies() -> None:
    copies = traffic(100, weight=0)
    live = traffic(1_000, weight=0.25, customers=300, canary_error=0.2)
    canary = live.filter("canary")

    cost = cost_of(copies.vstack(live), 0.35)

    assert cost.requests == canary.height > cost.customers == canary["customer"].n_unique()
    assert cost.failed == canary["failed"].sum() > 0
    assert cost.decisions == 0


def test_a_decision_differs_where_stable_would_have_decided_otherwise() -> None:
    live = traffic(1_000, error=0.0)

    assert cost_of(live, 0.35).decisions == 0
    assert cost_of(live, 0.0).decisions == live.filter("canary", ~live["contacted"])["customer"].n_unique()


def test_the_ledger_gets_every_figure() -> None:
    assert Cost(requests=4, decisions=1).facts() == {
        "canary requests": "4",
        "canary customers": "0",
        "canary failed": "0",
        "canary decisions": "1",
    }


def test_a_watcher_that_fails_keeps_nobody_else_from_watching(caplog: pytest.LogCaptureFixture) -> None:
    watchers = Watchers()
    seen: list[Progress] = []

    def fails(_: Progress) -> None:
        raise OSError

    with watchers.watching(fails), watchers.watching(seen.append):
        watchers.tell(HIDDEN)
    watchers.tell(HIDDEN)

    assert seen == [HIDDEN]


def test_without_records_a_cost_is_unknown_and_not_nothing() -> None:
    cost = cost_of(traffic(10).clear(), 0.35)

    assert not cost.known
    assert set(cost.facts().values()) == {"unknown"}
