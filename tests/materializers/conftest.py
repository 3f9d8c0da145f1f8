import shutil
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from zenml.client import Client

from churn.ingestion.alert import Alert
from churn.ingestion.report import Counts, IngestReport, ObjectReport, SchemaDifference, StreamReport
from tests.sources import let_steps_be_imported

let_steps_be_imported()

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """A folder in the artifact store."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        folder = Path(Client().active_stack.artifact_store.path) / tmp_path.name
    folder.mkdir(parents=True)
    yield str(folder)
    shutil.rmtree(folder)


def landed(number: int) -> ObjectReport:
    """Every seventh object has bad rows, every fiftieth cannot be read."""
    unreadable, bad = number % 50 == 49, 3 * (number % 7 == 6)
    hour = NOON + number * timedelta(hours=1)
    counts = Counts(read=1, quarantined=1) if unreadable else Counts(read=20, appended=20 - bad, quarantined=bad)
    return ObjectReport(
        object_id=f"{number:064x}",
        source_file=f"activity/{hour:dt=%Y-%m-%d/hour=%H}/part-{number:05d}.jsonl.gz",
        etag="1",
        landing_hour=hour,
        available_at=hour + timedelta(hours=1),
        status="unreadable" if unreadable else "ingested",
        bytes=2048,
        counts=counts,
        repairs={"trimmed:item_id": 2},
        reasons={"corrupt_gzip": 1} if unreadable else {"missing:customer_id": 3} if bad else {},
    )


@pytest.fixture
def report() -> IngestReport:
    """Ten thousand objects, and names that would be markup if they were not escaped."""
    activity = StreamReport(
        stream="activity",
        contract_version=1,
        batches=10,
        objects=tuple(landed(number) for number in range(10_000)),
        postponed=0,
        differences=(SchemaDifference(kind="unknown_dropped", column=MARKUP, objects=4, new=True),),
        closed_until=NOON,
        hours_without_objects=2,
        last_object_hour=NOON,
        newest_time=NOON - timedelta(hours=3),
        table_version=9,
    )
    nothing = activity.model_copy(
        update={"stream": "customers", "objects": (), "differences": (), "closed_until": None, "newest_time": None}
    )
    alert = Alert(kind="bad_share", severity="critical", stream="activity", message=MARKUP, figures={"read": 1})
    return IngestReport(
        run_id="run-1",
        now=NOON,
        started=NOON,
        finished=NOON + timedelta(seconds=3),
        backfill=False,
        streams=(activity, nothing),
        alerts=(alert,),
    )
