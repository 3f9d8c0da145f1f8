import json
import string
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.contracts import Contract, load_contract
from churn.validation.attributes import collect_attributes
from churn.validation.validate import Validated

Check = Callable[..., Validated]


def test_no_attribute_is_null(check: Check) -> None:
    result = check({"store": [None, ""], "attributes": [None, "{}"]})
    assert result.frame["attributes"].to_list() == [None, None]
    assert result.repairs.height == 0


@pytest.mark.parametrize(
    ("columns", "then"),
    [
        ({"store": ["Bonn 2"], "discount": ["0.10"]}, '{"discount":0.1,"store":"Bonn 2"}'),
        ({"discount": [3.0]}, '{"discount":3}'),
        ({"discount": ["+1e2"]}, '{"discount":100}'),
        ({"discount": ["-.5"]}, '{"discount":-0.5}'),
        ({"store": [" 7 "]}, '{"store":"7"}'),
        ({"store": [7]}, '{"store":"7"}'),
        ({"store": [7.0]}, '{"store":"7"}'),
        ({"store": pl.Series(["A"], dtype=pl.Categorical)}, '{"store":"A"}'),
        ({"attributes": ['{"store": "A", "discount": 1.50}']}, '{"discount":1.5,"store":"A"}'),
        ({"attributes": ['{"store": null, "discount": 2}']}, '{"discount":2}'),
        ({"attributes": [{"store": "A", "discount": 1}]}, '{"discount":1,"store":"A"}'),
        ({"attributes": [[{"key": "store", "value": "A"}]]}, '{"store":"A"}'),
        ({"store": ["mine"], "attributes": ['{"store": "theirs"}']}, '{"store":"mine"}'),
    ],
)
def test_declared_attributes_become_sorted_json(check: Check, columns: dict[str, Any], then: str) -> None:
    result = check(columns)
    assert result.frame["attributes"].to_list() == [then]
    assert json.loads(then) is not None
    assert result.repairs.height == 0


@pytest.mark.parametrize(
    "columns",
    [
        {"store": ["jo@example.org"]},
        {"store": ["+49 151 1234567"]},
        {"store": ["0151-123 45 67"]},
        {"store": ["1984-03-01"]},
        {"store": ["192.168.10.77"]},
        {"store": ["please leave it with my neighbour"]},
        {"store": ['"quoted"']},
        {"store": ["back\\slash"]},
        {"store": ["🛒"]},
        {"store": ["x" * 65]},
        {"store": [["A"]]},
        {"store": [b"A"]},
        {"discount": ["ten"]},
        {"discount": ["NaN"]},
        {"discount": [float("inf")]},
        {"discount": ["4915112345678"]},
        {"discount": [True]},
        {"attributes": ['{"note": "call me"}']},
        {"attributes": ['{"store": {"name": "A"}}']},
        {"attributes": ['{"store": ["A"]}']},
        {"attributes": ['["store"]']},
        {"attributes": ["store=A"]},
        {"attributes": ['{"store": ']},
        {"attributes": [{"note": "call me"}]},
        {"attributes": [[{"key": "note", "value": "call me"}]]},
        {"attributes": [7]},
        {"attributes": [["A"]]},
    ],
)
def test_anything_else_is_dropped_and_counted(check: Check, columns: dict[str, Any]) -> None:
    result = check(columns)
    assert result.frame["attributes"].to_list() == [None]
    assert result.repairs.rows() == [(0, "attribute_dropped", 1)]


def test_declared_key_survives_beside_a_dropped_one(check: Check) -> None:
    result = check({"attributes": ['{"note": "call me", "store": "A"}', '{"store": "B"}', None]})
    assert result.frame["attributes"].to_list() == ['{"store":"A"}', '{"store":"B"}', None]
    assert result.repairs.rows() == [(0, "attribute_dropped", 1)]


@pytest.mark.parametrize(
    ("given", "then"), [("TRUE", True), (" false ", False), (True, True), ("1", None), ("yes", None)]
)
def test_boolean_attribute(check: Check, activity_v2: Contract, given: Any, then: bool | None) -> None:
    found = check({"gift": [given]}, activity_v2).frame["attributes"].item()
    assert (None if found is None else json.loads(found)["gift"]) is then


ACTIVITY = load_contract("activity")
CANARY = "Zq7"
FREE_TEXT = st.one_of(
    st.text(max_size=20).map(lambda text: f"{text} {CANARY}@{text}.org"),
    st.text(max_size=5).map(lambda text: f"{text} my name is {CANARY} and I live"),
    st.text(string.ascii_letters + " ", min_size=80).map(lambda text: f"{CANARY}{text}x"),
    st.text(string.digits, min_size=7).map(lambda digits: f"{CANARY} {digits}"),
    st.sampled_from("!?,;:'\"\\\n\x00(){}[]<>#&*=|~^").map(lambda mark: f"{CANARY}{mark}x"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | FREE_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["store", "discount", "note"]) | FREE_TEXT, inner),
)


@given(FREE_TEXT, JSON, st.sampled_from(["store", "discount", "note"]))
def test_free_text_never_survives(text: str, nested: Any, key: str) -> None:
    objects = [json.dumps({key: nested}), json.dumps(nested), text, json.dumps({"store": "A", text: text})]
    frame = pl.DataFrame({"store": [text] * 4, "discount": [text] * 4, "attributes": objects})
    kept = collect_attributes(frame, ACTIVITY).values.to_list()
    assert not any(CANARY in found for found in kept if found is not None)
    assert all(set(json.loads(found)) <= {"store", "discount"} for found in kept if found is not None)
