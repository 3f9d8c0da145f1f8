import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon.serving import seldon_protocol as protocol
from seldon.serving.booleans import may_hold_booleans
from seldon.serving.columns import Columns
from seldon.serving.faults import Fault
from seldon.serving.messages import Messages
from seldon.serving.model import Model
from tests.seldon.serving.cases import NAMES, ROW, ndarray

MAX_ROWS = 3
BEGIN = '{"data":{"names":["recency_days","plan","tenure_days","amount_90d"]'
FEWER = '{ "data" : { "names" : [ "tenure_days" , "recency_days" ]'
ENDS = [
    ',"ndarray":[[1,"gold",2,3.5]]}}',
    ',"ndarray":[[3,null,4,null]]},"meta":{"puid":"x"}}',
    ',"ndarray":[[3,4]]},"meta":{}}',
    ',"ndarray":[[1,2],[3,4],[5,6]]},"meta":null}',
    ',"ndarray":[[1,2],[3,4],[5,6],[7,8]]}}',
    ',"ndarray":[]}}',
    ',"ndarray":[]},"meta":{"puid":"a b"}}',
    ',"ndarray":[["x","gold",2,3.5]]},"meta":{"puid":"a b"}}',
    ',"ndarray":[[]]}}',
    ',"ndarray":null}}',
    ',"ndarray":{"0":[1,2]}}}',
    ',"ndarray":[{"0":1,"1":2}]}}',
    ',"ndarray":[[1,"gold",2,3.5]],"ndarray":[[3,"gold",4,null]]}}',
    ',"names":["tenure_days","plan","recency_days","amount_90d"],"ndarray":[[1,"gold",2,3.5]]}}',
    ',"names":"recency_days","ndarray":[[1,"gold",2,3.5]]}}',
    ',"ndarray":[[1,"gold",2,3.5]]},"data":{"names":["recency_days"],"ndarray":[[1]]}}',
    ',"ndarray":[[1,"gold",2,3.5]]},"data":null}',
    ',"ndarray":[[1,"gold",2,3.5]]},"jsonData":null}',
    ',"ndarray":[[1,"gold",2,3.5]]},"jsonData":{"recency_days":1}}',
    ',"ndarray":[[1,"gold",2,3.5]],"tensor":null}}',
    ',"ndarray":[[1,"gold",2,3.5]],"more":"\xe4"}}',
    ',"ndarray":[[1,"gold",2,3.5]],"tensor":{"shape":[1,4],"values":[1,"gold",2,3.5]}}}',
    ',"tensor":{"shape":[1,2],"values":[1,2]}}}',
    ',"ndarray":[[1,"gold",2,3.5]]},"meta":{"puid":' + "[" * 2_000 + "]" * 2_000 + "}}",
    ',"ndarray":[[1,"gold",2,3.5]]},"meta":{"puid":7}}',
    ',"ndarray":[[1,"gold",2,3.5]]},"meta":{"puid":' + "1" * 400 + "}}",
    ',"ndarray":[[1,"gold",2,3.5]]},"meta":{"puid":"","tags":{"a":[1]}}}',
    ',"ndarray":[[1,"gold",2,3.5]]},"meta":{"puid":"a b"}}',
    ',"ndarray":[[1,"gold",2,3.5]]},"meta":[]}',
    ',"ndarray":[[1,"gold",2,3.5]]',
    ',"ndarray":[[1,"gold",2,3.5]]}} {}',
    ',"ndarray":' + "[" * 2_000 + "]" * 2_000 + "}}",
    "}}",
    "",
    "]}}",
]
OTHERS = [
    '{"data":{"names":["recency_days]","plan"],"ndarray":[[1,"gold"]]}}',
    '{"data":{"names":["recency_d\\u0061ys","plan"],"ndarray":[[1,"gold"]]}}',
    '{"data":{"names":["recency_days",["plan"]],"ndarray":[[1,2]]}}',
    '{"data":{"names":["recency_days","recency_days"],"ndarray":[[1,2]]}}',
    '{"data":{"names":["shoe_size"],"ndarray":[[1]]}}',
    '{"data":{"names":[],"ndarray":[]}}',
    '{"data":{"names":[1,null,true],"ndarray":[]}}',
    '{"data":{"ndarray":[[1,2]],"names":["recency_days","tenure_days"]}}',
    '{"jsonData":{"recency_days":1}}',
    "[1]",
    "",
    "\0}}",
]
VALUES = st.one_of(
    st.sampled_from(
        [
            "null",
            "true",
            "false",
            "[]",
            "{}",
            '"gold"',
            '"NaN"',
            '""',
            '"a@b"',
            '"\\u0007"',
            '"\xe4"',
            '"%s"' % ("x" * 200),
        ]
    ),
    st.sampled_from(["-0", "1e39", "3.4028235677973366e38", "3.4028235e38", "1e-400", "1e999", "01", "1.", "NaN"]),
    st.sampled_from(["9007199254740993", "16777217", "18446744073709551616", "1" + "0" * 308, "1" * 400, "1" * 5_000]),
    st.integers().map(str),
    st.floats().map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    begin, width = draw(st.sampled_from([(BEGIN, 4), (FEWER, 2)]))
    rows = draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=2))
    return (begin + ',"ndarray":[' + ",".join(f"[{','.join(row)}]" for row in rows) + "]}}").encode()


def in_full(columns: Columns, text: bytes) -> protocol.Message:
    return protocol.read_message(protocol.parsed(text), columns, partial(may_hold_booleans, text))


def asked(columns: Columns, text: bytes, known: Messages | None = None) -> object:
    """What a message asks, or what is wrong with it; as the server reads it, or in full."""
    try:
        if known is None:
            return in_full(columns, text)
        if (found := known.read(text)) is not None:
            return found
        message = in_full(columns, text)
        known.remember(text)
        return message
    except Fault as fault:
        return fault.status, fault.reason, fault.info


def taught(columns: Columns, *texts: bytes) -> Messages:
    known = Messages(columns)
    for text in texts:
        known.remember(text)
        known.remember(text)
    return known


@pytest.mark.parametrize("text", [begin + end for begin in (BEGIN, FEWER) for end in ENDS] + OTHERS)
def test_what_came_before_never_changes_what_a_message_asks(model: Model, text: str) -> None:
    columns = Columns(model, MAX_ROWS)
    known = taught(columns, BEGIN.encode(), FEWER.encode())

    for _ in range(3):
        assert asked(columns, text.encode(), known) == asked(Columns(model, MAX_ROWS), text.encode())


@given(st.lists(messages(), min_size=1, max_size=5))
def test_what_came_before_never_changes_what_a_value_is(model: Model, texts: list[bytes]) -> None:
    columns = Columns(model, MAX_ROWS)
    known = taught(columns, BEGIN.encode(), FEWER.encode())

    for text in texts:
        assert asked(columns, text, known) == asked(Columns(model, MAX_ROWS), text)


@pytest.mark.parametrize("value", ['"a@b"', '"\\u0007"', f'"{"x" * 200}"', "1", "true", "[]"])
def test_what_is_no_category_is_refused_after_known_names(model: Model, value: str) -> None:
    columns = Columns(model, MAX_ROWS)
    text = (BEGIN + f',"ndarray":[[1,{value},2,3]]}}}}').encode()

    refused = asked(columns, text, taught(columns, BEGIN.encode()))

    assert refused == asked(columns, text)
    assert isinstance(refused, tuple)
    assert refused[:2] == (400, "BAD_COLUMNS")


@pytest.mark.parametrize("row", [[None, "gold", 2, 3], [1, None, 2, 3], [1, "gold", None, 3], [1, "gold", 2, None]])
def test_what_is_required_is_never_unknown_after_known_names(model: Model, row: list[Any]) -> None:
    inputs = tuple(replace(entry, required=entry.name in NAMES) for entry in model.inputs)
    columns = Columns(replace(model, inputs=inputs), MAX_ROWS)
    text = (BEGIN + f',"ndarray":[{json.dumps(row)}]}}}}').encode()

    refused = asked(columns, text, taught(columns, BEGIN.encode()))

    assert refused == asked(columns, text)
    assert isinstance(refused, tuple)
    assert "is required, null is not allowed" in refused[2]


@pytest.mark.parametrize("value", [b"", b'"', b"\xff", b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\x01"'])
@pytest.mark.parametrize(
    "message", [b'%b,"ndarray":[[1,%b,2,3]]}}', b'%b,"ndarray":[[1,null,2,3]]},"meta":{"tags":%b}}']
)
def test_what_is_no_json_is_none_after_known_names(model: Model, message: bytes, value: bytes) -> None:
    columns = Columns(model, MAX_ROWS)
    text = message % (BEGIN.encode(), value)

    refused = asked(columns, text, taught(columns, BEGIN.encode()))

    assert refused == asked(columns, text) == (400, "BAD_DATA", "the body must be JSON")


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " :\n")])
def test_from_the_third_time_on_a_begin_is_known(model: Model, separators: tuple[str, str]) -> None:
    columns = Columns(model, MAX_ROWS)
    known = Messages(columns)
    text = json.dumps(ndarray(ROW), separators=separators).encode()

    found = []
    for _ in range(3):
        found.append(known.read(text) is not None)
        known.remember(text)

    assert found == [False, False, True]
    assert known.read(text) == in_full(columns, text)


@pytest.mark.parametrize(
    "end",
    [
        b',"ndarray":[[1,"gold",2,3.5]]}}',
        b',"ndarray":[[1.5,null,2,null],[3,"new",4,5]]}}',
        b',"ndarray":[[1,"gold",2,3.5]]},"meta":{"puid":"x"}}',
    ],
)
def test_what_fits_is_not_read_in_full_again(model: Model, end: bytes) -> None:
    known = taught(Columns(model, MAX_ROWS), BEGIN.encode())

    assert known.read(BEGIN.encode() + end) is not None


def test_callers_with_names_of_their_own_are_known_side_by_side(model: Model) -> None:
    columns = Columns(model, MAX_ROWS)
    texts = [json.dumps(ndarray(ROW, names=[*NAMES]), separators=(" " * n + ",", ":")).encode() for n in range(8)]

    known = taught(columns, *texts)

    assert [known.read(text) for text in texts] == [in_full(columns, text) for text in texts]


def test_what_is_remembered_is_bounded(model: Model) -> None:
    known = Messages(Columns(model, MAX_ROWS))

    for caller in range(1_000):
        for _ in range(3):
            known.remember(BEGIN.replace(",", " " * caller + ",", 1).encode())
    known.remember(BEGIN.replace(",", " " * 20_000 + ",", 1).encode())

    assert len(known._known) <= 8
    assert max(map(len, known._known)) < 20_000


def test_a_large_message_is_read_in_full(model: Model) -> None:
    known = taught(Columns(model, MAX_ROWS), BEGIN.encode())
    end = b',"ndarray":[[1,"gold",2,3.5]]}}'

    assert known.read(BEGIN.encode() + end) is not None
    assert known.read(BEGIN.encode() + b" " * 20_000 + end) is None


@pytest.mark.parametrize("names", ["", '"shoe_size"', '"shoe]size"'])
def test_names_that_do_not_count_are_not_known(model: Model, names: str) -> None:
    inputs = tuple(replace(entry, required=False) for entry in model.inputs)
    columns = Columns(replace(model, inputs=inputs), MAX_ROWS)
    again = '"names":["recency_days","tenure_days"],"ndarray":[[1,2]]'
    text = f'{{"data":{{"names":[{names}],{again}}}}}'.encode()

    known = taught(columns, text)

    assert known.read(text) is None
    assert in_full(columns, text).rows.size == 1
    nothing = f'{{"data":{{"names":[{names}],"ndarray":[[]]}}}}'.encode()
    assert known.read(nothing) is None
