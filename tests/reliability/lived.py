"""What a loop has seen, read back: who noticed what and when, and what hours and rows cost."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP_HOURS = 48
MIB = 2**20


@dataclass(frozen=True)
class Lived:
    """The file that `loop.py` leaves."""

    seen: dict[str, Any]
    plan: dict[str, int]
    seconds: float

    @classmethod
    def read(cls, root: Path, plan: dict[str, int], seconds: float) -> "Lived":
        return cls(json.loads((root / "seen.json").read_text()), plan, seconds)

    @property
    def final(self) -> dict[str, Any]:
        found: dict[str, Any] = self.seen["final"]
        return found

    def verdict(self, decision: str, since: int, until: int = 10_000) -> dict[str, Any] | None:
        """Return the first verdict of that kind in these hours."""
        found = (one for one in self.seen["verdicts"] if since <= one["hour"] < until and one["decision"] == decision)
        return next(found, None)

    def told(self, what: str, since: int = 0) -> tuple[int, str] | None:
        """Return the first thing that was told with these words, and its hour."""
        return next(((hour, says) for hour, says in self.seen["told"] if hour >= since and what in says), None)

    def measured(self, since: int = 0) -> list[dict[str, Any]]:
        return [one for one in self.seen["sizes"] if one["hour"] >= since]

    def slope(self, values: list[float], since: int) -> float:
        """Return by how much something grows in an hour, after the hours before `since`."""
        return float(np.polyfit([one["hour"] for one in self.measured(since)], values, 1)[0])

    def resident_slope(self) -> float:
        """Return bytes of resident memory an hour, once everything was imported and trained with."""
        return self.slope([one["resident"] for one in self.measured(WARM_UP_HOURS)], WARM_UP_HOURS)

    def grown(self, part: str, rows: str, *, since: int = 0, until: int = 10_000) -> tuple[int, int]:
        """Return how many bytes came below a folder between two hours, and how many rows."""
        sizes = [one for one in self.measured(since) if one["hour"] <= until]
        first, last = sizes[0], sizes[-1]
        return _below(last, part) - _below(first, part), last[rows] - first[rows]

    def per_row(self, part: str, rows: str) -> float:
        """Return bytes below a folder for each row that came."""
        grown, came = self.grown(part, rows)
        return grown / max(came, 1)

    def per_hour(self, part: str) -> float:
        first, last = self.measured()[0], self.measured()[-1]
        return float((_below(last, part) - _below(first, part)) / (last["hour"] - first["hour"]))

    def report(self) -> str:
        """Return the figures of docs/monitoring.md."""
        final, sizes = self.final, self.measured()
        lines = [
            f"{self.seen['hours']} hours in {self.seconds / 60:.0f} min",
            f"{final['activity']['rows']:,} events, {final['predictions']['rows']:,} predictions, "
            f"{final['answered']['asked']:,} requests, {len(final['answered']['failed'])} failed",
            f"resident {sizes[0]['resident'] / MIB:.0f} → {sizes[-1]['resident'] / MIB:.0f} MiB",
        ]
        if self.measured(WARM_UP_HOURS)[1:]:
            lines.append(f"{self.resident_slope() / MIB:.2f} MiB an hour after {WARM_UP_HOURS} hours")
        for part, rows in (
            ("lake/activity", "events"),
            ("lake/predictions", "predictions"),
            ("landing/predictions", "predictions"),
        ):
            lines.append(f"{part}: {self.per_row(part, rows):.0f} bytes a row of {rows}")
        parts = sorted({name.partition("/")[0] for name in sizes[-1]["disk"]})
        lines += [f"{part}: {self.per_hour(part) / 1024:.0f} KiB an hour" for part in parts]
        spent = ", ".join(f"{name} {seconds:.0f}" for name, seconds in sorted(self.seen["seconds"].items()))
        lines += [f"seconds: {spent}"]
        lines += [f"hour {hour}: {says}" for hour, says in self.seen["told"]]
        return "\n".join(lines)


def _below(sizes: dict[str, Any], part: str) -> int:
    return sum(size for name, size in sizes["disk"].items() if name == part or name.startswith(f"{part}/"))
