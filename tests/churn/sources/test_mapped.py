import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from churn.contracts import load_contract
from churn.landing.zone import LandingZone
from churn.settings import Stream
from churn.sources import tabular
from churn.sources.mapped import Mapped
from churn.sources.replay import replay
from churn.sources.source import UPLOADED, SourceError

COLUMNS = {"customer_id": "id", "event_time": "at", "event_type": "kind"}


def source(folder: Path, files: object = "*.csv", **mapping: object) -> Mapped:
    stream = {"files": files, "columns": COLUMNS, **mapping}
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump({"name": "shop", "streams": {"activity": stream}}, sort_keys=False))
    return Mapped(path)


def rows(source: Mapped, stream: Stream = "activity") -> pl.DataFrame:
    return pl.concat(source.read(stream))


def test_the_example_becomes_rows_of_the_contract(project_root: Path) -> None:
    example = Mapped(project_root / "configs" / "sources" / "example.yaml")
    assert example.streams() == ("activity", "customers")
    found = rows(example)

    assert found.select("event_id", "customer_id", "event_time", "event_type", "amount", "discount").rows() == [
        ("A-1001", "C-17", "2026-03-28T08:15:00Z", "purchase", "1019.80", "0.00"),
        ("A-1002", "C-18", "2026-03-29T01:30:00Z", "purchase", "9.90", "1.10"),
        ("A-1003", "C-17", "2026-03-29T21:55:00Z", "return", "-9.90", "0.00"),
        ("A-1004", "C-19", "2026-10-25T00:30:00Z", "purchase", None, None),
        ("A-1005", "C-19", "soon", "purchase", "5.00", None),
    ]
    assert found.select("currency", "channel").unique().rows() == [("EUR", "web")]
    assert found[UPLOADED].to_list()[-2:] == [datetime(2026, 10, 25, 0, 40, tzinfo=UTC)] * 2
    assert not {"email", "phone"} & set(found.columns)
    assert rows(example, "customers")["valid_from"].to_list() == ["2025-12-31T23:00:00Z", "2026-02-01T00:00:00Z"]


def test_the_example_can_be_replayed(project_root: Path, tmp_path: Path) -> None:
    zone = LandingZone(str(tmp_path))
    report = replay(Mapped(project_root / "configs" / "sources" / "example.yaml"), zone, format="csv")
    assert report.rows == 7
    contract = load_contract("activity")
    for item in zone.objects("activity"):
        _, data = zone.read(item)
        assert set(data.split(b"\n")[0].decode().split(",")) <= {*contract.columns, *contract.attributes}
        assert b"somebody@example.com" not in data


def test_formats_give_the_same_rows(tmp_path: Path) -> None:
    records = [
        {"id": "a", "at": "2026-01-01T00:00:00Z", "kind": "x", "net": 1.5},
        {"id": "b", "at": "2026-01-02T00:00:00Z", "kind": None, "net": 20.25},
    ]
    frame = pl.DataFrame(records)
    frame.write_csv(tmp_path / "a.csv")
    frame.write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    for name in ("a.csv", "a.jsonl"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    columns = {**COLUMNS, "amount": "net"}
    found = [
        rows(source(tmp_path, name, columns=columns))
        for name in ("a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet", str(tmp_path / "a.csv"))
    ]
    assert found[0].drop(UPLOADED).rows() == [
        ("a", "2026-01-01T00:00:00Z", "x", "1.5"),
        ("b", "2026-01-02T00:00:00Z", None, "20.25"),
    ]
    for other in found[1:]:
        assert other.select(found[0].columns).equals(found[0])


@pytest.mark.parametrize("packed", [False, True])
def test_other_encodings_are_read(tmp_path: Path, packed: bool) -> None:
    content = "id,at,kind\nzürich,2026-01-01,€uro\n".encode("cp1252")
    (tmp_path / "a.csv.gz" if packed else tmp_path / "a.csv").write_bytes(gzip.compress(content) if packed else content)
    found = rows(source(tmp_path, "a.csv*", encoding="cp1252"))
    assert found.select("customer_id", "event_type").row(0) == ("zürich", "€uro")


@pytest.mark.parametrize(
    ("written", "uploaded"),
    [("1.234,50", "1234.50"), ("-1.234.567", "-1234567"), ("12,5", "12.5"), ("12.50", "12.50"), ("a lot", "a lot")],
)
def test_decimal_commas_become_points(tmp_path: Path, written: str, uploaded: str) -> None:
    (tmp_path / "a.csv").write_text(f"id;at;kind;net\nc;2026-01-01;x;{written}\n")
    found = rows(source(tmp_path, delimiter=";", decimal=",", columns={**COLUMNS, "amount": "net"}))
    assert found["amount"].item() == uploaded


def test_a_row_without_a_readable_time_goes_with_the_one_before_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,at,kind\na,?,x\nb,2026-01-01T05:10:00,x\nc,never,x\nd,2026-01-01T07:20:00,x\n")
    found = rows(source(tmp_path, delay=60))
    assert found.select("customer_id", "event_time").rows() == [
        ("a", "?"),
        ("b", "2026-01-01T05:10:00Z"),
        ("c", "never"),
        ("d", "2026-01-01T07:20:00Z"),
    ]
    assert found[UPLOADED].dt.to_string("%H:%M").to_list() == ["05:11", "05:11", "05:11", "07:21"]


@given(
    hours=st.lists(st.none() | st.integers(0, 100), min_size=1).filter(any),
    chunk=st.integers(1, 7),
    delay=st.integers(0, 5),
)
def test_nothing_is_lost_whatever_the_order_and_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int | None], chunk: int, delay: int
) -> None:
    folder = tmp_path_factory.mktemp("export")
    start = datetime(2026, 1, 1)
    times = ["?" if hour is None else (start + timedelta(hours=hour)).isoformat() for hour in hours]
    first = next(number for number, hour in enumerate(hours) if hour is not None)
    lines = [f"c{number},{time},x" for number, time in enumerate(times[first:])]
    (folder / "a.csv").write_text("\n".join(["id,at,kind", *lines, ""]))
    shop = source(folder, delay=delay * 3600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tabular, "CHUNK_ROWS", chunk)
        found = rows(shop)
    assert sorted(found["customer_id"]) == sorted(line.split(",")[0] for line in lines)
    assert found[UPLOADED].is_sorted()
    last_known: list[int] = []
    for hour in hours[first:]:
        last_known.append(last_known[-1] if hour is None else hour)
    expected = {
        f"c{number}": start.replace(tzinfo=UTC) + timedelta(hours=hour + delay)
        for number, hour in enumerate(last_known)
    }
    assert dict(found.select("customer_id", UPLOADED).iter_rows()) == expected


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"files": "b*.csv"}, r"streams\.activity\.files: nothing matches b\*\.csv"),
        ({"files": "a.txt"}, r"streams\.activity\.format is missing; a\.txt"),
        ({"columns": {**COLUMNS, "amount": "net"}}, r"streams\.activity\.columns\.amount: a\.csv has no column net"),
        ({"attributes": {"store": "shop"}}, r"streams\.activity\.attributes\.store: a\.csv has no column shop"),
        ({"delimiter": ";"}, r"columns\.customer_id: a\.csv has no column id; it has id,at,kind"),
        ({"unlisted": "refuse"}, r"streams\.activity: a\.csv has columns named nowhere in the mapping: mail"),
        ({"time": {"format": "%d.%m.%Y"}}, r"streams\.activity\.time\.format: no time in a\.csv reads as %d"),
        ({"files": "bad.csv.gz"}, "bad.csv.gz: not the csv that streams.activity"),
        ({"files": "bad.parquet"}, "bad.parquet: not the parquet that streams.activity"),
        ({"files": "bad.jsonl"}, "bad.jsonl: not the jsonl that streams.activity"),
        ({"files": "latin.csv"}, "latin.csv: not the csv .* check format, delimiter and encoding"),
    ],
)
def test_what_does_not_fit_names_the_key_and_the_file(tmp_path: Path, mapping: dict[str, object], message: str) -> None:
    (tmp_path / "a.csv").write_text("id,at,kind,mail\nc,2026-01-01,x,m\n")
    (tmp_path / "a.txt").write_text("id,at,kind\n")
    (tmp_path / "latin.csv").write_bytes("id,at,kind\nzürich,2026-01-01,x\n".encode("latin-1"))
    for name in ("bad.csv.gz", "bad.parquet", "bad.jsonl"):
        (tmp_path / name).write_bytes(b'{"id": 1, not what it says')
    with pytest.raises(SourceError, match=message):
        rows(source(tmp_path, **{"files": "a.csv", **mapping}))


def test_a_key_that_the_contract_can_do_without_may_be_missing_in_jsonl(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "c", "at": 1767225600, "kind": "x"}\n')
    found = rows(source(tmp_path, "a.jsonl", time={"format": "epoch_s"}, columns={**COLUMNS, "amount": "net"}))
    assert found["event_time"].item() == "2026-01-01T00:00:00Z"
    assert found["amount"].item() is None


def test_a_header_alone_gives_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,at,kind\n")
    assert sum(frame.height for frame in source(tmp_path).read("activity")) == 0
