import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from churn.contracts import load_contract
from churn.hours import HOUR
from churn.ingestion import journal, quarantine
from churn.ingestion.report import Counts
from churn.privacy.subjects import SubjectMap
from tests.reliability.dirt import Dirty, objects
from tests.reliability.scenario import versions
from tests.world import START, World, make_event, world_in

# An ingestion costs a fifth of a second: examples are small from the start and are not shrunk.
FEW = settings(max_examples=12, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=150)
backlogs = st.lists(objects(), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worlds")


def new_world(folder: Path, **ingestion: object) -> World:
    return world_in(folder / str(len(list(folder.iterdir()))), **ingestion)


def upload(world: World, backlog: Sequence[Dirty], hours: Sequence[int] | None = None) -> None:
    for number, dirty in enumerate(backlog):
        hour = START + HOUR * (hours[number] if hours else 0)
        world.upload(dirty.data, f"part-{number}.{dirty.format}", hour)


def check_accounts(world: World, backlog: Sequence[Dirty], reported: Counts) -> None:
    assert reported.read == sum(dirty.records for dirty in backlog)
    assert reported.read == reported.appended + reported.duplicate + reported.quarantined
    rows = world.rows()
    assert rows.height == reported.appended
    assert rows.select("event_date", "event_id").is_unique().all()
    assert quarantine.open_rows(world.lake)["rows"].sum() == reported.quarantined
    assert journal.totals(world.lake).rows() == [("activity", len(backlog), *reported.model_dump().values())]


def check_any_input(folder: Path, backlog: list[Dirty]) -> None:
    world = new_world(folder)
    upload(world, backlog)

    report = world.ingest()

    check_accounts(world, backlog, report.counts)
    before = versions(world)
    assert world.ingest().counts == Counts()
    assert versions(world) == before


@FEW
@given(backlog=backlogs)
def test_every_record_of_any_input_is_accounted_for_once(folder: Path, backlog: list[Dirty]) -> None:
    check_any_input(folder, backlog)


@pytest.mark.slow
@MANY
@given(backlog=st.lists(objects(), min_size=1, max_size=8))
def test_every_record_of_many_inputs_is_accounted_for_once(folder: Path, backlog: list[Dirty]) -> None:
    check_any_input(folder, backlog)


def content(world: World, ambiguous: set[str]) -> Counter[tuple[object, ...]]:
    """The contract columns of every row, with customers in place of tokens and derived ids left out."""
    columns = [*load_contract("activity").columns, "attributes"]
    names = ["c1", "c2", "13995", "Jürgen", "😀"]
    tokens = SubjectMap(world.lake, world.key.data_key()).tokens_for(names, "customer")
    rows = world.rows().select(columns).filter(~pl.col("event_id").is_in(list(ambiguous)))
    back = {token: name for name, token in tokens.items()}
    return Counter(
        rows.with_columns(
            pl.col("customer_id").replace_strict(back, return_dtype=pl.String),
            pl.col("event_id").str.replace(r"^[0-9a-f]{32}$", "derived"),
        ).iter_rows()
    )


def check_any_order(folder: Path, backlog: list[Dirty], chance: random.Random) -> None:
    variants: dict[str, set[tuple[object, ...]]] = {}
    for row in (row for dirty in backlog for row in dirty.rows):
        variants.setdefault((row["event_id"] or "").strip(), set()).add(tuple(row.values()))
    ambiguous = {name for name, contents in variants.items() if name and len(contents) > 1}
    plain = new_world(folder)
    upload(plain, backlog)
    once = plain.ingest().counts
    shuffled = new_world(folder, batch_rows=chance.randint(1, 9), batch_objects=chance.randint(1, 3))
    hours = [chance.randrange(4) for _ in backlog]
    in_runs = chance.sample(list(enumerate(backlog)), len(backlog))
    total = Counts()
    for number, dirty in in_runs:
        shuffled.upload(dirty.data, f"part-{chance.randrange(90)}{number}.{dirty.format}", START + HOUR * hours[number])
        if chance.random() < 0.5:
            total += shuffled.ingest(START + timedelta(days=1)).counts
    total += shuffled.ingest(START + timedelta(days=1)).counts

    check_accounts(shuffled, backlog, total)
    assert (total.read, total.appended) == (once.read, once.appended)
    assert content(shuffled, ambiguous) == content(plain, ambiguous)


@FEW
@given(backlog=backlogs, chance=st.randoms(use_true_random=False))
def test_any_order_and_any_batching_give_the_same_rows(
    folder: Path, backlog: list[Dirty], chance: random.Random
) -> None:
    check_any_order(folder, backlog, chance)


@pytest.mark.slow
@MANY
@given(backlog=st.lists(objects(), min_size=1, max_size=8), chance=st.randoms(use_true_random=False))
def test_many_orders_and_batchings_give_the_same_rows(
    folder: Path, backlog: list[Dirty], chance: random.Random
) -> None:
    check_any_order(folder, backlog, chance)


uploads = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=6)
"""Landing hour, and the run before which the object was uploaded."""


@FEW
@given(
    uploads=uploads,
    gaps=st.lists(st.integers(1, 400), min_size=4, max_size=4),
    backfills=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_available_at_is_the_landing_hour_or_the_hour_of_discovery(
    folder: Path, uploads: list[tuple[int, int]], gaps: list[int], backfills: list[bool]
) -> None:
    world = new_world(folder, batch_objects=2)
    found_by_run: dict[int, int] = {}
    clocks: list[datetime] = []
    for run, backfill in enumerate(backfills):
        clocks.append(START + timedelta(minutes=sum(gaps[: run + 1])))
        for number, (hour, before) in enumerate(uploads):
            if before == run:
                event = make_event(number, event_time=START.replace(hour=1).isoformat())
                world.upload([event], f"part-{number}.jsonl", START + hour * HOUR)
        world.ingest(clocks[run], backfill=backfill)
        for name in world.rows().get_column("event_id", default=pl.Series(dtype=pl.String)):
            found_by_run.setdefault(int(name[1:]), run)

    expected = {}
    first_run = min(found_by_run.values(), default=0)
    for number, run in found_by_run.items():
        ended = START + HOUR * (uploads[number][0] + 1)
        closed = any(ended <= clock for clock in clocks[first_run:run])
        ceiling = -(-(clocks[run] - START) // HOUR) * HOUR + START
        expected[f"e{number}"] = ceiling if closed and not backfills[run] else ended
        assert ended <= clocks[run]
    if expected:
        assert dict(world.rows().select("event_id", "available_at").iter_rows()) == expected
    missed = set(range(len(uploads))) - found_by_run.keys()
    assert all(START + HOUR * (uploads[number][0] + 1) > clocks[-1] for number in missed)
