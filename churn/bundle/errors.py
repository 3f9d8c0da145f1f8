"""Why a bundle was not written, or not opened."""

from churn.errors import ChurnError


class BundleRefused(ChurnError):
    """What would be served is not what was trained; nothing was written."""


class BundleInvalid(ChurnError):
    """A bundle is missing, incomplete, altered, or made for another program."""


class UnfitInput(ChurnError):
    """Rows to score lack a column, or hold another type than the model was trained on."""
