"""Errors a person can act on: each message names the thing, the place and the way out."""


class ChurnError(Exception):
    """Base of every error the platform raises on purpose."""


class SettingsError(ChurnError):
    """A settings or contract file is missing, malformed or holds an unknown key."""


class UnreadableObject(ChurnError):
    """A landing object that cannot be decoded as a whole and goes to quarantine as one piece.

    Attributes:
        reason: stable machine-readable code, such as `corrupt_gzip`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class KeyUnavailable(ChurnError):
    """The data key cannot be unwrapped, so nothing may be tokenised and nothing is ingested."""


class CommitConflict(ChurnError):
    """Another writer committed first; reload the table, decide again and retry."""


class TooManyBadRows(ChurnError):
    """A batch holds more bad rows than the settings allow; none of it was written."""


class AccountingError(ChurnError):
    """Rows were lost or are there twice; nothing was committed."""


class SnapshotError(ChurnError):
    """A pinned table version is missing, was vacuumed, or no longer matches its digest."""
