"""Customers by token: against a real server process, on the snapshot that the publisher writes."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn.bundle.bundle import Bundle
from churn.online.layout import SUFFIX
from tests.seldon.serving.cases import PREDICT
from tests.seldon.serving.conftest import TOKEN, Serve, Server, command, started
from tests.seldon.serving.published import DAY, ROWS, asked, customers, publish, until

STRANGER = TOKEN


@pytest.fixture(scope="module")
def rows(bundle: Bundle) -> pl.DataFrame:
    return customers(bundle)


@pytest.fixture(scope="module")
def known(
    interpreter: Path, bundle: Bundle, project_root: Path, rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that knows customers, for all tests that only ask."""
    folder, landing = tmp_path_factory.mktemp("customers"), tmp_path_factory.mktemp("landing")
    publish(folder, bundle, rows, version=41)
    words = command(interpreter, bundle, "--log-to", str(landing), "--customers", str(folder), "--max-rows", "50")
    shared = started(words, project_root, landing)
    yield shared
    assert shared.end() == 0


def by_features(rows: pl.DataFrame, tokens: list[str]) -> dict[str, object]:
    """Ask for the same customers by what is known of them."""
    wanted = pl.DataFrame({"customer_id": tokens}).join(rows, on="customer_id", how="left", maintain_order="left")
    return {"jsonData": wanted.drop("customer_id").to_dicts()}


@settings(max_examples=30)
@given(chosen=st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=50))
def test_customers_score_as_their_features_do_bit_for_bit(known: Server, rows: pl.DataFrame, chosen: list[int]) -> None:
    tokens = [rows["customer_id"][at] for at in chosen]

    by_token, by_feature = known.ask(PREDICT, asked(*tokens)), known.ask(PREDICT, by_features(rows, tokens))

    assert by_token.status == by_feature.status == 200, by_token.body
    assert by_token.json["data"] == by_feature.json["data"]
    assert by_token.json["meta"]["tags"]["contacted"] == by_feature.json["meta"]["tags"]["contacted"]


def test_answers_name_the_snapshot_and_its_age(known: Server, rows: pl.DataFrame) -> None:
    tags = known.ask(PREDICT, asked(rows["customer_id"][0])).json["meta"]["tags"]

    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    age = (datetime.now(UTC) - midnight) / timedelta(hours=1)
    assert (tags["snapshot"]["version"], tags["snapshot"]["cutoff"]) == (41, str(DAY))
    assert tags["snapshot"]["age_hours"] == pytest.approx(age, abs=0.1)
    assert len(tags["snapshot"]["digest"]) == 64
    assert "warning" not in tags
    assert "snapshot" not in known.ask(PREDICT, by_features(rows, [rows["customer_id"][0]])).json["meta"]["tags"]


@pytest.mark.parametrize("path", ["/api/v1.0/predictions", "/api/v0.1/predictions", "/predict"])
@pytest.mark.parametrize("prefix", ["", "/seldon/churn/churn"])
def test_every_path_knows_them(known: Server, rows: pl.DataFrame, prefix: str, path: str) -> None:
    assert known.ask(prefix + path, asked(rows["customer_id"][7])).status == 200


def test_unknown_ones_are_listed_and_nobody_is_scored(known: Server, rows: pl.DataFrame) -> None:
    before = known.metric("churn_rows_total")
    other = "cus_" + "0" * 31 + "1"

    answer = known.ask(PREDICT, asked(rows["customer_id"][0], STRANGER, other, STRANGER))

    assert answer.status == 404
    assert answer.json["status"]["reason"] == "UNKNOWN_CUSTOMERS"
    assert answer.json["meta"]["tags"]["unknown"] == [STRANGER, other]
    assert answer.json["meta"]["tags"]["snapshot"]["version"] == 41
    assert known.metric("churn_rows_total") == before
    assert known.metric("churn_customers_unknown_total") >= 2


def test_one_who_is_asked_for_twice_is_answered_twice(known: Server, rows: pl.DataFrame) -> None:
    first, second = rows["customer_id"][0], rows["customer_id"][9]

    pairs = known.ask(PREDICT, asked(first, second, first)).json["data"]["ndarray"]

    assert pairs[0] == pairs[2] != pairs[1]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (asked("jane@example.org"), 400, "jsonData.customers[0]: must be a customer's token"),
        (asked(STRANGER, STRANGER.upper()), 400, "jsonData.customers[1]: must be"),
        (asked(STRANGER + "\n"), 400, "customers[0]"),
        (asked(12), 400, "customers[0]"),
        (asked(None), 400, "customers[0]"),
        (asked(), 400, "holds no rows"),
        (asked(*[STRANGER] * 51), 413, "at most 50 are taken"),
        ({"jsonData": {"customers": STRANGER}}, 400, "must be a list"),
        ({"jsonData": {"customers": None}}, 400, "must be a list"),
        (asked(STRANGER, recency_days=3), 400, "stand alone"),
        ({"jsonData": [{"customers": [STRANGER]}]}, 400, "customers: is no feature"),
    ],
)
def test_what_names_no_customers_is_refused(known: Server, body: object, status: int, says: str) -> None:
    answer = known.ask(PREDICT, body)

    assert answer.status == status
    assert says in answer.json["status"]["info"]
    assert b"jane" not in answer.body


def test_a_server_without_snapshots_says_so(server: Server) -> None:
    answer = server.ask(PREDICT, asked(STRANGER))

    assert (answer.status, answer.json["status"]["reason"]) == (400, "NO_CUSTOMERS")


def test_each_row_is_logged_with_its_customer_and_all_features(
    serve: Serve, bundle: Bundle, rows: pl.DataFrame, tmp_path: Path
) -> None:
    publish(tmp_path / "customers", bundle, rows)
    logging = serve("--customers", str(tmp_path / "customers"))
    tokens = rows["customer_id"][:3].to_list()

    logging.ask(PREDICT, asked(*tokens), {"x-customer-id": STRANGER})
    logging.ask(PREDICT, by_features(rows, tokens), {"x-customer-id": STRANGER})
    assert logging.end() == 0

    [file] = logging.landing.rglob("*.parquet")
    lines = pl.read_parquet(file).to_dicts()
    by_token, by_feature = lines[:3], lines[3:]
    assert [line["customer_id"] for line in by_token] == tokens
    assert {line["customer_id"] for line in by_feature} == {STRANGER}
    assert [line["features"] for line in by_token] == [line["features"] for line in by_feature]
    assert [line["score"] for line in by_token] == [line["score"] for line in by_feature]
    assert len(by_token[0]["features"]) == len(bundle.manifest.inputs)


def test_snapshots_are_swapped_under_load_and_no_request_fails(
    serve: Serve, bundle: Bundle, rows: pl.DataFrame, tmp_path: Path
) -> None:
    folder, tokens = tmp_path / "customers", rows["customer_id"][:20].to_list()
    versions = {n: rows.with_columns(recency_days=pl.col("recency_days") + n) for n in range(1, 5)}
    publish(folder, bundle, versions[1], version=1)
    swapped = serve("--customers", str(folder))
    expected = {n: bundle.predict(frame[:20]).tolist() for n, frame in versions.items()}
    answers: list[tuple[int, list[float]]] = []
    failed: list[bytes] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = swapped.ask(PREDICT, asked(*tokens))
            if answer.status != 200:
                failed.append(answer.body)
                continue
            said = answer.json
            answers.append((said["meta"]["tags"]["snapshot"]["version"], [row[1] for row in said["data"]["ndarray"]]))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for version in (2, 3, 4):
            publish(folder, bundle, versions[version], version=version)
            until(lambda version=version: any(seen == version for seen, _ in answers[-20:]))  # type: ignore[misc]
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert failed == []
    assert {version for version, _ in answers} == {1, 2, 3, 4}
    for version, scores in answers:
        assert scores == pytest.approx(expected[version], abs=1e-6)
    assert len(list(folder.glob(f"*{SUFFIX}"))) == 2
