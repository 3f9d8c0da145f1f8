from churn.contracts import Contract, load_contract
from churn.validation.schema import SchemaChange, missing_required, schema_changes


def test_required_column_may_come_by_name_or_alias(activity: Contract) -> None:
    assert missing_required(["customer_id", "event_type", "occurred_at"], activity) == []
    assert missing_required(["event_type", "amount"], activity) == ["customer_id", "event_time"]
    assert missing_required([], activity) == ["customer_id", "event_time", "event_type"]


def test_required_column_with_a_default_is_not_missed(activity_v2: Contract) -> None:
    assert missing_required(["customer_id", "event_time"], activity_v2) == []


def test_object_that_follows_the_contract_differs_in_nothing(activity: Contract) -> None:
    seen = {**dict.fromkeys(activity.columns, "String"), "discount": "Float64", "attributes": "String"}
    assert schema_changes(seen, activity) == []


def test_each_difference_is_named(activity_v2: Contract) -> None:
    seen = {
        "event_id": "String",
        "customer_id": "Int64",
        "timestamp": "Datetime(time_unit='ns', time_zone='UTC')",
        "price": "Boolean",
        "currency": "String",
        "email": "String",
        "shoe_size": "String",
        "device": "List(String)",
    }
    assert schema_changes(seen, activity_v2) == [
        SchemaChange("missing", "event_type"),
        SchemaChange("missing", "loyalty_card"),
        SchemaChange("alias", "timestamp", "event_time"),
        SchemaChange("alias", "price", "amount"),
        SchemaChange("retyped", "price", "Boolean"),
        SchemaChange("personal_dropped", "email"),
        SchemaChange("unknown_dropped", "shoe_size"),
        SchemaChange("retyped", "device", "List"),
    ]


def test_missing_required_column_is_left_to_the_caller(activity: Contract) -> None:
    kinds = {change.column for change in schema_changes({}, activity) if change.kind == "missing"}
    assert kinds == set(activity.columns) - set(activity.required)


def test_column_name_that_could_be_personal_is_never_shown(activity: Contract) -> None:
    names = ["jo@example.org", "4915112345678", "order_4915112345678", "x" * 60, "naïve", "Jo Doe, Bonn", "", "tall\n"]
    changes = schema_changes(dict.fromkeys(["customer_id", *names], "String"), activity)
    shown = [change.column for change in changes if change.kind == "unknown_dropped"]
    assert shown == [f"<column {position}>" for position in range(2, len(names) + 2)]


def test_first_row_of_a_file_without_a_header_is_never_shown(activity: Contract) -> None:
    changes = schema_changes(dict.fromkeys(["71", "Hannelore", "Bonn"], "String"), activity)
    shown = [change.column for change in changes if change.kind == "unknown_dropped"]
    assert shown == ["<column 1>", "<column 2>", "<column 3>"]


def test_flags_and_objects_may_come_in_types_of_their_own() -> None:
    predictions = load_contract("predictions")
    seen = {field.name: "String" for field in predictions.fields}

    assert schema_changes(seen | {"contacted": "Boolean", "features": "Struct({'x': Float32})"}, predictions) == []
    assert schema_changes(seen | {"contacted": "Struct({'x': Float32})", "features": "Boolean"}, predictions) == [
        SchemaChange("retyped", "features", "Boolean"),
        SchemaChange("retyped", "contacted", "Struct"),
    ]
