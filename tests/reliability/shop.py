"""Made-up customers of a shop where everything goes fast: they come, buy every other day, and are gone in two weeks."""

import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from churn.landing.zone import LandingZone

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_STAYS_DAYS = 12.0
_OLDEST_DAYS = 60
_ACTIONS_A_DAY = 1.6
_SHAPE = 1.3
_BY_HOUR = np.array([1, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 8, 8, 6, 4, 2])
_TYPES = np.array(["login", "click", "purchase"])
_CHANNELS = np.array(["app", "web", "shop"])
_APP = 0
_COUNTRIES = np.array(["DE", "AT", "FR"])


@dataclass
class Uploaded:
    """What was put into the landing zone, in bytes, and by what should become of its rows."""

    size: int = 0
    read: int = 0
    appended: set[str] = field(default_factory=set)
    duplicate: int = 0
    quarantined: int = 0


@dataclass
class Shop:
    """As many customers come as go, so that nothing drifts until business turns.

    Attributes:
        begins: of the first hour that is uploaded; customers have come and gone for long before.
        ends: nobody comes after it.
        turns: a rival opens: from then on everybody does as much less as `slump` says, as a share of what was done
            before, and who buys by app is gone `hurry` times as soon.
    """

    zone: LandingZone
    begins: datetime
    ends: datetime
    a_day: int = 320
    turns: datetime | None = None
    slump: float = 0.3
    hurry: float = 6.0
    seed: int = 20260101
    uploaded: Uploaded = field(default_factory=Uploaded)

    def __post_init__(self) -> None:
        self._draw = np.random.default_rng(self.seed)
        days = _OLDEST_DAYS + (self.ends - self.begins) / DAY
        count = int(self.a_day * days)
        self._comes = np.sort(self._draw.uniform(-_OLDEST_DAYS, days - _OLDEST_DAYS, count))
        self._goes = self._comes + self._draw.exponential(_STAYS_DAYS, count)
        self._rate = self._draw.gamma(_SHAPE, _ACTIONS_A_DAY / _SHAPE, count)
        self._spends = self._draw.lognormal(3, 0.6, count)
        self._channel = self._draw.choice(3, count, p=[0.5, 0.3, 0.2])
        self._country = self._draw.choice(3, count, p=[0.6, 0.25, 0.15])
        if self.turns is not None:
            since = np.maximum(self._comes, (self.turns - self.begins) / DAY)
            hurries = (self._goes > since) & (self._channel == _APP)
            self._goes[hurries] = (since + (self._goes - since) / self.hurry)[hurries]
        self._last: list[dict[str, object]] = []

    def upload(self, hour: datetime) -> None:
        """Upload what happened in an hour, with what real uploads bring: a few rows twice, and a few broken ones."""
        rows = self._rows(hour)
        again = self._last[:2]
        broken: list[dict[str, object]] = [
            {"event_id": f"broken-{hour:%Y%m%d%H}", "event_time": _text(hour), "event_type": "login"},
            {
                "event_id": f"words-{hour:%Y%m%d%H}",
                "customer_id": "7",
                "event_time": _text(hour),
                "event_type": "purchase",
                "amount": "about twelve",
            },
        ]
        self._write(hour, f"shop-{hour:%Y%m%dT%H}", [*rows, *again, *broken])
        self._last = rows
        self.uploaded.appended.update(str(row["event_id"]) for row in rows)
        self.uploaded.duplicate += len(again)
        self.uploaded.quarantined += len(broken)
        if hour.hour == 0 and rows:  # an uploader that tries again under another name
            self._write(hour, f"again-{hour:%Y%m%dT%H}", rows)
            self.uploaded.duplicate += len(rows)

    def upload_day(self, day: datetime) -> None:
        """Upload a whole day of the past as one sound object."""
        rows = [row for number in range(24) for row in self._rows(day + number * HOUR)]
        self._write(day + 23 * HOUR, f"past-{day:%Y%m%d}", rows)
        self.uploaded.appended.update(str(row["event_id"]) for row in rows)

    def _write(self, hour: datetime, name: str, rows: list[dict[str, object]]) -> None:
        lines = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
        content = gzip.compress(lines, mtime=0)
        self.zone.write("activity", hour, f"{name}.jsonl.gz", content)
        self.uploaded.size += len(content)
        self.uploaded.read += len(rows)

    def _rows(self, hour: datetime) -> list[dict[str, object]]:
        pace = self.slump if self.turns is not None and hour >= self.turns else 1.0
        at = (hour - self.begins) / DAY
        share = _BY_HOUR[hour.hour] / _BY_HOUR.sum()
        there = np.flatnonzero((self._comes <= at) & (self._goes > at))
        does = np.repeat(there, self._draw.poisson(self._rate[there] * share * pace))
        seconds = np.sort(self._draw.uniform(0, 3600, len(does)))
        kinds = _TYPES[self._draw.choice(3, len(does), p=[0.35, 0.35, 0.3])]
        amounts = self._spends[does] * self._draw.lognormal(0, 0.3, len(does))
        rows: list[dict[str, object]] = []
        for number, (who, second, kind, amount) in enumerate(zip(does, seconds, kinds, amounts, strict=True)):
            row: dict[str, object] = {
                "event_id": f"e{hour:%Y%m%d%H}-{number}",
                "customer_id": f"c{who}",
                "event_time": _text(hour + timedelta(seconds=float(second))),
                "event_type": str(kind),
                "channel": str(_CHANNELS[self._channel[who]]),
                "country": str(_COUNTRIES[self._country[who]]),
            }
            rows.append(row | ({"amount": f"{amount:.2f}", "quantity": 1} if kind == "purchase" else {}))
        return rows


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
