"""Where a version stands, and where it can be promoted to."""

from typing import Literal

Stage = Literal["none", "staging", "production", "archived"]
Target = Literal["staging", "production"]
