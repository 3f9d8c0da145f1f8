"""What can be wrong with the ledger, or with what must follow it."""

from churn.errors import ChurnError


class LedgerBroken(ChurnError):
    """The chain does not hold, or a file of it cannot be read; nothing may be decided on it."""


class ClockWentBack(ChurnError):
    """The clock is earlier than the last entry, so that an entry would be dated before what it follows."""


class VersionGone(ChurnError):
    """A version that the ledger names is missing in ZenML or MLflow."""


class DecisionRefused(ChurnError):
    """What was asked for does not fit what the ledger says by now."""
