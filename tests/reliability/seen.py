"""What the simulated hours saw, and what of it lies on disk and in the lake."""

import os
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from churn.lake.table import open_version


@dataclass(frozen=True)
class Verdict:
    """What the monitoring said in an hour."""

    hour: int
    version: str
    decision: str
    deed: str
    reason: str
    blamed: tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """Memory and disk after so many hours, in bytes; `events` and `predictions` are in the lake by then."""

    hour: int
    resident: int
    events: int
    predictions: int
    disk: dict[str, int]


@dataclass
class Seen:
    """What happened, for the test to judge."""

    hours: int
    verdicts: list[Verdict] = field(default_factory=list)
    told: list[tuple[int, str]] = field(default_factory=list)
    sizes: list[Sizes] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)


def disk(folder: Path) -> dict[str, int]:
    """Return the bytes of files below each part of a project."""
    found: Counter[str] = Counter()
    for place, _, names in os.walk(folder):
        relative = Path(place).relative_to(folder).parts
        part = "/".join(relative[1:3] if relative[:1] == ("dev",) else relative[:2]) or "."
        for name in names:
            with suppress(FileNotFoundError):
                found[part] += os.lstat(os.path.join(place, name)).st_size
    return dict(sorted(found.items()))


def compared(lake: str, table: str, wanted: Collection[str]) -> dict[str, int]:
    """Count the events of a table against those that it should hold, each once."""
    found = open_version(f"{lake}/{table}").scan(["event_id"]).collect()["event_id"].to_list()
    counts = Counter(found)
    return {
        "wanted": len(wanted),
        "rows": len(found),
        "lost": len(set(wanted) - counts.keys()),
        "twice": sum(number > 1 for number in counts.values()),
        "foreign": len(counts.keys() - set(wanted)),
    }
