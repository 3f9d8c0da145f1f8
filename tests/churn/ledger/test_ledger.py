import multiprocessing
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from churn.errors import ChurnError
from churn.lake.failures import LakeFailed
from churn.lake.table import open_version
from churn.lake.upkeep import compact
from churn.ledger.entry import Draft, Entry
from churn.ledger.errors import ClockWentBack, DecisionRefused, LedgerBroken
from churn.ledger.ledger import Ledger
from tests.churn.ledger.conftest import Clock


def registered(version: str) -> Draft:
    return Draft(
        decision="registered",
        actor="training",
        version=version,
        bundle_digest="d" * 64,
        facts={"run": f"run {version}"},
    )


def test_nothing_was_ever_decided(ledger: Ledger) -> None:
    assert ledger.entries() == ()
    assert ledger.faults() == (0, ())
    assert ledger.record(lambda entries: []) == ()


def test_entries_come_back_as_they_were_entered(ledger: Ledger) -> None:
    first = ledger.record(lambda entries: [registered("1"), registered("2")])
    second = ledger.record(lambda entries: [registered(str(len(entries) + 1))])

    assert ledger.entries() == first + second
    assert [entry.sequence for entry in first + second] == [1, 2, 3]
    assert [entry.version for entry in first + second] == ["1", "2", "3"]
    assert ledger.faults() == (3, ())


def test_a_refusal_enters_nothing(ledger: Ledger) -> None:
    def refuse(entries: object) -> list[Draft]:
        raise DecisionRefused("no")

    with pytest.raises(DecisionRefused):
        ledger.record(refuse)

    assert ledger.entries() == ()


def test_a_full_disk_enters_nothing_and_is_named(tiny_disk: Path, clock: Clock) -> None:
    ledger = Ledger(str(tiny_disk), clock)
    before = ledger.record(lambda entries: [registered("1")])
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(tiny_disk).free))

    with pytest.raises(LakeFailed, match=r"ledger: No space left on device; .* look at the disk"):
        ledger.record(lambda entries: [registered("2")])

    assert ledger.entries() == before
    filler.unlink()
    assert len(ledger.record(lambda entries: [registered("2")])) == 1
    assert ledger.faults() == (2, ())


def test_a_compaction_changes_nothing(ledger: Ledger) -> None:
    entered = [ledger.record(lambda entries: [registered("1")])[0] for _ in range(5)]

    assert compact(ledger.lake_url, "ledger", 2).files_after == 1
    ledger.record(lambda entries: [registered("6")])

    assert list(ledger.entries()[:5]) == entered
    assert ledger.faults() == (6, ())


def test_a_clock_a_little_behind_takes_the_time_of_the_last_entry(ledger: Ledger, clock: Clock) -> None:
    (last,) = ledger.record(lambda entries: [registered("1")])
    clock.now -= timedelta(minutes=1, seconds=50)

    (entry,) = ledger.record(lambda entries: [registered("2")])

    assert entry.at == last.at


def test_a_clock_that_went_back_is_refused(ledger: Ledger, clock: Clock) -> None:
    ledger.record(lambda entries: [registered("1")])
    clock.now -= timedelta(hours=2)

    with pytest.raises(ClockWentBack, match="nothing was changed"):
        ledger.record(lambda entries: [registered("2")])

    assert len(ledger.entries()) == 1


def test_a_row_deleted_through_delta_is_found(ledger: Ledger) -> None:
    ledger.record(lambda entries: [registered("1")])
    ledger.record(lambda entries: [registered("2")])
    DeltaTable(ledger.uri).delete("sequence = 2")

    _, found = ledger.faults()

    assert [fault.says for fault in found] == ["entry 2 is missing at the end: removed"]
    with pytest.raises(LedgerBroken, match="entry 2 is missing"):
        ledger.record(lambda entries: [registered("3")])


def test_a_changed_file_is_found(ledger: Ledger) -> None:
    ledger.record(lambda entries: [registered("1"), registered("2"), registered("3")])
    (file,) = open_version(ledger.uri).files()
    rows = pl.read_parquet(file)
    rows.with_columns(actor=pl.when(sequence=2).then(pl.lit("mallory")).otherwise("actor")).write_parquet(file)

    with pytest.raises(LedgerBroken, match="entry 2 is not what was entered"):
        ledger.entries()


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"nothing of Parquet"])
def test_a_damaged_file_is_named(ledger: Ledger, damage: bytes) -> None:
    ledger.record(lambda entries: [registered("1")])
    (file,) = open_version(ledger.uri).files()
    Path(file).write_bytes(damage)

    with pytest.raises(LedgerBroken, match=r"cannot be read .*; restore it from a copy"):
        ledger.entries()
    with pytest.raises(LedgerBroken):
        ledger.record(lambda entries: [registered("2")])


def test_a_missing_file_is_named(ledger: Ledger) -> None:
    ledger.record(lambda entries: [registered("1")])
    (file,) = open_version(ledger.uri).files()
    Path(file).unlink()

    with pytest.raises(LedgerBroken, match="cannot be read"):
        ledger.entries()


def test_a_damaged_log_is_named(ledger: Ledger) -> None:
    ledger.record(lambda entries: [registered("1")])
    newest = max((Path(ledger.uri) / "_delta_log").glob("*.json"))
    newest.write_bytes(b"{")

    with pytest.raises(ChurnError, match="restore _delta_log from a copy"):
        ledger.entries()


def _write_many(lake: str, writer: str, times: int) -> None:
    ledger = Ledger(lake, lambda: datetime(2026, 3, 1, tzinfo=UTC))
    for _ in range(times):
        ledger.record(lambda entries: [registered(writer)])


def test_writers_at_once_never_fork_the_chain(ledger: Ledger) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(ledger.lake_url, str(number), 5)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    entries = ledger.entries()

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert sorted(entry.version or "" for entry in entries) == ["0"] * 5 + ["1"] * 5 + ["2"] * 5
    assert ledger.faults() == (15, ())


def test_many_entries_are_kept_in_few_files(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("churn.ledger.ledger._MANY_FILES", 4)

    for number in range(10):
        ledger.record(lambda entries, number=number: [registered(str(number))])  # type: ignore[misc]

    assert open_version(ledger.uri).active.height < 5
    assert len(ledger.entries()) == 10


def test_the_hash_covers_every_field() -> None:
    entry = Entry.following(None, registered("1"), datetime(2026, 3, 1, tzinfo=UTC))
    others = {
        "sequence": 2,
        "at": datetime(2026, 3, 2, tzinfo=UTC),
        "actor": "x",
        "decision": "approved",
        "phase": "intent",
        "change": 7,
        "version": "2",
        "stage": "staging",
        "bundle_digest": "e" * 64,
        "evidence_digest": "e" * 64,
        "facts": {},
        "previous": "1" * 64,
    }

    assert set(others) == set(Entry.model_fields) - {"hash"}
    assert all(entry.model_copy(update={name: other}).computed_hash() != entry.hash for name, other in others.items())
