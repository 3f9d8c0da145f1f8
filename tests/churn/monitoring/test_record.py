from datetime import timedelta
from pathlib import Path

import polars as pl

from churn.lake.table import open_version
from churn.monitoring.examination import Examination
from churn.monitoring.judge import judge
from churn.monitoring.measurement import Known, Measurement
from churn.monitoring.record import TABLE, keep, known_before, last_given, last_verdict
from tests.watched import SETTINGS, START, healthy, quality, watched


def kept(lake: Path, found: Measurement) -> int:
    return keep(str(lake), found, judge(found, Examination(), SETTINGS))


def known(lake: Path, found: Measurement) -> Known:
    return known_before(
        str(lake),
        deployment=found.deployment,
        version=found.version,
        digest=found.bundle_digest,
        since=found.live_since,
    )


def test_windows_and_the_verdict_come_back_as_they_were(tmp_path: Path) -> None:
    found = healthy()

    assert kept(tmp_path, found) == 5
    assert known(tmp_path, found).windows == found.windows
    assert last_verdict(str(tmp_path)) == judge(found, Examination(), SETTINGS)


def test_a_window_is_entered_once_and_a_verdict_once_an_hour(tmp_path: Path) -> None:
    found = healthy()
    kept(tmp_path, found)

    assert kept(tmp_path, found) == 0
    assert kept(tmp_path, found.model_copy(update={"at": found.at + timedelta(minutes=5)})) == 0
    assert kept(tmp_path, found.model_copy(update={"at": found.at + timedelta(hours=1)})) == 1
    rows = open_version(f"{tmp_path}/{TABLE}").scan().collect()
    assert rows.filter(kind="window").height == 4


def test_another_decision_within_the_hour_is_entered_too(tmp_path: Path) -> None:
    found = healthy()
    kept(tmp_path, found)
    failing = found.model_copy(
        update={"at": found.at + timedelta(minutes=5), "data": found.data.model_copy(update={"newest_activity": None})}
    )

    assert kept(tmp_path, failing) == 1
    newest = last_verdict(str(tmp_path))
    assert newest is not None
    assert (newest.decision, newest.at) == ("WATCH", failing.at)


def test_windows_of_another_version_or_an_earlier_life_are_not_taken_up(tmp_path: Path) -> None:
    found = healthy()
    kept(tmp_path, found)

    assert known(tmp_path, found.model_copy(update={"version": "8"})) == Known()
    assert known(tmp_path, found.model_copy(update={"bundle_digest": "cd" * 32})) == Known()
    later = found.model_copy(update={"live_since": START + timedelta(hours=7)})
    assert known(tmp_path, later).windows == found.windows[2:]


def test_the_verdict_of_the_past_is_the_one_that_stood_then(tmp_path: Path) -> None:
    first = healthy()
    second = watched([lambda frame: frame.with_columns(pl.col("amount") * 3)] * 5)
    kept(tmp_path, first)
    kept(tmp_path, second)

    then, now = last_verdict(str(tmp_path), first.at), last_verdict(str(tmp_path))

    assert last_verdict(str(tmp_path), first.at - timedelta(hours=1)) is None
    assert then is not None
    assert now is not None
    assert last_given(str(tmp_path)) == {"OK": then.at, "RETRAIN": now.at}
    assert (then.decision, now.decision) == ("OK", "RETRAIN")


def test_outcomes_are_entered_once_a_day_and_come_back(tmp_path: Path) -> None:
    found = healthy(quality=quality(), live_since=START - timedelta(days=200))

    assert kept(tmp_path, found) == 6
    assert kept(tmp_path, found.model_copy(update={"at": found.at + timedelta(hours=1)})) == 1
    assert known(tmp_path, found).quality == found.quality


def test_an_empty_lake_knows_nothing(tmp_path: Path) -> None:
    assert last_verdict(str(tmp_path)) is None
    assert known(tmp_path, healthy()) == Known()
