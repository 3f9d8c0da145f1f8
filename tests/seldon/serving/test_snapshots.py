"""Customer snapshots as they are published, damaged, outdated and swapped, and what servers make of them."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.online.layout import SUFFIX, SnapshotInvalid, open_snapshot
from churn.online.pointer import POINTER
from churn.online.publish import publish_rows
from seldon.serving.answer import Identity
from seldon.serving.columns import Columns, Rows
from seldon.serving.customers import Customers, Staleness, WhenStale
from seldon.serving.faults import Fault
from seldon.serving.metrics import Metrics
from seldon.serving.model import open_model
from tests.seldon.serving.cases import PREDICT
from tests.seldon.serving.conftest import Serve
from tests.seldon.serving.published import DAY, ROWS, asked, customers, publish, until


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

    assert (same.size, same.numbers, same.texts) == (other.size, other.numbers, other.texts)


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
    assert found.texts == ["p0", "c0", "p254", "c254", "p0", "c255", *last]
