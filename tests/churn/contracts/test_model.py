from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from churn.contracts import Contract, ContractField
from churn.validation.reasons import REASONS, REPAIRS


def fields(**time: Any) -> list[dict[str, Any]]:
    return [
        {"name": "record_id", "type": "code"},
        {"name": "customer_id", "type": "code", "personal": "subject"},
        {"name": "valid_from", "type": "timestamp", "required": True, **time},
    ]


def contract(**changes: Any) -> Contract:
    roles = {"key": "record_id", "time": "valid_from", "partition": "day", "floor": "1990-01-01T00:00:00Z"}
    document = {"stream": "customers", "version": 1, **roles, "fields": fields()}
    return Contract.model_validate({**document, **changes})


@pytest.mark.parametrize(
    ("kind", "default", "typed"),
    [
        ("code", "EUR", "EUR"),
        ("decimal", "1.5", Decimal("1.5")),
        ("timestamp", "2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("code", None, None),
    ],
)
def test_default_has_the_type_of_its_column(kind: Any, default: str | None, typed: object) -> None:
    assert ContractField(name="x", type=kind, default=default).typed_default == typed


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("code", ""),
        ("code", "x" * 129),
        ("decimal", "ten"),
        ("decimal", "NaN"),
        ("decimal", "1e14"),
        ("decimal", "0.00001"),
        ("timestamp", "soon"),
    ],
)
def test_default_that_does_not_fit_is_refused(kind: Any, default: str) -> None:
    with pytest.raises(ValidationError, match="default"):
        ContractField(name="x", type=kind, default=default)


@pytest.mark.parametrize("personal", ["subject", "token"])
def test_a_personal_field_has_no_default(personal: Any) -> None:
    with pytest.raises(ValidationError, match="has a default"):
        ContractField(name="x", type="code", personal=personal, default="somebody")


@pytest.mark.parametrize("time", [{"required": False}, {"type": "code"}])
def test_time_gives_the_partition_so_it_is_a_required_timestamp(time: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="required timestamp"):
        contract(fields=fields(**time))


def test_personal_field_is_a_code() -> None:
    with pytest.raises(ValidationError, match="must be a code"):
        contract(fields=[*fields(), {"name": "salary", "type": "decimal", "personal": "token"}])


@pytest.mark.parametrize("name", ['a"b', "a'b", "", "1st", "naïve"])
def test_attribute_name_needs_no_escaping(name: str) -> None:
    with pytest.raises(ValidationError, match="String should match"):
        contract(attributes={name: "number"})
    assert contract(attributes={"Shoe size": "number"}).attributes == {"Shoe size": "number"}


def test_every_reason_and_repair_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "contracts.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    documented = {cells[0].strip("`").split(":")[0]: cells[-1] for cells in rows}
    assert {**REASONS, **REPAIRS}.items() <= documented.items()
