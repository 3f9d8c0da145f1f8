"""The time in a project: the machine's, or that of a past which the project lives through again."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from churn.errors import ChurnError

_MICROSECOND = timedelta(microseconds=1)
_DIGITS = 16
"""Of at most three centuries."""


@dataclass(frozen=True)
class ProjectClock:
    """Tells the time to every process of a project; it runs as fast as any clock, and can be put forward.

    A file says how far it is behind the machine's clock. Without the file it is not, as in every project but one that
    replays old data and is to meet them as if they came in now.

    Attributes:
        file: microseconds behind, as digits.
    """

    file: Path

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC) - self.behind()

    def seconds(self) -> float:
        """Return the time as seconds since 1970."""
        return self.now().timestamp()

    def behind(self) -> timedelta:
        """Return how far it is behind the machine's clock.

        Raises:
            ChurnError: the file holds something else.
        """
        try:
            written = self.file.read_bytes()
        except FileNotFoundError:
            return timedelta()
        if not written.isdigit() or len(written) > _DIGITS:
            raise ChurnError(f"{self.file}: this is no project's clock; remove it to live in the present")
        return int(written) * _MICROSECOND

    def begin(self, moment: datetime) -> None:
        """Let it be a moment of the past now, unless the clock is behind already: then time only goes forward."""
        if self.behind():
            self.forward_to(moment)
        else:
            self._set(moment)

    def forward_to(self, moment: datetime) -> None:
        """Let it be `moment` now, unless it is later already; nobody gets ahead of the machine."""
        if self.now() < moment:
            self._set(moment)

    def catch_up(self) -> None:
        """Come back to the present."""
        self.file.unlink(missing_ok=True)

    def _set(self, moment: datetime) -> None:
        behind = datetime.now(UTC) - moment
        if behind <= timedelta():
            self.catch_up()
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        written = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        written.write_text(str(behind // _MICROSECOND), encoding="ascii")
        written.replace(self.file)
