import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from churn.privacy.keys import DataKey
from churn.privacy.names import _WORDS, find_by_safe_name, safe_name

KEY = DataKey(b"k" * 32, "1")
FOLDER = "activity/dt=2026-01-01/hour=05/"


@pytest.mark.parametrize(
    "name",
    [
        "part-0001.jsonl.gz",
        "part-00000-3f2c1a9e-77aa-4b0c-9d1e-0123456789ab-c000.snappy.parquet",
        "activity-2026-01-01.csv",
        "activity-2026-01-01T05.csv.gz",
        "events_20260101T0000.parquet",
        "events_20260101_050000.csv",
        "batch.csv",
        "cdnow-activity-19970101T00.jsonl.gz",
        "online_retail-activity-20101201T08.csv.gz",
        "complete_journey-customers-20240101T00.parquet",
        "e7f2a1b94c0d.jsonl",
        "3f2c1a9e-77aa-4b0c-9d1e-0123456789ab.csv",
        "export.v2.csv",
        "Events.CSV.csv",
    ],
)
def test_names_that_tell_of_nobody_stay_readable(name: str) -> None:
    assert safe_name(FOLDER + name, KEY) == FOLDER + name


@pytest.mark.parametrize(
    "name",
    [
        "anna.schmidt.csv",
        "part-anna.csv",
        "june-2026.csv",
        "abe19750101.csv",
        "anna@example.org.csv",
        "+49-151-12345678.csv",
        "555-123-4567.csv",
        "4915112345678.csv",
        "customer-13085.csv",
        "customers-13085.csv",
        "13085.csv",
        "müller.csv",
        "ａｎｎａ.csv",
        "part 1.csv",
        "events-20261301.csv",
        "deadbeef.csv",
        "../../etc/passwd.csv",
        "..csv",
        ".csv",
        "part.csv\n",
        "part-٠٠٠١.csv",
        "=cmd|' /C calc'!A0.csv",
        "~0123456789abcdef.csv",
        "part-0001.exe",
        "part\x00.csv",
        "part-" * 60 + "1.csv",
    ],
)
def test_every_other_name_is_replaced_by_a_token(name: str) -> None:
    safe = safe_name(FOLDER + name, KEY)
    assert re.fullmatch(re.escape(FOLDER) + r"~[0-9a-f]{16}(\.csv)?", safe)


@pytest.mark.parametrize(
    "path",
    [
        "activity/dt=anna/hour=05/part-0001.csv",
        "activity/dt=2026-01-01/hour=24/part-0001.csv",
        "anna/dt=2026-01-01/hour=05/part-0001.csv",
        "activity/dt=2026-01-01/anna/hour=05/part-0001.csv",
        "/activity/dt=2026-01-01/hour=05/part-0001.csv",
        "part-0001.csv",
    ],
)
def test_a_folder_outside_the_layout_is_not_kept(path: str) -> None:
    assert re.fullmatch(r"~[0-9a-f]{16}\.csv", safe_name(path, KEY))


@given(
    words=st.lists(st.sampled_from(sorted(_WORDS)), max_size=3),
    stranger=st.text(st.characters(categories=["L"]), min_size=2, max_size=12),
    at=st.integers(0, 3),
    joint=st.sampled_from("-_."),
    number=st.sampled_from(["", "1", "2026-01-01", "0001"]),
)
def test_a_word_outside_the_allowlist_never_survives(
    words: list[str], stranger: str, at: int, joint: str, number: str
) -> None:
    assume(stranger.lower() not in _WORDS)
    pieces = [*words[:at], stranger, *words[at:], *([number] if number else [])]
    safe = safe_name(f"{FOLDER}{joint.join(pieces)}.csv", KEY)
    assert safe.removeprefix(FOLDER).startswith("~")


@given(name=st.text(max_size=80))
def test_any_text_gives_a_name_and_the_same_one_again(name: str) -> None:
    safe = safe_name(FOLDER + name, KEY)
    assert safe == safe_name(FOLDER + name, KEY)
    assert safe == FOLDER + name or safe.startswith(f"{FOLDER}~")


def test_the_raw_path_is_found_again_by_whoever_has_the_key() -> None:
    paths = [FOLDER + "part-0001.csv", FOLDER + "anna.csv", FOLDER + "berta.csv"]
    assert find_by_safe_name(paths, safe_name(paths[1], KEY), KEY) == paths[1]
    assert find_by_safe_name(paths, paths[0], KEY) == paths[0]
    assert find_by_safe_name(paths, safe_name(paths[1], KEY), DataKey(b"x" * 32, "1")) is None


def test_a_name_that_is_not_unicode_is_replaced() -> None:
    assert safe_name(FOLDER + b"anna-\xff.csv".decode("utf-8", "surrogateescape"), KEY).startswith(f"{FOLDER}~")
