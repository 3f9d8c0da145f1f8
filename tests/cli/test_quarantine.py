import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
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
        {
            "customer_id" if n == 0 else "shopper": f"c-{n}",
            "event_time": f"1997-01-02T10:0{n}:00Z",
            "event_type": "purchase",
            "item_id": "canary-4711",
        }
        for n in range(3)
    ]
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


@pytest.mark.parametrize(
    ("reason", "rows"),
    [("missing", 2), ("missing:customer_id", 2), ("missing:event_time", 0), ("wrong_type:customer_id", 0)],
)
def test_a_reason_may_be_given_the_way_alerts_write_it(refused: Churn, reason: str, rows: int) -> None:
    shown = json.loads(refused("quarantine", "show", "--reason", reason, "--json").stdout)
    replayed = refused("quarantine", "replay", "--reason", reason)

    assert len(shown) == rows
    assert replayed.exit_code == (0 if rows else 1)
    assert "missing:customer_id" in refused("quarantine", "show").stdout


def test_replay_without_a_fix_says_so_in_one_line(refused: Churn) -> None:
    result = refused("quarantine", "replay", "--all")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == (
        "0 of 2 rows mended; the same reasons as before: missing:customer_id (2); "
        "change the contract or the settings, then replay again"
    )
    assert len(json.loads(refused("quarantine", "show", "--json").stdout)) == 2


def contract(project_root: Path, root: Path, **changes: dict[str, object]) -> None:
    """Let the settings name a contract of their own whose fields are changed like that."""
    document = yaml.safe_load((project_root / "churn" / "contracts" / "activity.yaml").read_text())
    for field in document["fields"]:
        field.update(changes.get(field["name"], {}))
    (root / "mine.yaml").write_text(yaml.safe_dump(document))
    settings = yaml.safe_load((project_root / "configs" / "dev.yaml").read_text())
    settings["ingestion"]["contracts"] = {"activity": "mine.yaml"}
    (root / "configs" / "dev.yaml").write_text(yaml.safe_dump(settings))


@pytest.fixture
def mended(root: Path) -> Iterator[None]:
    before = (root / "configs" / "dev.yaml").read_text()
    yield
    (root / "configs" / "dev.yaml").write_text(before)


@pytest.mark.usefixtures("mended")
def test_replay_after_a_fix_says_what_became_of_the_rows(refused: Churn, project_root: Path, root: Path) -> None:
    contract(project_root, root, customer_id={"aliases": ["shopper"]}, item_id={"max_length": 5})
    worse = refused("quarantine", "replay", "--all")
    contract(project_root, root, customer_id={"aliases": ["shopper"]})
    mended = refused("quarantine", "replay", "--reason", "too_long:item_id")

    assert "before: missing:customer_id (2); now: too_long:item_id (2)" in worse.stdout
    assert "Replayed" in mended.stdout
    assert refused("quarantine", "show").stdout == "nothing is in quarantine\n"
