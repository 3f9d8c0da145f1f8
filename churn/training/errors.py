"""Why no model was trained."""

from churn.errors import ChurnError


class UnfitData(ChurnError):
    """The frames cannot make an honest model: too few rows, one class, mixed-up cutoffs, a column that is missing."""


class LeakSuspected(ChurnError):
    """One feature alone tells the label, so it most likely knows the future."""


class UnknownCandidate(ChurnError):
    """The settings name a candidate that does not exist."""


class UnfitCandidate(ChurnError):
    """A candidate came to nothing on rows that others can learn from."""
