from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from churn.contracts import Contract, load_contract
from churn.validation.schema import SchemaChange, schema_changes
from churn.validation.validate import Validated, validate

Check = Callable[..., Validated]


def test_clean_row_has_the_contract_columns_and_types(check: Check, activity: Contract) -> None:
    result = check({"amount": ["12.5"], "customer_id": ["jo@example.org"]})
    fields = {field.name: field.dtype for field in activity.fields}
    assert dict(result.frame.schema) == {
        **fields,
        "attributes": pl.String(),
        "event_date": pl.Date(),
        "available_at": pl.Datetime("us", "UTC"),
        "__object": pl.UInt32(),
        "__line": pl.Int64(),
    }
    assert result.frame.select("customer_id", "amount", "event_id").row(0) == ("jo@example.org", Decimal("12.5"), None)
    assert (result.rejects.height, result.repairs.height) == (0, 0)


def test_empty_frame_gives_empty_frames(check: Check) -> None:
    result = check({"event_time": pl.Series([], dtype=pl.String), "amount": pl.Series([], dtype=pl.Float64)})
    assert result.frame.schema["amount"] == pl.Decimal(18, 4)
    assert result.rejects.schema == {
        "__object": pl.UInt32,
        "__line": pl.Int64,
        "reason": pl.String,
        "column": pl.String,
    }
    assert result.repairs.schema == {"__object": pl.UInt32, "kind": pl.String, "rows": pl.UInt32}


def test_first_fault_in_contract_order_is_the_one_told(check: Check) -> None:
    result = check({"amount": ["x", "x", "1"], "event_type": [None, "click", "click"], "channel": ["a\x00"] * 3})
    assert result.rejects.rows() == [
        (0, 1, "missing", "event_type"),
        (0, 2, "wrong_type", "amount"),
        (0, 3, "control_character", "channel"),
    ]


@pytest.mark.parametrize("field", ["customer_id", "event_time", "event_type"])
@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_required_value_that_is_null_or_blank_is_missing(check: Check, field: str, nothing: str | None) -> None:
    result = check({field: pl.Series([nothing], dtype=pl.String)})
    assert result.rejects.rows() == [(0, 1, "missing", field)]


def test_alias_fills_the_field_and_is_counted_by_object(check: Check) -> None:
    result = check({"occurred_at": ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]})
    assert result.frame["event_time"].dt.day().to_list() == [2, 3]
    assert result.repairs.rows() == [(0, "alias:occurred_at", 2)]
    seen = {"occurred_at": "String"}
    assert SchemaChange("alias", "occurred_at", "event_time") in schema_changes(seen, load_contract("activity"))


def test_name_comes_before_alias_and_they_must_agree(check: Check, activity_v2: Contract) -> None:
    result = check(
        {
            "amount": ["1.0", None, "", "4", None, "6"],
            "price": [1.0, 2.0, 3.0, 40.0, None, None],
            "total": [None, "2", None, None, None, "x"],
        },
        activity_v2,
    )
    assert result.frame["amount"].to_list() == [1, 2, 3, None]
    assert result.rejects.rows() == [(0, 4, "ambiguous_alias", "amount"), (0, 6, "wrong_type", "amount")]


def test_default_fills_what_is_empty_but_never_what_is_bad(check: Check, activity_v2: Contract) -> None:
    columns = {"event_type": [None, "click", "a\x00"], "currency": ["", "USD", "GBP"]}
    result = check(columns, activity_v2)
    assert result.frame.select("event_type", "currency").rows() == [("purchase", "EUR"), ("click", "USD")]
    assert result.rejects["reason"].to_list() == ["control_character"]
    assert result.repairs.rows() == [(0, "default:currency", 1), (0, "default:event_type", 1)]


def test_default_fills_an_absent_column(check: Check, activity_v2: Contract) -> None:
    result = check({"amount": ["1"]}, activity_v2)
    assert result.frame["currency"].to_list() == ["EUR"]
    assert SchemaChange("missing", "currency") in schema_changes({"amount": "String"}, activity_v2)


def test_old_objects_pass_under_the_evolved_contract(check: Check, activity_v2: Contract) -> None:
    result = check({"amount": ["1"], "quantity": ["2"], "plan": ["basic"]}, activity_v2)
    assert result.frame.select("amount", "device", "loyalty_card").rows() == [(Decimal(1), None, None)]
    assert "quantity" not in result.frame.columns


def test_rejects_and_repairs_belong_to_their_object(activity: Contract) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "customer_id": ["1", " 2", None, "4 ", "5.0"],
            "event_time": ["2026-01-01T12:04:00Z"] * 5,
            "event_type": ["click"] * 5,
            "available_at": [noon, noon, noon, noon, noon - timedelta(hours=1)],
            "__object": pl.Series([0, 0, 3, 3, 7], dtype=pl.UInt32),
            "__line": [1, 2, 1, 9, 4],
        }
    )
    result = validate(frame, activity, timezone="UTC", skew=timedelta(minutes=5))
    assert result.frame.select("__object", "__line", "customer_id").rows() == [(0, 1, "1"), (0, 2, "2"), (3, 9, "4")]
    assert result.rejects.rows() == [(3, 1, "missing", "customer_id"), (7, 4, "in_the_future", "event_time")]
    assert result.repairs.rows() == [(0, "trimmed:customer_id", 1), (3, "trimmed:customer_id", 1)]


def test_validated_rows_are_the_same_alone_and_together(check: Check) -> None:
    columns = {
        "customer_id": ["13995.0", " x", "y", "13995"],
        "event_time": ["2026-01-01", "2026-01-01T10:00:00", "2026-01-01T10:00:00.5+01:00", "2026-01-01 10:00:00Z"],
        "amount": ["1e2", ".5", "0.30000000000000004", "7"],
    }
    together = check(columns).frame.drop("__line")
    alone = pl.concat(
        check({name: values[row : row + 1] for name, values in columns.items()}).frame.drop("__line")
        for row in range(together.height)
    )
    assert together.equals(alone)
    assert together["customer_id"].to_list() == ["13995", "x", "y", "13995"]
