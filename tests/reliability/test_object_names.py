import json
import re

import pytest

from churn.ingestion.report import Counts
from tests.world import World, make_event

SOUND = json.dumps(make_event()).encode()


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fetc%2fpasswd.jsonl",
        "$(reboot).jsonl",
        "a;rm -rf ~.jsonl",
        "' OR 1=1 --.jsonl",
        "<script>alert(1)<script>.jsonl",
        "=cmd.jsonl",
        "dt=1999-01-01.jsonl",
        "🛒.jsonl",
        "a b\u00a0c.jsonl",
        f"{'x' * 240}.jsonl",
    ],
)
def test_a_tricky_object_name_is_read_and_never_shown(world: World, name: str) -> None:
    try:
        world.upload(SOUND, name)
    except ValueError:
        assert list((world.root / "landing").rglob("*.jsonl")) == []
        return

    report = world.ingest()

    (found,) = report.streams[0].objects
    assert found.counts == Counts(read=1, appended=1)
    assert re.fullmatch(r"activity/dt=2026-03-01/hour=10/~[0-9a-f]{16}\.jsonl", found.source_file)
    assert world.rows()["source_file"].to_list() == [found.source_file]


@pytest.mark.parametrize("name", ["a\\..\\b.jsonl", "a\nb.jsonl", "a..jsonl", "a?versionId=1.jsonl", "x.exe"])
def test_a_name_off_the_layout_is_told_of_and_not_read(world: World, name: str) -> None:
    world.upload(SOUND)
    (next((world.root / "landing").rglob("hour=10")) / name).write_bytes(SOUND)

    scan = world.ingestion().scan(world.now)
    report = world.ingest()

    assert (scan.streams[0].objects, scan.streams[0].strays) == (1, 1)
    assert report.counts == Counts(read=1, appended=1)
