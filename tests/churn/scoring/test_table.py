import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from churn.errors import CommitConflict
from churn.lake.table import Pinned, open_version
from churn.lake.upkeep import compact
from churn.scoring.table import DATE, SCORES, ScoreLineage, WrittenScores, ranked, write_scores

DAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)


def lineage(version: str = "7", rows: str = "r1", day: date = DAY, **changes: object) -> ScoreLineage:
    given = {
        "scoring_date": day,
        "model_version": version,
        "bundle_digest": f"b{version}",
        "features_version": 3,
        "features_digest": "f1",
        "rows_digest": rows,
        "snapshot": "s1",
        "settings": "e1",
    }
    return ScoreLineage.model_validate(given | changes)


def scores(count: int = 5, *, shift: float = 0.0) -> pl.DataFrame:
    score = [0.1 * at + shift for at in range(count)]
    rows = pl.DataFrame({"customer_id": [f"cus_{at:032x}" for at in range(count)], "score": score})
    return ranked(
        rows.with_columns(
            contacted=pl.col("score") > 0.25,
            expected_profit=pl.col("score") * 20 - 11,
            topic=pl.lit(None, pl.String),
            **{f"reason_{n}": pl.lit(None, pl.String) for n in (1, 2, 3)},
        )
    )


def write(lake: Path, of: ScoreLineage, frame: pl.DataFrame | None = None, hours: int = 0) -> WrittenScores:
    return write_scores(str(lake), scores() if frame is None else frame, of, NOW + timedelta(hours=hours))


def held(lake: Path) -> pl.DataFrame:
    return open_version(f"{lake}/scores").scan().collect().sort(DATE, "model_version", "customer_id")


def test_who_pays_most_comes_first_and_equals_follow_their_tokens() -> None:
    equal = ranked(scores().with_columns(expected_profit=pl.lit(1.0)))

    assert scores()["score"].is_sorted(descending=True)
    assert equal["customer_id"].is_sorted()
    assert equal["rank"].to_list() == [1, 2, 3, 4, 5]


def test_scores_of_dates_and_versions_stand_side_by_side(tmp_path: Path) -> None:
    for of in (lineage(), lineage("8"), lineage(day=DAY - timedelta(days=1))):
        assert write(tmp_path, of).changed

    rows = held(tmp_path)
    assert rows.height == 15
    assert rows.schema == SCORES
    assert rows.select(DATE, "model_version").unique().height == 3


def test_the_same_again_commits_nothing_whichever_build_holds_the_rows(tmp_path: Path) -> None:
    first = write(tmp_path, lineage())

    again = write(tmp_path, lineage(features_version=4, features_digest="f2", snapshot="s2"), hours=1)

    assert (again.changed, again.version, again.scored_at) == (False, first.version, NOW)
    assert held(tmp_path)["features_version"].unique().to_list() == [3]


@pytest.mark.parametrize("changes", [{"rows": "r2"}, {"bundle_digest": "b9"}, {"settings": "e2"}])
def test_what_would_score_otherwise_takes_the_place_of_that_version_alone(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    write(tmp_path, lineage())
    write(tmp_path, lineage("8"))

    written = write(tmp_path, lineage(**changes), scores(4, shift=0.05), hours=1)  # type: ignore[arg-type]

    rows = held(tmp_path)
    assert written.changed
    assert rows["model_version"].to_list() == ["7"] * 4 + ["8"] * 5
    assert rows.filter(model_version="7")["scored_at"].unique().to_list() == [NOW + timedelta(hours=1)]
    assert rows.filter(model_version="8")["scored_at"].unique().to_list() == [NOW]


def test_a_compaction_that_joined_versions_loses_nobody(tmp_path: Path) -> None:
    for version in ("7", "8", "9", "10"):
        write(tmp_path, lineage(version))
    assert compact(str(tmp_path), "scores", 2).partitions == 1

    assert not write(tmp_path, lineage("8"), hours=1).changed
    write(tmp_path, lineage("8", "r2"), scores(3), hours=2)

    counts = dict(held(tmp_path)["model_version"].value_counts().rows())
    assert counts == {"7": 5, "8": 3, "9": 5, "10": 5}


def test_two_at_once_leave_one_set_each(tmp_path: Path) -> None:
    write(tmp_path, lineage("6"))
    every = [lineage(version) for version in ("7", "7", "8", "9")]

    threads = [threading.Thread(target=write, args=(tmp_path, of)) for of in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    counts = dict(held(tmp_path)["model_version"].value_counts().rows())
    assert counts == {"6": 5, "7": 5, "8": 5, "9": 5}


def test_who_always_comes_second_says_so_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, lineage())

    def late(*_: object, **__: object) -> Pinned:
        raise CommitConflict("another came first")

    monkeypatch.setattr(Pinned, "replace_files", late)
    with pytest.raises(CommitConflict, match="score again"):
        write(tmp_path, lineage("8"))

    assert held(tmp_path).height == 5
