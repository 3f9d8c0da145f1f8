"""The contract model and its YAML form."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from churn.errors import SettingsError
from churn.hours import parse_moment

FieldType = Literal["code", "timestamp", "decimal", "number", "integer", "flag", "token", "object"]
AttributeType = Literal["number", "boolean", "category"]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_ ]{0,40}$")]
"""Plain enough to stand in JSON and in a JSON path without escaping."""

TIMESTAMP = pl.Datetime("us", "UTC")
DECIMAL = pl.Decimal(18, 4)
_DTYPES: dict[FieldType, pl.DataType] = {
    "code": pl.String(),
    "timestamp": TIMESTAMP,
    "decimal": DECIMAL,
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "flag": pl.Boolean(),
    "token": pl.String(),
    "object": pl.String(),
}

ATTRIBUTES = "attributes"
AUDIT: dict[str, pl.DataType] = {
    "available_at": TIMESTAMP,
    "ingested_at": TIMESTAMP,
    "ingest_seq": pl.Int64(),
    "source_file": pl.String(),
    "source_line": pl.Int64(),
    "contract_version": pl.Int64(),
}
"""Columns the platform adds to every row: when it was knowable, and where it came from."""


class ContractField(BaseModel):
    """One declared column.

    Types: `code` is a short printable string (at most 128 characters, never an e-mail address),
    `timestamp` a UTC time in microseconds, `decimal` a DECIMAL(18,4). What the platform itself lands may also be a
    `number` (double), an `integer`, a `flag` (true or false), a `token` (a customer's, made before, kept as it is) and
    an `object` (JSON text of numbers and codes).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    type: FieldType
    required: bool = False
    personal: Literal["no", "subject", "token"] = "no"
    """`subject` is the customer, `token` any other personal field the contract needs; both are tokenised."""
    aliases: tuple[str, ...] = ()
    default: str | None = None
    """Value for rows that bring none; applied before the required check and counted as a repair."""
    max_length: int = Field(default=128, ge=1)
    """Longest code or object in characters; a longer one goes to quarantine."""

    @model_validator(mode="after")
    def _default_has_the_type(self) -> Self:
        try:
            typed = self.typed_default
        except (ValueError, InvalidOperation):
            raise ValueError(f"default {self.default!r} of {self.name} is no {self.type}") from None
        if isinstance(typed, Decimal) and (
            not typed.is_finite() or abs(typed) >= 10**14 or typed != round(typed, DECIMAL.scale)
        ):
            raise ValueError(f"default {self.default!r} of {self.name} does not fit DECIMAL(18,4)")
        if isinstance(typed, str) and not 0 < len(typed) <= self.max_length:
            raise ValueError(f"default of {self.name} must have 1 to {self.max_length} characters")
        if typed is not None and self.personal != "no":
            raise ValueError(f"{self.name} is personal and has a default: one token would stand for many people")
        return self

    @property
    def typed_default(self) -> str | Decimal | datetime | None:
        """The default as a value of the column's type."""
        if self.default is None or self.type == "code":
            return self.default
        if self.type == "timestamp":
            return parse_moment(self.default)
        if self.type != "decimal":
            raise ValueError("only codes, decimals and timestamps have defaults")
        return Decimal(self.default)

    @property
    def names_customer(self) -> bool:
        """Whether this is the customer: raw, or by token."""
        return self.personal == "subject" or self.type == "token"

    @property
    def dtype(self) -> pl.DataType:
        """The column type in the lake."""
        return _DTYPES[self.type]


class Contract(BaseModel):
    """The columns of one stream at one version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream: Literal["activity", "customers", "subscriptions", "predictions"]
    version: int = Field(ge=1)
    key: str
    """Column that identifies a row; derived from the token and all other contract fields where absent."""
    time: str
    """Column that holds when it happened (activity) or from when it holds (customers, subscriptions)."""
    partition: str
    """Name of the date partition derived from `time`."""
    floor: datetime
    """Earliest believable time; anything before it is quarantined."""
    fields: tuple[ContractField, ...]
    attributes: dict[AttributeName, AttributeType] = Field(default_factory=dict)
    """Extra source columns (or keys of a source column `attributes`) declared safe, kept in the JSON column
    `attributes`: a `number` as JSON number, a `boolean` as true or false, a `category` as a short string of letters,
    digits and ` _./+%€$-` with fewer than seven digits and at most five words. Any other value is dropped."""
    drop: tuple[str, ...] = ()
    """Source columns known to be personal and not needed: dropped without an alarm."""

    @field_validator("floor")
    @classmethod
    def _floor_in_utc(cls, floor: datetime) -> datetime:
        return floor.replace(tzinfo=UTC) if floor.tzinfo is None else floor.astimezone(UTC)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [name for field in self.fields for name in (field.name, *field.aliases)]
        names += [*self.attributes, *self.drop, ATTRIBUTES, self.partition, *AUDIT]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"column names declared twice or reserved: {', '.join(twice)}")
        for role in (self.key, self.time):
            if role not in self.columns:
                raise ValueError(f"{role} is not among the fields")
        if sum(field.names_customer for field in self.fields) != 1:
            raise ValueError("exactly one field must be personal: subject, or hold the customer as a token")
        for field in self.fields:
            if field.name == self.time and (field.type != "timestamp" or not field.required):
                raise ValueError(f"{self.time} gives the partition, so it must be a required timestamp")
            if field.type != "code" and (field.personal != "no" or field.name == self.key):
                raise ValueError(f"{field.name} is personal or the key, so it must be a code")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the declared fields, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the fields no row may lack."""
        return tuple(field.name for field in self.fields if field.required)

    @property
    def subject(self) -> str:
        """Name of the field that holds the customer."""
        return next(field.name for field in self.fields if field.names_customer)

    @property
    def schema(self) -> pl.Schema:  # type: ignore[override]
        """Columns of the Delta table: fields, attributes, date partition, audit columns."""
        fields: dict[str, pl.DataType] = {field.name: field.dtype for field in self.fields}
        return pl.Schema({**fields, ATTRIBUTES: pl.String(), self.partition: pl.Date(), **AUDIT})

    def source_names(self) -> dict[str, str]:
        """Map every accepted source column (name or alias) to its field."""
        return {name: field.name for field in self.fields for name in (field.name, *field.aliases)}


def load_contract(stream: str, path: Path | None = None) -> Contract:
    """Read a contract: the built-in one of `stream`, or the file at `path`.

    Raises:
        SettingsError: the file is missing, malformed, or describes another stream.
    """
    source = path or Path(__file__).parent / f"{stream}.yaml"
    try:
        contract = Contract.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SettingsError(f"{source}: no such contract file; point ingestion.contracts.{stream} at one") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise SettingsError(f"{source}: not a valid contract: {error}") from None
    if contract.stream != stream:
        raise SettingsError(f"{source}: describes {contract.stream}, expected {stream}")
    return contract
