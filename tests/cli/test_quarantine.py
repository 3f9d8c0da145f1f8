import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

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


def test_show_says_where_and_why_and_never_what(refused: Churn) -> None:
    table, rows = refused("quarantine", "show"), json.loads(refused("quarantine", "show", "--json").stdout)

    assert [(row["line"], row["column"]) for row in rows] == [(2, "customer_id"), (3, "customer_id")]
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
