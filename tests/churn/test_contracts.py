from pathlib import Path

import polars as pl
import pytest
import yaml

from churn.contracts import Contract, load_contract
from churn.errors import SettingsError
from churn.settings import STREAMS


def document(**changes: object) -> dict[str, object]:
    fields = [
        {"name": "event_id", "type": "code"},
        {"name": "customer_id", "type": "code", "required": True, "personal": "subject"},
        {"name": "event_time", "type": "timestamp", "required": True, "aliases": ["at"]},
        {"name": "amount", "type": "decimal"},
    ]
    roles = {"key": "event_id", "time": "event_time", "partition": "event_date", "floor": "1990-01-01T02:00:00"}
    return {"stream": "activity", "version": 1, **roles, "fields": fields, **changes}


def saved(folder: Path, content: object) -> Path:
    path = folder / "contract.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("stream", STREAMS)
def test_built_in_contract_loads(stream: str) -> None:
    contract = load_contract(stream)

    assert contract.stream == stream
    assert contract.time in contract.required
    # Whom a prediction is about is for the caller to say.
    assert contract.subject in contract.required or stream == "predictions"


def test_activity_keeps_the_event_contract_v1() -> None:
    contract = load_contract("activity")

    assert contract.columns == (
        *("event_id", "customer_id", "event_time", "event_type", "amount", "quantity"),
        *("currency", "channel", "item_id", "session_id", "country", "plan"),
    )
    assert contract.required == ("customer_id", "event_time", "event_type")
    assert contract.subject == "customer_id"
    assert contract.schema["amount"] == pl.Decimal(18, 4)
    assert contract.schema["event_time"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize("stream", STREAMS)
def test_schema_holds_fields_attributes_partition_and_audit_in_order(stream: str) -> None:
    contract = load_contract(stream)

    names = contract.schema.names()

    assert tuple(names[: len(contract.columns)]) == contract.columns
    assert names[len(contract.columns) :] == [
        *("attributes", contract.partition, "available_at", "ingested_at"),
        *("ingest_seq", "source_file", "source_line", "contract_version"),
    ]


def test_alias_leads_to_its_field() -> None:
    contract = Contract.model_validate(document())

    assert contract.source_names()["at"] == "event_time"
    assert contract.source_names()["event_time"] == "event_time"


def test_floor_without_a_zone_is_utc() -> None:
    assert Contract.model_validate(document()).floor.isoformat() == "1990-01-01T02:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"attributes": {"amount": "number"}}, "amount"),
        ({"attributes": {"at": "category"}}, "at"),
        ({"drop": ["customer_id"]}, "customer_id"),
        ({"attributes": {"email": "category"}, "drop": ["email"]}, "email"),
        ({"drop": ["available_at"]}, "available_at"),
        ({"partition": "amount"}, "amount"),
    ],
)
def test_name_declared_twice_or_reserved_is_refused(tmp_path: Path, changes: dict[str, object], name: str) -> None:
    path = saved(tmp_path, document(**changes))

    with pytest.raises(SettingsError, match=rf"declared twice or reserved: {name}"):
        load_contract("activity", path)


@pytest.mark.parametrize("roles", [("subject", "subject"), ("no", "token")], ids=["two", "none"])
def test_contract_has_exactly_one_subject(tmp_path: Path, roles: tuple[str, str]) -> None:
    first, second = roles
    fields = [
        {"name": "event_id", "type": "code", "personal": first},
        {"name": "customer_id", "type": "code", "personal": second},
        {"name": "event_time", "type": "timestamp"},
    ]
    path = saved(tmp_path, document(fields=fields))

    with pytest.raises(SettingsError, match="exactly one field must be personal: subject"):
        load_contract("activity", path)


@pytest.mark.parametrize("role", ["key", "time"])
def test_key_and_time_are_fields(tmp_path: Path, role: str) -> None:
    path = saved(tmp_path, document(**{role: "elsewhere"}))

    with pytest.raises(SettingsError, match="elsewhere is not among the fields"):
        load_contract("activity", path)


@pytest.mark.parametrize(
    "change", [{"colour": "blue"}, {"version": 0}, {"stream": "weather"}, {"fields": [{"name": "Ü", "type": "code"}]}]
)
def test_malformed_contract_is_refused_by_its_path(tmp_path: Path, change: dict[str, object]) -> None:
    path = saved(tmp_path, document(**change))

    with pytest.raises(SettingsError, match=r"contract\.yaml: not a valid contract"):
        load_contract("activity", path)


def test_contract_of_another_stream_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, document())

    with pytest.raises(SettingsError, match="describes activity, expected customers"):
        load_contract("customers", path)


def test_missing_contract_names_the_setting_to_mend(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ingestion\.contracts\.activity"):
        load_contract("activity", tmp_path / "none.yaml")
