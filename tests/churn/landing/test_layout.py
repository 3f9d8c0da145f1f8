from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.landing.layout import EXTENSIONS, Place, known_folder, object_path, parse_path

HOUR = datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_a_path_carries_stream_hour_and_name() -> None:
    assert object_path("activity", HOUR, "part-3.csv") == "activity/dt=2026-03-29/hour=01/part-3.csv"


def test_the_hour_of_a_path_is_in_utc() -> None:
    in_berlin = datetime(2026, 3, 29, 0, 59, tzinfo=timezone(timedelta(hours=1)))
    assert object_path("activity", in_berlin, "a.csv") == "activity/dt=2026-03-28/hour=23/a.csv"


def test_a_naive_hour_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        object_path("activity", datetime(2026, 3, 29, 1), "a.csv")


@pytest.mark.parametrize(
    ("name", "format", "compressed"),
    [
        ("a.jsonl", "jsonl", False),
        ("a.jsonl.gz", "jsonl", True),
        ("a.csv", "csv", False),
        ("a.csv.gz", "csv", True),
        ("a.parquet", "parquet", False),
        ("zürich 😀 =cmd.csv.jsonl", "jsonl", False),
    ],
)
def test_the_extension_tells_format_and_packing(name: str, format: str, compressed: bool) -> None:
    place = parse_path(f"customers/dt=2026-03-29/hour=01/{name}")
    assert place is not None
    assert (place.stream, place.hour, place.name) == ("customers", HOUR, name)
    assert (place.format, place.compressed) == (format, compressed)


@pytest.mark.parametrize(
    "path",
    [
        "activity/dt=2026-02-30/hour=01/a.csv",
        "activity/dt=2026-3-29/hour=01/a.csv",
        "activity/dt=２０２６-03-29/hour=01/a.csv",
        "activity/dt=2026-03-29\n/hour=01/a.csv",
        "activity/dt=2026-03-29/hour=24/a.csv",
        "activity/dt=2026-03-29/hour=1/a.csv",
        "activity/hour=01/dt=2026-03-29/a.csv",
        "activity/dt=2026-03-29/a.csv",
        "activity/dt=2026-03-29/hour=01/deeper/a.csv",
        "activity/dt=2026-03-29/hour=01//a.csv",
        "/activity/dt=2026-03-29/hour=01/a.csv",
        "Activity/dt=2026-03-29/hour=01/a.csv",
        "../activity/dt=2026-03-29/hour=01/a.csv",
        "activity/dt=2026-03-29/../hour=01/a.csv",
        "activity/dt=2026-03-29/hour=01/../a.csv",
        "activity/dt=2026-03-29/hour=01/..a.csv",
        "activity/dt=2026-03-29/hour=01/a..csv",
        "activity/dt=2026-03-29/hour=01/..\\..\\a.csv",
        "activity/dt=2026-03-29/hour=01/a\x00.csv",
        "activity/dt=2026-03-29/hour=01/a\n.csv",
        "activity/dt=2026-03-29/hour=01/a\u202evsc.csv",
        "activity/dt=2026-03-29/hour=01/\udcff.csv",
        "activity/dt=2026-03-29/hour=01/a.csv?versionId=1.csv",
        "activity/dt=2026-03-29/hour=01/a.xlsx",
        "activity/dt=2026-03-29/hour=01/a.parquet.gz",
        "activity/dt=2026-03-29/hour=01/acsv",
        "activity/dt=2026-03-29/hour=01/.csv",
        "activity/dt=2026-03-29/hour=01/_partial.csv",
        "activity/dt=2026-03-29/hour=01/.hidden.csv",
        "activity/dt=2026-03-29/hour=01/a.csv.tmp",
        "activity/dt=2026-03-29/hour=01/_SUCCESS",
        "_activity/dt=2026-03-29/hour=01/a.csv",
        "",
    ],
)
def test_a_path_off_the_layout_is_not_an_object(path: str) -> None:
    assert parse_path(path) is None


@given(
    stream=st.sampled_from(["activity", "customers", "subscriptions"]),
    hour=st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC)),
    name=st.text(min_size=1).map(lambda stem: f"a{stem}"),
    extension=st.sampled_from(sorted(EXTENSIONS)),
)
def test_what_is_written_is_recognised_or_refused(stream: str, hour: datetime, name: str, extension: str) -> None:
    name = f"{name}.{extension}"
    try:
        path = object_path(stream, hour, name)
    except ValueError:
        assert not name.isprintable() or any(part in name for part in ("/", "\\", "..", "?versionId="))
        return
    start = hour.replace(minute=0, second=0, microsecond=0)
    assert parse_path(path) == Place(stream, start, name, *EXTENSIONS[extension])


@given(st.text())
def test_any_text_at_all_can_be_asked(path: str) -> None:
    place = parse_path(path)
    assert place is None or object_path(place.stream, place.hour, place.name) == path


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("activity/dt=2026-03-29/hour=01/jane@example.com.csv", "activity/dt=2026-03-29/hour=01"),
        ("activity/jane@example.com/hour=01/a.csv", "activity"),
        ("jane@example.com", ""),
    ],
)
def test_only_folders_of_the_layout_are_safe_to_show(path: str, shown: str) -> None:
    assert known_folder(path) == shown
