"""How a process ends that cannot serve."""

import sys
from typing import Final

WRONG_ARGUMENTS: Final = 2
REFUSED: Final = 3
"""The bundle is not what it must be."""
UNREACHABLE: Final = 4
"""The bundle cannot be fetched."""


def complain(message: str) -> None:
    """Say in one line on stderr why the process ends."""
    print(f"churn serving: {message}", file=sys.stderr)
