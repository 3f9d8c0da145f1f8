"""Customers by token: against a real server process, on the snapshot that the publisher writes."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.online.layout import SUFFIX, SnapshotInvalid, open_snapshot
from churn.online.pointer import POINTER
from churn.online.publish import PublishedCustomers, publish_rows
from seldon.serving.answer import Identity
from seldon.serving.columns import Columns, Rows
from seldon.serving.customers import Customers, Staleness, WhenStale
from seldon.serving.faults import Fault
from seldon.serving.metrics import Metrics
from seldon.serving.model import open_model
from tests.seldon.serving.cases import PREDICT
from tests.seldon.serving.conftest import TOKEN, Serve, Server, command, started

ROWS = 400
DAY = date(2026, 11, 21)
STRANGER = TOKEN


def customers(bundle: Bundle, seed: int = 3, rows: int = ROWS) -> pl.DataFrame:
    """Return customers with features, gaps and categories among them, in the order of their tokens."""
    frame = frames.snapshots(rows, DAY, seed).rename({"noise_0": "active_day_rate"}).drop("churned", "cutoff")
    draw = np.random.default_rng(seed)
    tokens = [f"cus_{draw.bytes(16).hex()}" for _ in range(rows - 2)] + ["cus_" + "0" * 32, "cus_" + "f" * 30 + "00"]
    return frame.with_columns(customer_id=pl.Series(tokens)).sort("customer_id")


def publish(folder: Path, bundle: Bundle, rows: pl.DataFrame, version: int = 1, day: date = DAY) -> PublishedCustomers:
    return publish_rows(rows, bundle.manifest.catalogue, folder, version=version, digest="ab" * 32, day=day)


def asked(*tokens: Any, **more: object) -> dict[str, object]:
    return {"jsonData": {"customers": list(tokens), **more}}


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def rows(bundle: Bundle) -> pl.DataFrame:
    return customers(bundle)


ANY_AGE = Staleness()
Open = Callable[..., Customers]


@pytest.fixture
def opened(bundle: Bundle) -> Open:
    """Opens a folder as a server would, without a process."""
    model = open_model(bundle.path, bundle.digest)
    identity = Identity("churn", "churn", "churn", "7", bundle.digest, "stable")

    def start(folder: Path, staleness: Staleness = ANY_AGE, clock: Callable[[], float] = time.time) -> Customers:
        return Customers(folder, model, Columns(model, 1000), Metrics(identity), staleness, clock)

    return start


def snapshot_of(found: Rows) -> Any:
    return (found.tags or {})["snapshot"]


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


def corrupt(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.chmod(0o644)
    path.unlink()  # as another file, for the server has the first one mapped
    path.write_bytes(content)


DAMAGES = ["truncated", "flipped", "empty", "gone", "format", "pointer"]


def publish_damaged(folder: Path, bundle: Bundle, rows: pl.DataFrame, damage: str) -> None:
    """Point to a snapshot that is not whole, as no publisher does but a full disk or a bad copy may."""
    aside = folder.with_name("aside")
    made = publish(aside, bundle, rows.with_columns(recency_days=pl.lit(1.0)), version=2)
    path = aside / made.path.name
    path.chmod(0o644)
    match damage:
        case "truncated":
            os.truncate(path, made.size - 100)
        case "flipped":
            corrupt(path, made.size // 2)
        case "empty":
            os.truncate(path, 0)
        case "format":
            corrupt(path, 3)
        case "pointer":
            (aside / POINTER).write_text("{")
    if damage != "gone":
        path.rename(folder / path.name)
    (aside / POINTER).rename(folder / POINTER)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_is_never_taken(
    bundle: Bundle, opened: Open, rows: pl.DataFrame, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "customers"
    publish(folder, bundle, rows, version=1)
    knowing = opened(folder)

    publish_damaged(folder, bundle, rows, damage)
    knowing.look()

    assert snapshot_of(knowing.rows([rows["customer_id"][0]]))["version"] == 1
    with pytest.raises(Fault, match="no customer snapshot: the newest one is damaged") as refused:
        opened(folder).rows([rows["customer_id"][0]])
    assert (refused.value.status, refused.value.reason) == (503, "NO_SNAPSHOT")


def test_what_could_not_be_read_is_tried_again(
    bundle: Bundle, opened: Open, rows: pl.DataFrame, tmp_path: Path
) -> None:
    folder, now = tmp_path / "customers", [1e9]
    made = publish(folder, bundle, rows, version=1)
    made.path.rename(tmp_path / "away")
    knowing = opened(folder, clock=lambda: now[0])
    (tmp_path / "away").rename(made.path)

    knowing.look()
    assert knowing.count == 0
    now[0] += 61
    knowing.look()

    assert knowing.count == ROWS


def test_a_server_goes_on_with_what_it_had(serve: Serve, bundle: Bundle, rows: pl.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "customers"
    publish(folder, bundle, rows, version=1)
    damaged = serve("--customers", str(folder))

    publish_damaged(folder, bundle, rows, "truncated")
    until(lambda: damaged.metric("churn_customer_snapshots_refused_total") == 1)

    still = damaged.ask(PREDICT, asked(rows["customer_id"][0]))
    assert still.json["meta"]["tags"]["snapshot"]["version"] == 1


def test_a_server_waits_for_its_first_snapshot(
    serve: Serve, bundle: Bundle, rows: pl.DataFrame, tmp_path: Path
) -> None:
    folder = tmp_path / "customers"
    waiting = serve("--customers", str(folder))
    before = waiting.ask(PREDICT, asked(rows["customer_id"][0]))

    publish(folder, bundle, rows)

    assert (before.status, before.json["status"]["reason"]) == (503, "NO_SNAPSHOT")
    until(lambda: waiting.ask(PREDICT, asked(rows["customer_id"][0])).status == 200)
    assert waiting.metric("churn_customers") == ROWS


def test_a_snapshot_of_other_features_is_refused_by_their_names(
    bundle: Bundle, opened: Open, rows: pl.DataFrame, tmp_path: Path
) -> None:
    other = [feature for feature in bundle.manifest.catalogue if feature.name not in ("plan", "tenure_days")]
    publish_rows(rows, other, tmp_path / "customers", version=1, digest="ab" * 32, day=DAY)

    with pytest.raises(Fault, match="lacks tenure_days, plan") as refused:
        opened(tmp_path / "customers").rows([rows["customer_id"][0]])

    assert refused.value.status == 503


def test_further_features_and_another_order_do_not_matter(
    bundle: Bundle, opened: Open, rows: pl.DataFrame, tmp_path: Path
) -> None:
    more = [*frames.catalogue(16)[-3:-2], *reversed(bundle.manifest.catalogue)]
    wider = rows.with_columns(pl.lit(3.5).alias(more[0].name))
    publish(tmp_path / "same", bundle, rows)
    publish_rows(wider, more, tmp_path / "wider", version=1, digest="ab" * 32, day=DAY)
    tokens = rows["customer_id"][:30].to_list()

    same, other = opened(tmp_path / "same").rows(tokens), opened(tmp_path / "wider").rows(tokens)

    np.testing.assert_array_equal(same.numbers, other.numbers)
    np.testing.assert_array_equal(same.texts, other.texts)


@pytest.mark.parametrize("when", ["refuse", "warn"])
def test_an_old_snapshot_is_refused_or_warned_of(
    bundle: Bundle, opened: Open, rows: pl.DataFrame, tmp_path: Path, when: WhenStale
) -> None:
    publish(tmp_path / "customers", bundle, rows)
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp()
    now = [midnight + 19 * 3600]
    knowing = opened(tmp_path / "customers", Staleness(20, when), clock=lambda: now[0])
    tokens = [rows["customer_id"][0]]
    young = knowing.rows(tokens).tags
    now[0] += 2 * 3600

    if when == "refuse":
        with pytest.raises(Fault, match=r"21\.0 hours old, at most 20 are allowed") as refused:
            knowing.rows(tokens)
        assert (refused.value.status, refused.value.reason) == (503, "STALE_SNAPSHOT")
        assert refused.value.tags is not None
    else:
        assert "at most 20 are allowed" in str((knowing.rows(tokens).tags or {})["warning"])
    assert young is not None
    assert "warning" not in young


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"customer_id": pl.lit("jane@example.org")}, "is no token"),
        ({"customer_id": pl.lit("cus_" + "0" * 32)}, "repeats customers"),
        ({"recency_days": pl.lit(1e39)}, "recency_days holds values"),
    ],
)
def test_what_no_server_could_answer_from_is_not_published(
    bundle: Bundle, rows: pl.DataFrame, tmp_path: Path, wrong: dict[str, pl.Expr], says: str
) -> None:
    publish(tmp_path, bundle, rows, version=1)
    before = (tmp_path / POINTER).read_text()

    with pytest.raises(SnapshotInvalid, match=says) as refused:
        publish(tmp_path, bundle, rows.with_columns(**wrong), version=2)

    assert "jane" not in str(refused.value)
    assert (tmp_path / POINTER).read_text() == before


def test_equal_rows_are_published_once_and_drafts_are_swept(bundle: Bundle, rows: pl.DataFrame, tmp_path: Path) -> None:
    (tmp_path / f".killed{SUFFIX}").write_bytes(b"half")

    first, again = publish(tmp_path, bundle, rows), publish(tmp_path, bundle, rows)

    assert (first.changed, again.changed) == (True, False)
    assert first.digest == again.digest
    assert [path.name for path in tmp_path.glob(f"*{SUFFIX}")] == [first.path.name]


@pytest.mark.parametrize(("days", "version"), [(1, 1), (0, 6)], ids=["a later cutoff", "a later version"])
def test_who_ends_late_does_not_replace_what_is_newer(
    bundle: Bundle, rows: pl.DataFrame, tmp_path: Path, days: int, version: int
) -> None:
    newer = publish(tmp_path, bundle, rows[1:], version=version, day=DAY + timedelta(days=days))
    before = (tmp_path / POINTER).read_text()

    late = publish(tmp_path, bundle, rows, version=5)

    assert late == newer.model_copy(update={"changed": False})
    assert (tmp_path / POINTER).read_text() == before
    assert publish(tmp_path, bundle, rows, version=7, day=DAY + timedelta(days=1)).changed


def test_what_is_newer_but_damaged_is_replaced(bundle: Bundle, rows: pl.DataFrame, tmp_path: Path) -> None:
    newer = publish(tmp_path, bundle, rows, version=2, day=DAY + timedelta(days=1))
    newer.path.chmod(0o644)
    newer.path.write_bytes(newer.path.read_bytes()[:-1])

    assert publish(tmp_path, bundle, rows, version=1).changed


@pytest.mark.parametrize("count", [ROWS, pytest.param(70_000, marks=pytest.mark.slow)])
def test_many_categories_take_wider_codes(bundle: Bundle, opened: Open, tmp_path: Path, count: int) -> None:
    rows = customers(bundle, rows=count)
    numbered = pl.int_range(pl.len())
    rows = rows.with_columns(country=pl.format("c{}", numbered), plan=pl.format("p{}", numbered % 255))
    made = publish(tmp_path, bundle, rows)
    header = open_snapshot(made.path, made.digest).header

    found = opened(tmp_path).rows([rows["customer_id"][at] for at in (0, 254, 255, count - 1)])

    assert {text.name: text.width for text in header.texts} == {"plan": 1, "country": 2 if count == ROWS else 4}
    last = [f"p{(count - 1) % 255}", f"c{count - 1}"]
    assert found.texts.tolist() == [["p0", "c0"], ["p254", "c254"], ["p0", "c255"], last]
