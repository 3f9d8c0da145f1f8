"""The YAML that points the platform at a company's own export; `configs/sources/example.yaml` shows every key."""

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from churn.contracts import load_contract
from churn.landing.layout import Format
from churn.settings import STREAMS, Stream
from churn.sources.source import SourceError

NAME = r"^[a-z][a-z0-9-]{0,40}$"

Encoding = Literal["utf-8", "latin-1", "cp1252"]
"""UTF-8 and encodings of one byte a character, which can be rewritten block by block."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeMapping(_Frozen):
    """How times are written."""

    format: str = Field(
        default="iso",
        description="iso, epoch_s, epoch_ms, or strptime codes such as `%d.%m.%Y %H:%M` (%z: an offset)",
    )
    timezone: str = Field(default="UTC", description="IANA zone of times that come without an offset")

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, format: str) -> str:
        if format not in ("iso", "epoch_s", "epoch_ms") and "%" not in format:
            raise ValueError("must be iso, epoch_s, epoch_ms or hold strptime codes such as %d.%m.%Y %H:%M")
        return format

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone {timezone}; use an IANA name such as Europe/Berlin") from None
        return timezone


class StreamMapping(_Frozen):
    """Which files hold one stream and how their columns become the contract's."""

    files: str = Field(description="path or glob, relative to the mapping file; `.gz` is unpacked")
    format: Format | None = Field(default=None, description="of the files; by default told by their extension")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="between the columns of a CSV")
    encoding: Encoding = Field(default="utf-8", description="of CSV and JSONL files")
    decimal: Literal[".", ","] = Field(default=".", description="decimal mark of amounts; the other one is dropped")
    nulls: tuple[str, ...] = Field(default=("",), description="values that stand for none")
    columns: dict[str, str] = Field(description="contract field: column of the files")
    constants: dict[str, str] = Field(default_factory=dict, description="contract field: value of every row")
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="contract field: {value in the files: value to upload}; others stay"
    )
    attributes: dict[str, str] = Field(
        default_factory=dict, description="attribute that the contract declares: column of the files"
    )
    drop: tuple[str, ...] = Field(default=(), description="personal columns that must never be uploaded")
    unlisted: Literal["drop", "refuse"] = Field(default="drop", description="columns that are named nowhere here")
    time: TimeMapping = Field(default_factory=TimeMapping)
    delay: timedelta = Field(
        default=timedelta(0), ge=timedelta(0), description="from the time of a row to its upload: seconds or ISO 8601"
    )

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Self:
        twice = sorted(set(self.columns) & set(self.constants))
        if twice:
            raise ValueError(f"{', '.join(twice)} both under columns and constants; keep one")
        leaked = sorted(set(self.drop) & {*self.columns.values(), *self.attributes.values()})
        if leaked:
            raise ValueError(f"{', '.join(leaked)} under drop and mapped as well; keep one")
        strange = sorted(set(self.values) - set(self.columns) - set(self.attributes))
        if strange:
            raise ValueError(f"values given for {', '.join(strange)}, which no column fills")
        return self

    @property
    def sources(self) -> dict[str, str]:
        """Map each uploaded column that comes from the files to its column there."""
        return {**self.columns, **self.attributes}


class Mapping(_Frozen):
    """One company's export."""

    name: str = Field(pattern=NAME, description="name that uploaded objects carry")
    streams: dict[Stream, StreamMapping] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_the_contracts(self) -> Self:
        for stream, mapping in self.streams.items():
            contract = load_contract(stream)
            given = {*mapping.columns, *mapping.constants}
            names = contract.source_names()
            unknown = sorted(given - set(names))
            if unknown:
                known = ", ".join(contract.columns)
                raise ValueError(f"streams.{stream}: no field {', '.join(unknown)} in the contract, which has {known}")
            if contract.time not in mapping.columns:
                raise ValueError(f"streams.{stream}.columns: {contract.time} is missing; it picks the landing hour")
            defaulted = {field.name for field in contract.fields if field.default is not None}
            missing = sorted(set(contract.required) - {names[name] for name in given} - defaulted)
            if missing:
                raise ValueError(f"streams.{stream}: {', '.join(missing)} missing under columns or constants")
        return self


def load_mapping(path: Path) -> Mapping:
    """Read a mapping.

    Raises:
        SourceError: the file is missing, is not valid YAML, or breaks the model; the message names the key.
    """
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SourceError(f"{path}: no such mapping; start from configs/sources/example.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not valid YAML ({error}); mend the file") from None
    except ValidationError as error:
        faults = "; ".join(_fault(item["loc"], item["msg"]) for item in error.errors())
        raise SourceError(f"{path}: {faults}") from None


def _fault(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, location))}: {message}" if location else message


def streams_in_order(mapping: Mapping) -> tuple[Stream, ...]:
    """Return the mapped streams in the platform's order."""
    return tuple(stream for stream in STREAMS if stream in mapping.streams)
