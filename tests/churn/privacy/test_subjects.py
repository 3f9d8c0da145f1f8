import hashlib
import multiprocessing
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn.errors import ChurnError, CommitConflict, KeyUnavailable
from churn.lake.table import Pinned, open_table
from churn.privacy.keys import DataKey
from churn.privacy.subjects import SubjectMap

KEY = DataKey(b"k" * 32, "1")


def series(values: Iterable[str | None]) -> pl.Series:
    return pl.Series("customer_id", list(values), dtype=pl.String)


def stored(lake: Path) -> pl.DataFrame:
    table = open_table(str(lake / "subjects"))
    assert table is not None
    return table.scan().collect()


def test_tokens_are_random_typed_by_kind_and_nulls_stay_null(tmp_path: Path) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    tokens = subjects.tokenise(series(["a", None, "b", "a"]), "customer")
    assert tokens.name == "customer_id"
    assert tokens.str.contains("^cus_[0-9a-f]{32}$").to_list() == [True, None, True, True]
    assert tokens[0] == tokens[3] != tokens[2]
    other = subjects.tokenise(series(["a"]), "phone")
    assert other.str.contains("^tok_[0-9a-f]{32}$").all()
    assert other[0][4:] != tokens[0][4:]


def test_another_process_finds_the_same_token_again(tmp_path: Path) -> None:
    tokens = SubjectMap(str(tmp_path), KEY).tokenise(series(["a", "b"]), "customer")
    later = SubjectMap(str(tmp_path), KEY)
    assert later.lookup("a", "customer") == tokens[0]
    assert later.tokens_for(["b", "c", "b"], "customer") == {"b": tokens[1]}
    assert later.lookup("a", "phone") is None
    assert later.tokenise(series(["b", "c", "a"]), "customer").to_list()[::2] == [tokens[1], tokens[0]]
    assert stored(tmp_path).height == 3


def test_looking_up_creates_nothing(tmp_path: Path) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    assert subjects.lookup("a", "customer") is None
    assert subjects.lookup("\udcff", "customer") is None
    assert subjects.tokenise(series([None, None]), "customer").to_list() == [None, None]
    assert subjects.tokenise(series([]), "customer").to_list() == []
    assert list(tmp_path.iterdir()) == []


def test_no_byte_of_the_table_holds_a_raw_value_or_a_plain_hash_of_it(tmp_path: Path) -> None:
    canaries = ["anna.schmidt@example.org", "4915112345678"]
    SubjectMap(str(tmp_path), KEY).tokenise(series(canaries), "customer")
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    plain = b"".join(stored(tmp_path)["fingerprint"])
    for canary in canaries:
        assert canary.encode() not in content
        assert hashlib.sha256(canary.encode()).digest() not in plain


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.none() | st.sampled_from("abcdefgh") | st.text(max_size=3), max_size=12), max_size=4),
    cache_size=st.sampled_from([0, 3, 1000]),
)
def test_tokens_are_one_to_one_over_any_batches_and_any_cache(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str | None]], cache_size: int
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    subjects = SubjectMap(str(lake), KEY, cache_size=cache_size)
    seen: dict[str, str] = {}
    for batch in [*batches, *reversed(batches)]:
        tokens = subjects.tokenise(series(batch), "customer").to_list()
        for raw, token in zip(batch, tokens, strict=True):
            assert (raw is None) == (token is None)
            if raw is not None:
                assert seen.setdefault(raw, token) == token
    assert len(set(seen.values())) == len(seen)


def test_a_token_that_was_not_committed_is_never_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    subjects.tokenise(series(["known"]), "customer")

    def fail(*_: object, **__: object) -> Pinned:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Pinned, "append", fail)
        with pytest.raises(OSError, match="no space left"):
            subjects.tokenise(series(["new"]), "customer")
    assert stored(tmp_path).height == 1
    token = subjects.tokenise(series(["new"]), "customer")[0]
    assert token in stored(tmp_path)["token"]


def _first_elsewhere(lake: Path, append: Callable[..., Pinned]) -> Callable[..., Pinned]:
    """An append before which another ingester commits the same subjects, once."""
    others: list[str] = []

    def appended(self: Pinned, frame: pl.DataFrame, **rest: object) -> Pinned:
        if not others:
            others.append("started")
            others.extend(SubjectMap(str(lake), KEY).tokenise(series(["a", "b"]), "customer"))
        return append(self, frame, **rest)

    return appended


def test_the_ingester_that_loses_takes_the_tokens_of_the_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    subjects.tokenise(series(["old"]), "customer")
    monkeypatch.setattr(Pinned, "append", _first_elsewhere(tmp_path, Pinned.append))
    tokens = subjects.tokenise(series(["a", "b", "c"]), "customer")
    winner = SubjectMap(str(tmp_path), KEY)
    assert [winner.lookup(raw, "customer") for raw in "abc"] == tokens.to_list()
    assert stored(tmp_path).height == 4


def test_losing_again_and_again_ends_in_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object, **__: object) -> Pinned:
        raise CommitConflict("another writer")

    monkeypatch.setattr(Pinned, "append", lose)
    monkeypatch.setattr("churn.privacy.subjects.time.sleep", lambda _: None)
    with pytest.raises(ChurnError, match="run again") as caught:
        SubjectMap(str(tmp_path), KEY).tokenise(series(["an" + "na"]), "customer")
    assert "anna" not in "".join(traceback.format_exception(caught.value))


def _ingest(lake: str, first: int) -> list[str]:
    subjects = SubjectMap(lake, KEY)
    tokens: list[str] = []
    for start in (first, first + 20):
        tokens += subjects.tokenise(series(f"c{number}" for number in range(start, start + 40)), "customer").to_list()
    return tokens


def test_four_ingesters_with_overlapping_new_customers_agree(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        results = pool.starmap(_ingest, [(str(tmp_path), first) for first in (0, 10, 20, 30)])
    tokens: dict[str, set[str]] = {}
    for first, result in zip((0, 10, 20, 30), results, strict=True):
        for number, token in zip([*range(first, first + 40), *range(first + 20, first + 60)], result, strict=True):
            tokens.setdefault(f"c{number}", set()).add(token)
    assert all(len(found) == 1 for found in tokens.values())
    assert stored(tmp_path).height == len(tokens) == 90


def test_another_data_key_is_refused_before_customers_become_new_ones(tmp_path: Path) -> None:
    SubjectMap(str(tmp_path), KEY).tokenise(series(["a"]), "customer")
    stranger = SubjectMap(str(tmp_path), DataKey(b"x" * 32, "1"))
    with pytest.raises(KeyUnavailable, match="another data key"):
        stranger.tokenise(series(["a"]), "customer")
    with pytest.raises(KeyUnavailable, match="another data key"):
        stranger.lookup("a", "customer")
    assert stored(tmp_path).height == 1


def test_a_broken_source_of_randomness_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChurnError, match="repeats itself"):
        SubjectMap(str(tmp_path), KEY, random=bytes).tokenise(series(["a", "b"]), "customer")


def test_only_text_is_tokenised(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Int64"):
        SubjectMap(str(tmp_path), KEY).tokenise(pl.Series("customer_id", [4711]), "customer")
