from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from churn.ledger.ledger import Ledger

START = datetime(2026, 3, 1, tzinfo=UTC)


class Clock:
    """Moves on by a minute each time it is asked."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    return Ledger(str(tmp_path / "lake"), clock)
