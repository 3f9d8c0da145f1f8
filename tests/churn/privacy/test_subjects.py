import hashlib
import multiprocessing
import shutil
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn.errors import ChurnError, CommitConflict, KeyUnavailable
from churn.lake.create import create_table
from churn.lake.table import Pinned, open_table
from churn.privacy import halves
from churn.privacy.keys import DataKey
from churn.privacy.known import KnownTokens
from churn.privacy.subjects import FENCE, SubjectMap

KEY = DataKey(b"k" * 32, "1")
FINGERPRINT, TOKEN = ["fingerprint_high", "fingerprint_low"], ["token_high", "token_low"]


def series(values: Iterable[str | None]) -> pl.Series:
    return pl.Series("customer_id", list(values), dtype=pl.String)


def tokenise(subjects: SubjectMap, values: Iterable[str | None], kind: str = "customer") -> pl.Series:
    frame = series(values).to_frame()
    return subjects.tokenise(frame, {"customer_id": kind})["customer_id"].cast(pl.String)


def stored(lake: Path) -> pl.DataFrame:
    table = open_table(str(lake / "subjects"))
    assert table is not None
    return table.scan().collect()


def stored_tokens(lake: Path) -> list[str]:
    return [f"cus_{digits}" for digits in halves.digits(stored(lake).filter(kind="customer").select(TOKEN))]


def test_tokens_are_random_typed_by_kind_and_nulls_stay_null(tmp_path: Path) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    tokens = tokenise(subjects, ["a", None, "b", "a"])
    assert tokens.name == "customer_id"
    assert tokens.str.contains("^cus_[0-9a-f]{32}$").to_list() == [True, None, True, True]
    assert tokens[0] == tokens[3] != tokens[2]
    other = tokenise(subjects, ["a"], "phone")
    assert other.str.contains("^tok_[0-9a-f]{32}$").all()
    assert other[0][4:] != tokens[0][4:]


def test_all_fields_of_a_batch_are_committed_at_once_each_under_its_own_kind(tmp_path: Path) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    frame = pl.DataFrame({"customer_id": ["a", "b", None], "phone": ["a", None, "a"], "referrer": ["c", "a", "b"]})
    kinds = {"customer_id": "customer", "phone": "phone", "referrer": "customer"}

    tokens = subjects.tokenise(frame.with_columns(event=pl.lit("e")), kinds)

    table = open_table(str(tmp_path / "subjects"))
    assert table is not None
    assert table.fence(FENCE) == 1
    assert stored(tmp_path)["kind"].value_counts().sort("kind").rows() == [("customer", 3), ("phone", 1)]
    assert tokens.columns == [*frame.columns, "event"]
    assert tokens["customer_id"].to_list() == [tokens["referrer"][1], tokens["referrer"][2], None]
    assert tokens["phone"].to_list() == [subjects.lookup("a", "phone"), None, subjects.lookup("a", "phone")]
    assert tokens["referrer"][0] == subjects.lookup("c", "customer")


def test_what_is_known_opens_no_table(tmp_path: Path) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    tokens = tokenise(subjects, ["a", "b"])
    shutil.rmtree(tmp_path / "subjects")

    assert tokenise(subjects, ["b", None, "a"]).to_list() == [tokens[1], None, tokens[0]]
    assert list(tmp_path.iterdir()) == []


def test_another_process_finds_the_same_token_again(tmp_path: Path) -> None:
    tokens = tokenise(SubjectMap(str(tmp_path), KEY), ["a", "b"])
    later = SubjectMap(str(tmp_path), KEY)
    assert later.lookup("a", "customer") == tokens[0]
    assert later.tokens_for(["b", "c", "b"], "customer") == {"b": tokens[1]}
    assert later.lookup("a", "phone") is None
    assert tokenise(later, ["b", "c", "a"]).to_list()[::2] == [tokens[1], tokens[0]]
    assert stored(tmp_path).height == 3


def test_looking_up_creates_nothing(tmp_path: Path) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    assert subjects.lookup("a", "customer") is None
    assert subjects.lookup("\udcff", "customer") is None
    assert tokenise(subjects, [None, None]).to_list() == [None, None]
    assert tokenise(subjects, []).to_list() == []
    assert list(tmp_path.iterdir()) == []


def test_no_byte_of_the_table_holds_a_raw_value_or_a_plain_hash_of_it(tmp_path: Path) -> None:
    canaries = ["anna.schmidt@example.org", "4915112345678"]
    tokenise(SubjectMap(str(tmp_path), KEY), canaries)
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    kept = halves.digits(stored(tmp_path).select(FINGERPRINT))
    for canary in canaries:
        assert canary.encode() not in content
        assert hashlib.sha256(canary.encode()).hexdigest()[: 2 * halves.WIDTH] not in kept
        assert KEY.fingerprint("customer", canary).hex()[: 2 * halves.WIDTH] in kept


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
        tokens = tokenise(subjects, batch).to_list()
        for raw, token in zip(batch, tokens, strict=True):
            assert (raw is None) == (token is None)
            if raw is not None:
                assert seen.setdefault(raw, token) == token
    assert len(set(seen.values())) == len(seen)


def test_a_full_cache_keeps_what_it_learnt_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a cache that four known values nearly fill, and a fifth and sixth that overflow it
    subjects = SubjectMap(str(tmp_path), KEY, cache_size=5)
    known = tokenise(subjects, ["a", "b", "c", "d"])
    both = tokenise(subjects, ["a", "e", "f"])

    # when these come again and the map may not be asked
    monkeypatch.setattr(SubjectMap, "_find", lambda *_: pytest.fail("the map was asked"))
    again = tokenise(subjects, ["f", "e"])

    # then the cache has them, and what was known before the overflow kept its token
    assert again.to_list() == both.to_list()[:0:-1]
    assert both[0] == known[0]


def test_values_whose_hashes_are_all_alike_keep_their_own_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownTokens, "_hash", lambda _, values: np.full(len(values), 7, dtype=np.uint64))
    subjects = SubjectMap(str(tmp_path), KEY)
    first = tokenise(subjects, ["a", "b"])

    later = tokenise(subjects, ["c", None, "b", "a"])

    assert later.to_list()[1:] == [None, first[1], first[0]]
    assert later[0] not in set(first)
    assert {*first, later[0]} == set(stored_tokens(tmp_path))


def test_a_token_that_was_not_committed_is_never_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    tokenise(subjects, ["known"])

    def fail(*_: object, **__: object) -> Pinned:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Pinned, "append", fail)
        with pytest.raises(OSError, match="no space left"):
            tokenise(subjects, ["new"])
    assert stored(tmp_path).height == 1
    token = tokenise(subjects, ["new"])[0]
    assert token in stored_tokens(tmp_path)


def _first_elsewhere(lake: Path, append: Callable[..., Pinned]) -> Callable[..., Pinned]:
    """An append before which another ingester commits the same subjects, once."""
    others: list[str] = []

    def appended(self: Pinned, frame: pl.DataFrame, **rest: object) -> Pinned:
        if not others:
            others.append("started")
            other = SubjectMap(str(lake), KEY)
            others.extend(tokenise(other, ["a", "b"]))
            others.extend(tokenise(other, ["a"], "phone"))
        return append(self, frame, **rest)

    return appended


def test_the_ingester_that_loses_takes_the_tokens_of_the_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = SubjectMap(str(tmp_path), KEY)
    tokenise(subjects, ["old"])
    monkeypatch.setattr(Pinned, "append", _first_elsewhere(tmp_path, Pinned.append))
    frame = pl.DataFrame({"customer_id": ["a", "b", "c"], "phone": ["a", "b", "a"]})
    tokens = subjects.tokenise(frame, {"customer_id": "customer", "phone": "phone"})
    winner = SubjectMap(str(tmp_path), KEY)
    assert [winner.lookup(raw, "customer") for raw in "abc"] == tokens["customer_id"].to_list()
    assert [winner.lookup(raw, "phone") for raw in "aba"] == tokens["phone"].to_list()
    assert stored(tmp_path).height == 6


def test_losing_again_and_again_ends_in_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object, **__: object) -> Pinned:
        raise CommitConflict("another writer")

    monkeypatch.setattr(Pinned, "append", lose)
    monkeypatch.setattr("churn.privacy.subjects.time.sleep", lambda _: None)
    with pytest.raises(ChurnError, match="run again") as caught:
        tokenise(SubjectMap(str(tmp_path), KEY), ["an" + "na"])
    assert "anna" not in "".join(traceback.format_exception(caught.value))


def _ingest(lake: str, first: int) -> list[str]:
    subjects = SubjectMap(lake, KEY)
    tokens: list[str] = []
    for start in (first, first + 20):
        tokens += tokenise(subjects, [f"c{number}" for number in range(start, start + 40)]).to_list()
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
    tokenise(SubjectMap(str(tmp_path), KEY), ["a"])
    stranger = SubjectMap(str(tmp_path), DataKey(b"x" * 32, "1"))
    with pytest.raises(KeyUnavailable, match="another data key"):
        tokenise(stranger, ["a"])
    with pytest.raises(KeyUnavailable, match="another data key"):
        stranger.lookup("a", "customer")
    assert stored(tmp_path).height == 1


def test_a_map_of_other_columns_is_refused_before_customers_become_new_ones(tmp_path: Path) -> None:
    older = pl.DataFrame({"fingerprint": [b"f" * 32], "kind": ["customer"], "token": ["cus_" + "0" * 32]})
    table = create_table(str(tmp_path / "subjects"), older.schema, name="subjects").append(older, fence=FENCE)

    with pytest.raises(ChurnError, match=r"lacks fingerprint_high, .*another lake"):
        tokenise(SubjectMap(str(tmp_path), KEY), ["a"])

    after = open_table(table.uri)
    assert after is not None
    assert (after.version, after.schema) == (table.version, older.schema)


def test_a_broken_source_of_randomness_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChurnError, match="repeats itself"):
        tokenise(SubjectMap(str(tmp_path), KEY, random=bytes), ["a", "b"])


def test_only_text_is_tokenised(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Int64"):
        SubjectMap(str(tmp_path), KEY).tokenise(pl.DataFrame({"customer_id": [4711]}), {"customer_id": "customer"})
