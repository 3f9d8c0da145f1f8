import json
from pathlib import Path

import pytest

from churn.errors import ChurnError
from churn.ingestion import quarantine
from churn.ingestion.alerts import alerts_for
from churn.log import configure_logging
from churn.settings import AlertSettings
from tests.reliability.canaries import leaks
from tests.reliability.personal import CUSTOMERS, KEPT, WORDS, upload_people
from tests.world import World


def test_no_person_is_found_in_lake_log_report_or_alert(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=True, level="debug")
    upload_people(world)
    out = world.root / "out"
    out.mkdir()

    scan = world.ingestion().scan(world.now)
    report = world.ingest()
    again = world.ingestion().replay_quarantine(now=world.now, run_id="replay")

    alerts = alerts_for(report, AlertSettings())
    (out / "alerts").write_text(json.dumps([alert.model_dump() for alert in alerts]))
    for name, made in (("scan", scan), ("report", report), ("replay", again)):
        (out / name).write_text(made.model_dump_json() + repr(made))
    (out / "quarantine").write_text(quarantine.open_rows(world.lake).write_json())
    printed = capsys.readouterr()
    (out / "log").write_text(printed.out + printed.err)
    assert "batch_committed" in printed.err
    assert report.counts.appended >= len(CUSTOMERS)
    assert {alert.kind for alert in alerts} >= {"bad_share", "unreadable_object", "schema_change"}
    assert leaks(Path(world.lake), [*WORDS, KEPT]).keys() == {KEPT}
    assert leaks(out, WORDS) == {}


def test_the_refusal_of_a_bad_batch_names_nobody(world: World) -> None:
    strict = world.with_ingestion(max_bad_share=0.0, min_rows_for_share=1)
    upload_people(strict)

    with pytest.raises(ChurnError) as refusal:
        strict.ingest()

    (world.root / "out").mkdir()
    (world.root / "out" / "error").write_text(
        f"{refusal.value!r} {refusal.value} {refusal.getrepr(style='long', showlocals=False)}"
    )
    assert leaks(world.root / "out", WORDS) == {}
    assert not (world.root / "lake").exists() or leaks(Path(world.lake), WORDS) == {}
