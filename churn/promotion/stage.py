"""Where a version can be promoted to."""

from typing import Literal

Target = Literal["staging", "production"]
