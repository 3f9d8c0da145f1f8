from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.sources.mapping import load_mapping
from churn.sources.source import SourceError

Document = dict[str, Any]


def smallest() -> Document:
    columns = {"customer_id": "id", "event_time": "at", "event_type": "kind"}
    return {"name": "shop", "streams": {"activity": {"files": "*.csv", "columns": columns}}}


def with_stream(**changes: object) -> Document:
    document = smallest()
    document["streams"]["activity"].update(changes)
    return document


def without(column: str) -> Document:
    document = smallest()
    del document["streams"]["activity"]["columns"][column]
    return document


def saved(path: Path, document: object) -> Path:
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_smallest_mapping_is_enough(tmp_path: Path) -> None:
    mapping = load_mapping(saved(tmp_path / "m.yaml", smallest()))
    assert mapping.streams["activity"].time.timezone == "UTC"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**smallest(), "colour": 1}, "colour: Extra inputs"),
        ({**smallest(), "name": "My Shop"}, "name: String should match"),
        ({**smallest(), "name": "../shop"}, "name: String should match"),
        ({"name": "shop", "streams": {}}, "streams: Dictionary should have at least 1"),
        ({"name": "shop", "streams": {"clicks": {}}}, "streams.clicks.* Input should be 'activity'"),
        ("just text", "valid dictionary"),
        (None, "valid dictionary"),
        (with_stream(colums={}), "streams.activity.colums: Extra inputs"),
        (with_stream(format="xml"), "streams.activity.format: Input should be 'jsonl'"),
        (with_stream(delimiter=";;"), "streams.activity.delimiter: String should have at most 1"),
        (with_stream(encoding="utf-16"), "streams.activity.encoding: Input should be 'utf-8'"),
        (with_stream(delay=-5), "streams.activity.delay: Input should be greater"),
        (
            with_stream(time={"timezone": "Europe/Berlinn"}),
            "streams.activity.time.timezone: no time zone Europe/Berlinn",
        ),
        (with_stream(time={"timezone": "../../etc/passwd"}), "streams.activity.time.timezone: no time zone"),
        (with_stream(time={"format": "DD.MM.YYYY"}), "streams.activity.time.format: must be iso, epoch_s"),
        (with_stream(constants={"event_type": "x"}), "streams.activity: event_type both under columns and constants"),
        (with_stream(constants={"amout": "1"}), "streams.activity: no field amout in the contract, which has event_id"),
        (with_stream(drop=["id"]), "streams.activity: id under drop and mapped as well"),
        (with_stream(attributes={"store": "mail"}, drop=["mail"]), "streams.activity: mail under drop and mapped"),
        (
            with_stream(values={"channel": {"a": "b"}}),
            "streams.activity: values given for channel, which no column fills",
        ),
        (without("event_time"), "streams.activity.columns: event_time is missing"),
        (without("customer_id"), "streams.activity: customer_id missing under columns or constants"),
    ],
)
def test_a_fault_names_the_file_and_the_key(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        load_mapping(saved(tmp_path / "m.yaml", document))
    assert str(tmp_path / "m.yaml") in str(caught.value)


def test_a_constant_may_stand_for_a_required_column(tmp_path: Path) -> None:
    document = without("event_type")
    document["streams"]["activity"]["constants"] = {"event_type": "purchase"}
    assert load_mapping(saved(tmp_path / "m.yaml", document)).name == "shop"


def test_a_missing_file_names_the_example(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"configs/sources/example\.yaml"):
        load_mapping(tmp_path / "m.yaml")


@pytest.mark.parametrize("content", [b"name: [", b"\xff\xfe"])
def test_a_file_that_is_no_yaml_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.yaml").write_bytes(content)
    with pytest.raises(SourceError, match="not valid YAML"):
        load_mapping(tmp_path / "m.yaml")
