from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks import frames
from churn.bundle.manifest import Manifest
from churn.bundle.write import write_bundle
from churn.errors import SnapshotError
from churn.lake.create import create_table
from churn.lake.snapshot import take_snapshot
from churn.lake.upkeep import compact
from churn.training.frames import SplitFrames
from churn.training.judge import judge
from churn.training.reproduce import CannotReproduce, Compared, Reproduction, reproduce, require_same_program
from churn.training.settings import BASELINE, TrainingSettings
from churn.training.train import TrainedCandidate

COMMIT, LOCK = "0123456789abcdef0123456789abcdef01234567", "cd" * 32
"""As in the recorded lineage."""


@pytest.fixture(scope="module")
def recorded(
    splits: SplitFrames,
    trained: dict[str, TrainedCandidate],
    quick: TrainingSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Manifest:
    """The record of a logistic regression made from a clean tree."""
    candidate = trained[BASELINE]
    report = judge([candidate], splits, candidate.catalogue, quick)
    lineage = frames.lineage(splits).model_copy(update={"git_dirty": False})
    return write_bundle(tmp_path_factory.mktemp("b") / "b", candidate, splits, report, quick, lineage).manifest


def test_the_program_of_the_record_is_taken(recorded: Manifest) -> None:
    require_same_program(recorded, commit=COMMIT, dirty=False, lock_digest=LOCK)


@pytest.mark.parametrize(
    ("commit", "dirty", "lock", "message"),
    [
        ("beef" * 10, False, LOCK, r"trained with commit 0123456789ab and here is beefbeefbeef; check it out \(git "),
        (COMMIT, True, LOCK, "here is 0123456789ab with changes"),
        (COMMIT, False, "ef" * 32, "the locked requirements are not those"),
    ],
)
def test_another_program_is_refused(recorded: Manifest, commit: str, dirty: bool, lock: str, message: str) -> None:
    with pytest.raises(CannotReproduce, match=message) as refused:
        require_same_program(recorded, commit=commit, dirty=dirty, lock_digest=lock)

    assert "--allow-different" in str(refused.value)


def test_what_no_commit_names_is_refused_even_where_it_was_made(recorded: Manifest) -> None:
    dirty = recorded.model_copy(update={"lineage": recorded.lineage.model_copy(update={"git_dirty": True})})

    with pytest.raises(CannotReproduce, match="changes on top of commit 0123456789ab that no commit names"):
        require_same_program(dirty, commit=COMMIT, dirty=True, lock_digest=LOCK)


def test_records_of_different_runs_are_not_mixed(recorded: Manifest, project_root: Path, tmp_path: Path) -> None:
    other = recorded.model_copy(update={"settings": recorded.settings.model_copy(update={"seed": 1})})

    with pytest.raises(CannotReproduce, match="not made from the same data and settings"):
        reproduce([recorded, other], dbt_dir=project_root / "dbt", work_dir=tmp_path, clock=lambda: datetime.now(UTC))


def test_a_vacuumed_snapshot_is_named_and_nothing_is_left(
    recorded: Manifest, project_root: Path, tmp_path: Path
) -> None:
    day = date(2026, 1, 1)
    frame = pl.DataFrame({"event_id": ["a"], "event_date": [day]})
    lake = str(tmp_path / "lake")
    table = create_table(f"{lake}/activity", frame.schema, name="activity", partition_by="event_date")
    table = table.append(frame, fence="ingest").append(frame, fence="ingest")
    lineage = recorded.lineage.model_copy(update={"snapshot": take_snapshot(lake)})
    compact(lake, "activity", 2)
    for old in table.files():
        Path(old).unlink()

    with pytest.raises(SnapshotError, match=rf"^{table.uri} at version 2: 2 of 2 files are vacuumed"):
        reproduce(
            [recorded.model_copy(update={"lineage": lineage})],
            dbt_dir=project_root / "dbt",
            work_dir=tmp_path / "work",
            clock=lambda: datetime.now(UTC),
        )

    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(("rebuilt", "equal"), [(("a", "b"), True), (("a", "c"), False), (("c", "b"), False)])
def test_one_part_that_differs_makes_it_another_model(rebuilt: Sequence[str], equal: bool) -> None:
    features, predictions = rebuilt
    parts = (
        Compared(part="features", recorded="a", rebuilt=features),
        Compared(part="predictions", recorded="b", rebuilt=predictions),
    )

    assert Reproduction(candidate=BASELINE, parts=parts).equal is equal
