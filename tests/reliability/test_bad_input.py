"""Every item of bad input as one uploaded object, through the whole ingestion, with its exact outcome."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churn.ingestion import journal, quarantine
from churn.ingestion.report import Counts, IngestReport
from tests.world import World, make_event, world_in

HEADER = b"event_id,customer_id,event_time,event_type,amount\n"


def events(prefix: str, *changes: dict[str, object]) -> list[dict[str, object]]:
    return [make_event(number, **{"event_id": f"{prefix}e{number}", **change}) for number, change in enumerate(changes)]


def jsonl(prefix: str, *changes: dict[str, object]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events(prefix, *changes))


def csv(prefix: str, *changes: dict[str, object]) -> bytes:
    rows = [",".join(map(str, event.values())).encode() + b"\n" for event in events(prefix, *changes)]
    return HEADER + b"".join(rows)


def parquet(prefix: str, columns: dict[str, Any], rows: int = 2) -> bytes:
    sound = {name: [event[name] for event in events(prefix, *[{}] * rows)] for name in make_event()}
    buffer = io.BytesIO()
    pq.write_table(pa.table({**sound, **columns}), buffer)
    return buffer.getvalue()


def twice_named(prefix: str) -> bytes:
    buffer = io.BytesIO()
    values = [pa.array([str(event[name]) for event in events(prefix, {}, {})]) for name in make_event()]
    pq.write_table(pa.table([*values, values[0]], names=[*make_event(), "amount"]), buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Case:
    """An object and what becomes of it.

    Attributes:
        data: makes the object from a prefix for its event ids.
        counts: records read, appended and quarantined.
        values: what `column` of the appended rows holds.
    """

    what: str
    extension: str
    data: Callable[[str], bytes]
    counts: tuple[int, int, int]
    reasons: dict[str, int] = field(default_factory=dict)
    repairs: dict[str, int] = field(default_factory=dict)
    status: str = "ingested"
    column: str = "event_type"
    values: tuple[str, ...] | None = None


def refused(what: str, extension: str, data: Callable[[str], bytes], reason: str) -> Case:
    return Case(what, extension, data, (0, 0, 0), {reason: 0}, status="unreadable", values=())


OK: dict[str, object] = {}
CASES = [
    refused("corrupt gzip", "jsonl.gz", lambda i: b"\x1f\x8b\x08\x00rubbish", "corrupt_gzip"),
    refused("truncated gzip", "csv.gz", lambda i: gzip.compress(csv(i, OK, OK))[:-6], "corrupt_gzip"),
    refused("gzip without .gz", "jsonl", lambda i: gzip.compress(jsonl(i, OK)), "compressed_without_gz"),
    refused("truncated Parquet", "parquet", lambda i: parquet(i, {})[:-20], "corrupt_parquet"),
    refused("Parquet that is text", "parquet", lambda i: jsonl(i, OK), "corrupt_parquet"),
    refused("UTF-16", "csv", lambda i: b"\xff\xfe" + csv(i, OK).decode().encode("utf-16-le"), "not_utf8"),
    refused("duplicate CSV column", "csv", lambda i: b"customer_id," + csv(i, OK), "duplicate_column"),
    refused("duplicate Parquet column", "parquet", twice_named, "duplicate_column"),
    Case(
        "duplicate JSON key",
        "jsonl",
        lambda i: jsonl(i, OK).replace(b'"event_type"', b'"event_type": "first", "event_type"'),
        (1, 1, 0),
        values=("first",),
    ),
    Case(
        "invalid UTF-8 line",
        "jsonl",
        lambda i: jsonl(i, OK) + b'{"event_id": "\xff\xfe"}\n' + jsonl(i, OK, OK)[len(jsonl(i, OK)) :],
        (3, 2, 1),
        {"invalid_utf8": 1},
    ),
    Case(
        "invalid UTF-8 field", "csv", lambda i: csv(i, OK, OK).replace(b"e1", b"\xe9"), (2, 1, 1), {"invalid_utf8": 1}
    ),
    Case("BOM", "csv", lambda i: b"\xef\xbb\xbf" + csv(i, OK), (1, 1, 0), repairs={"bom": 1}),
    Case("BOM", "jsonl", lambda i: b"\xef\xbb\xbf" + jsonl(i, OK), (1, 1, 0), repairs={"bom": 1}),
    Case("CRLF", "csv", lambda i: csv(i, OK, OK).replace(b"\n", b"\r\n"), (2, 2, 0)),
    Case("CRLF", "jsonl", lambda i: jsonl(i, OK, OK).replace(b"\n", b"\r\n"), (2, 2, 0)),
    Case("CR alone", "csv", lambda i: csv(i, OK, OK).replace(b"\n", b"\r"), (2, 2, 0), repairs={"cr_line_ends": 1}),
    Case("empty file", "jsonl", lambda i: b"", (0, 0, 0)),
    Case("empty file", "csv", lambda i: b"", (0, 0, 0)),
    refused("empty file", "parquet", lambda i: b"", "corrupt_parquet"),
    refused("empty file", "jsonl.gz", lambda i: b"", "corrupt_gzip"),
    Case("header only", "csv", lambda i: HEADER, (0, 0, 0)),
    Case("header only", "parquet", lambda i: parquet(i, {}, rows=0), (0, 0, 0)),
    Case(
        "100 MB on one line",
        "jsonl",
        lambda i: jsonl(i, OK) + b'{"event_id": "' + b"x" * 100_000_000 + b'"}\n',
        (2, 1, 1),
        {"line_too_long": 1},
    ),
    Case(
        "100 MB on one line",
        "csv",
        lambda i: csv(i, OK) + b"x" * 100_000_000 + b",c,2026-03-01T10:00:00Z,a,1\n",
        (2, 1, 1),
        {"line_too_long": 1},
    ),
    Case("NUL byte", "jsonl", lambda i: jsonl(i, OK, OK).replace(b"e1", b"e\x00"), (2, 1, 1), {"nul_byte": 1}),
    Case("NUL byte", "csv", lambda i: csv(i, OK, OK).replace(b"e1", b"e\x00"), (2, 1, 1), {"nul_byte": 1}),
    Case(
        "NUL character",
        "jsonl",
        lambda i: jsonl(i, {"event_type": "a\x00b"}),
        (1, 0, 1),
        {"control_character:event_type": 1},
    ),
    Case(
        "our column with another type: structs",
        "parquet",
        lambda i: parquet(i, {"item_id": [{"a": 1}, None]}),
        (2, 1, 1),
        {"wrong_type:item_id": 1},
    ),
    Case(
        "our column with another type: numbers for times",
        "parquet",
        lambda i: parquet(i, {"event_time": [1, 2]}),
        (2, 0, 2),
        {"wrong_type:event_time": 2},
    ),
    Case(
        "our column with another type: words for amounts",
        "csv",
        lambda i: csv(i, {"amount": "many"}),
        (1, 0, 1),
        {"wrong_type:amount": 1},
    ),
    Case(
        "huge numbers",
        "jsonl",
        lambda i: jsonl(i, {"amount": "99999999999999.9999"}, {"amount": 1e15}, {"amount": "9" * 400}),
        (3, 1, 2),
        {"out_of_range:amount": 2},
    ),
    Case(
        "huge float", "parquet", lambda i: parquet(i, {"amount": [1e300, 5.5]}), (2, 1, 1), {"out_of_range:amount": 1}
    ),
    Case(
        "NaN and infinities",
        "parquet",
        lambda i: parquet(i, {"amount": [float("nan"), float("inf"), float("-inf"), 2.0]}, rows=4),
        (4, 1, 3),
        {"wrong_type:amount": 3},
    ),
    Case(
        "NaN and infinities",
        "csv",
        lambda i: csv(i, {"amount": "NaN"}, {"amount": "inf"}, {"amount": "-Infinity"}),
        (3, 0, 3),
        {"wrong_type:amount": 3},
    ),
    Case(
        "NaN and infinities", "jsonl", lambda i: jsonl(i, {"amount": float("nan")}, OK), (2, 1, 1), {"invalid_json": 1}
    ),
    Case(
        "time without a zone",
        "jsonl",
        lambda i: jsonl(i, {"event_time": "2026-01-15T12:00:00"}),
        (1, 1, 0),
        repairs={"naive_time:event_time": 1},
        column="event_time",
        values=("2026-01-15 11:00:00",),
    ),
    Case(
        "year 9999",
        "jsonl",
        lambda i: jsonl(i, {"event_time": "9999-12-31T23:59:59Z"}, {"event_time": "9999-12-31T23:59:59-12:00"}),
        (2, 0, 2),
        {"in_the_future:event_time": 2},
    ),
    Case(
        "year 0001",
        "jsonl",
        lambda i: jsonl(i, {"event_time": "0001-01-01T00:00:00+14:00"}),
        (1, 0, 1),
        {"before_floor:event_time": 1},
    ),
    Case(
        "local time across a DST change",
        "csv",
        lambda i: csv(
            i,
            {"event_time": "2025-10-26T01:59:59"},
            {"event_time": "2025-10-26T02:30:00"},
            {"event_time": "2025-10-26T03:00:00"},
            {"event_time": "2025-03-30T02:30:00"},
            {"event_time": "2025-10-26T02:30:00+02:00"},
        ),
        (5, 3, 2),
        {"ambiguous_local_time:event_time": 1, "nonexistent_local_time:event_time": 1},
        {"naive_time:event_time": 2},
        column="event_time",
        values=("2025-10-25 23:59:59", "2025-10-26 02:00:00", "2025-10-26 00:30:00"),
    ),
    Case(
        "ids written as 13995.0",
        "csv",
        lambda i: csv(i, {"customer_id": "13995.0"}, {"customer_id": "13995"}),
        (2, 2, 0),
        repairs={"float_id:customer_id": 1},
    ),
    Case(
        "ids written as 13995.0",
        "parquet",
        lambda i: parquet(i, {"customer_id": [13995.0, 1.5]}),
        (2, 1, 1),
        {"wrong_type:customer_id": 1},
        {"float_id:customer_id": 1},
    ),
    Case(
        "emoji",
        "jsonl",
        lambda i: jsonl(i, {"event_type": "🛒 added", "customer_id": "😀"}),
        (1, 1, 0),
        values=("🛒 added",),
    ),
    Case(
        "formula",
        "csv",
        lambda i: csv(i, {"event_type": "=cmd|' /C calc'!A0"}, {"event_type": "@SUM(1+1)"}),
        (2, 2, 0),
        values=("=cmd|' /C calc'!A0", "@SUM(1+1)"),
    ),
]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, IngestReport]:
    world = world_in(tmp_path_factory.mktemp("bad-input"), timezone="Europe/Berlin")
    for number, case in enumerate(CASES):
        world.upload(case.data(f"{number}-"), f"part-{number}.{case.extension}")
    return world, world.ingest()


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case.what}, {case.extension}" for case in CASES])
def test_it_ends_as_appended_repaired_or_quarantined(ingested: tuple[World, IngestReport], number: int) -> None:
    world, report = ingested
    case = CASES[number]
    read, appended, bad = case.counts
    name = f"activity/dt=2026-03-01/hour=10/part-{number}.{case.extension}"

    (found,) = [item for item in report.streams[0].objects if item.source_file == name]
    rows = world.rows().filter(source_file=name).sort("source_line")
    held = quarantine.open_rows(world.lake, source_file=name)

    assert found.status == case.status
    assert found.counts == Counts(read=read, appended=appended, quarantined=bad)
    assert (found.reasons, found.repairs) == (case.reasons, case.repairs)
    assert rows.height == appended
    assert sorted(held["reason"]) == sorted(
        reason.partition(":")[0] for reason, times in case.reasons.items() for _ in range(max(times, 1))
    )
    if case.values is not None:
        assert tuple(rows[case.column].cast(pl.String).str.strip_suffix(".000000+00:00")) == case.values


def test_every_record_of_all_of_it_is_accounted_for(ingested: tuple[World, IngestReport]) -> None:
    world, report = ingested

    assert report.counts.read == sum(case.counts[0] for case in CASES)
    assert world.rows().height == report.counts.appended == sum(case.counts[1] for case in CASES)
    assert quarantine.open_rows(world.lake)["rows"].sum() == report.counts.quarantined
    assert journal.totals(world.lake).rows() == [("activity", len(CASES), *report.counts.model_dump().values())]


def test_an_id_written_as_a_float_is_the_same_customer(world: World) -> None:
    world.upload(csv("", {"customer_id": "13995.0"}, {"customer_id": "13995"}), "part-0.csv")
    world.upload(parquet("p", {"customer_id": [13995.0, 13995.0]}), "part-1.parquet")
    world.upload(jsonl("j", {"customer_id": 13995}, {"customer_id": 13995.0}), "part-2.jsonl")

    world.ingest()

    assert world.rows()["customer_id"].len() == 6
    assert world.rows()["customer_id"].n_unique() == 1
