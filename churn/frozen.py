"""The base of every settings model: frozen, and unknown keys are refused."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that cannot change and holds nothing undeclared."""

    model_config = ConfigDict(frozen=True, extra="forbid")
