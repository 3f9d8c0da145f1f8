"""One decision in the ledger, and the hash that ties it to the one before."""

import hashlib
from datetime import UTC, datetime
from typing import Literal

import orjson
import polars as pl
from pydantic import Field

from churn.frozen import Frozen

Stage = Literal["none", "staging", "production", "archived"]
Decision = Literal[
    "registered", "promoted", "approved", "rejected", "expired", "deployed", "rolled_back", "retrain", "erased"
]
Phase = Literal["intent", "committed", "undone"]

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""

SCHEMA = pl.Schema(
    {
        "sequence": pl.Int64(),
        "at": pl.Datetime("us", "UTC"),
        "actor": pl.String(),
        "decision": pl.String(),
        "phase": pl.String(),
        "change": pl.Int64(),
        "version": pl.String(),
        "stage": pl.String(),
        "bundle_digest": pl.String(),
        "evidence_digest": pl.String(),
        "facts": pl.String(),
        "previous": pl.String(),
        "hash": pl.String(),
    }
)


class Draft(Frozen):
    """A decision about to be entered."""

    decision: Decision
    actor: str = Field(description="who decided: a ZenML user, or the part of the platform that did")
    phase: Phase = Field(
        default="committed",
        description="`intent` before ZenML and MLflow are changed, then `committed` or `undone`; what changes neither "
        "is committed at once",
    )
    change: int | None = Field(default=None, description="sequence of the intent that this ends; none opens its own")
    version: str | None = Field(default=None, description="number of the model version in ZenML")
    stage: Stage | None = None
    bundle_digest: str | None = None
    evidence_digest: str | None = Field(default=None, description="SHA-256 of what the decision was based on")
    facts: dict[str, str] = Field(default={}, description="such as run, cutoff and table versions; nothing personal")


class Entry(Frozen):
    """A decision as it was entered."""

    sequence: int = Field(description="1, 2, 3, … without a gap")
    at: datetime
    actor: str
    decision: Decision
    phase: Phase
    change: int = Field(description="sequence of the entry that opened the change")
    version: str | None
    stage: Stage | None
    bundle_digest: str | None
    evidence_digest: str | None
    facts: dict[str, str]
    previous: str = Field(description="hash of the entry before")
    hash: str = Field(description="SHA-256 over all other fields")

    @classmethod
    def following(cls, last: "Entry | None", draft: Draft, at: datetime) -> "Entry":
        """Return the entry that a draft becomes after `last`."""
        sequence = last.sequence + 1 if last else 1
        content = draft.model_dump() | {
            "sequence": sequence,
            "at": at.astimezone(UTC),
            "change": draft.change or sequence,
            "previous": last.hash if last else GENESIS,
        }
        unsealed = cls(**content, hash="")
        return unsealed.model_copy(update={"hash": unsealed.computed_hash()})

    @classmethod
    def from_row(cls, row: dict[str, object]) -> "Entry":
        """Read a row of the table.

        Raises:
            ValueError: a field holds what no entry can.
        """
        return cls.model_validate(row | {"facts": orjson.loads(str(row["facts"]))})

    def to_row(self) -> dict[str, object]:
        """Return the row of the table."""
        return self.model_dump() | {"facts": orjson.dumps(self.facts, option=orjson.OPT_SORT_KEYS).decode()}

    def computed_hash(self) -> str:
        """Return what `hash` must be."""
        content = self.__dict__ | {"at": self.at.isoformat(timespec="microseconds")}
        del content["hash"]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
