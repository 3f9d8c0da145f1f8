import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from churn.ingestion.quarantine import quarantine_url
from churn.lake.table import open_version
from churn.landing.zone import LandingZone
from churn.settings import load_settings

Churn = Callable[..., Result]
HOUR = datetime(1997, 1, 2, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def refused(ingested: Churn, root: Path) -> Churn:
    """`churn` after an object was ingested whose second and third line name no customer."""
    rows = [
        {"event_time": f"1997-01-02T10:0{n}:00Z", "event_type": "purchase", "item_id": "canary-4711"} for n in range(3)
    ]
    rows[0]["customer_id"] = "c-1"
    zone = LandingZone(load_settings("dev", root).landing.url)
    zone.write("activity", HOUR, "part-1.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert ingested("ingest", "-e", "dev", "--until", "1997-01-02T11:00").exit_code == 0
    return ingested


def stored(root: Path) -> str:
    """Every row the quarantine holds, with its object and commit, to tell a wrong row from one read wrongly."""
    table = open_version(quarantine_url(load_settings("dev", root).lake.url))
    return f"version {table.version} holds {json.dumps(table.scan().collect().to_dicts(), indent=1, default=str)}"


def test_show_says_where_and_why_and_never_what(refused: Churn, root: Path) -> None:
    table, result = refused("quarantine", "show"), refused("quarantine", "show", "--json")
    assert (table.exit_code, result.exit_code) == (0, 0), table.output + result.output
    rows = json.loads(result.stdout)

    where_and_why = {
        "reason": "missing",
        "column": "customer_id",
        "rows": 1,
        "source_file": "activity/dt=1997-01-02/hour=10/part-1.jsonl",
    }
    shown = [{name: value for name, value in row.items() if name != "quarantined_at"} for row in rows]
    assert shown == [where_and_why | {"line": 2}, where_and_why | {"line": 3}], stored(root)
    assert "Quarantine: 2 rows" in table.stdout
    assert "canary-4711" not in table.stdout + json.dumps(rows)


def test_show_can_be_narrowed_and_limited(refused: Churn) -> None:
    [reason] = {row["reason"] for row in json.loads(refused("quarantine", "show", "--json").stdout)}

    assert refused("quarantine", "show", "--reason", "no-such-reason").stdout == "nothing in quarantine fits\n"
    assert len(json.loads(refused("quarantine", "show", "--reason", reason, "--limit", "1", "--json").stdout)) == 1


def test_replay_without_a_fix_leaves_the_rows_in_quarantine(refused: Churn) -> None:
    result = refused("quarantine", "replay", "--all")

    assert result.exit_code == 0, result.output
    assert "activity" in result.stdout
    assert len(json.loads(refused("quarantine", "show", "--json").stdout)) == 2
