"""What every implementation of the job shares: its arguments, its files and how it tells what it did."""

import hmac
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

COLUMNS = (
    "event_id",
    "customer_id",
    "event_time",
    "event_type",
    "amount",
    "quantity",
    "currency",
    "channel",
    "item_id",
    "session_id",
    "country",
    "device_id",
)
REQUIRED = ("customer_id", "event_time", "event_type")
TOKENISED = (("customer_id", "customer", "cus_"), ("device_id", "device_id", "tok_"))
"""Column, domain of its fingerprints, prefix of its tokens."""
LONGEST_CODE = 128
FLOOR = datetime(1990, 1, 1, tzinfo=UTC)
SKEW = timedelta(minutes=5)
BATCH_FILES = 24
"""Files per commit: at 10 million rows in 720 files, about as many rows as the platform puts into one."""

KEY = bytes(range(32))


@dataclass(frozen=True)
class Counted:
    """Rows by what became of them."""

    read: int = 0
    appended: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.read + other.read,
            self.appended + other.appended,
            self.duplicate + other.duplicate,
            self.quarantined + other.quarantined,
        )


def fingerprint(domain: str, value: str) -> bytes:
    """Return what a token is found by: HMAC-SHA256 of domain and value."""
    return hmac.digest(KEY, f"{domain}\x00{value}".encode(), "sha256")


def files(landing: Path, form: str) -> list[Path]:
    """Return the landing objects, oldest hour first."""
    return sorted(landing.glob(f"activity/dt=*/hour=*/*.{form}"))


def batches(landing: Path, form: str) -> Iterator[list[Path]]:
    """Yield the files of one commit after the other."""
    found = files(landing, form)
    for first in range(0, len(found), BATCH_FILES):
        yield found[first : first + BATCH_FILES]


def available_at(path: Path) -> datetime:
    """Return the end of the landing hour that the path names."""
    day, hour = path.parent.parent.name.removeprefix("dt="), path.parent.name.removeprefix("hour=")
    return datetime.fromisoformat(f"{day}T{hour}:00:00+00:00") + timedelta(hours=1)


def run(job: Callable[[str, Path, Path], Counted]) -> None:
    """Run `job(format, landing, out)` with the arguments of the command line and print its counts as JSON."""
    form, landing, out = sys.argv[1:]
    print(json.dumps(asdict(job(form, Path(landing), Path(out)))))
