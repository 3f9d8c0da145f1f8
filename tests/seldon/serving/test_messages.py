import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon.serving.messages import Messages

NAMES = '{"data":{"names":["a","b"]'
TEXTS = [
    NAMES + ',"ndarray":[[1,2]]}}',
    NAMES + ',"ndarray":[[3,null]]},"meta":{"puid":"x"}}',
    NAMES + "}}",
    NAMES + ',"names":["c"],"ndarray":[[1]]}}',
    NAMES + ',"names":7}}',
    NAMES + ',"ndarray":[[1,2]]},"data":{"names":["d"]}}',
    NAMES + ',"ndarray":[[1,2]]},"data":null}',
    NAMES + ',"ndarray":[[1,2]]',
    NAMES,
    NAMES + "]}}",
    '{"data":{"names":["a","b","c"],"ndarray":[[1,2,3]]}}',
    ' { "data" : { "names" : [ "a" , "b" ] , "ndarray" : [[5,6]] } }',
    '{"data":{"names":["a]","b"],"ndarray":[[1,2]]}}',
    '{"data":{"names":["a\\u005d","b"],"ndarray":[[1,2]]}}',
    '{"data":{"names":["a",["b"]],"ndarray":[[1,2]]}}',
    '{"data":{"names":[],"ndarray":[]}}',
    '{"data":{"names":[1,null,true],"ndarray":[]}}',
    '{"data":{"ndarray":[[1,2]],"names":["a","b"]}}',
    '{"jsonData":{"a":1}}',
    '{"meta":{},"data":{"names":["a","b"]}}',
    "[1]",
    "7",
    "",
    "\0}}",
    '{"data":{"names":["\xe4","b"],"ndarray":[[1,2]]}}',
]


def meant(loads: Any, text: bytes) -> Any:
    try:
        message = loads(text)
    except orjson.JSONDecodeError:
        return "no JSON"
    match message:
        case {"data": {"names": tuple(names), **others}}:
            return message | {"data": {"names": [*names], **others}}
    return message


@given(st.lists(st.sampled_from(TEXTS), max_size=12))
def test_what_came_before_never_changes_what_a_text_means(texts: list[str]) -> None:
    messages = Messages()

    for text in texts:
        assert meant(messages.loads, text.encode()) == meant(orjson.loads, text.encode())


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["names", "data", "x"]), inner)
    ),
    max_leaves=6,
)


@given(st.lists(JSON, min_size=1, max_size=3), JSON, st.sampled_from([None, (",", ": "), (" ,", " :")]), st.booleans())
def test_any_names_mean_the_same_the_second_time(
    names: list[Any], rest: Any, separators: Any, ascii_only: bool
) -> None:
    messages = Messages()
    texts = [
        json.dumps(
            {"data": {"names": names, "ndarray": value}, "x": rest}, separators=separators, ensure_ascii=ascii_only
        )
        for value in (1, rest, 1)
    ]

    for text in texts:
        assert meant(messages.loads, text.encode()) == meant(orjson.loads, text.encode())


def test_names_that_were_read_are_not_read_again() -> None:
    messages = Messages()
    texts = [b'{"data":{"names":["a","%d"],"ndarray":[[1,2]]}}' % caller for caller in range(8)]

    first, again = ([messages.loads(text)["data"]["names"] for text in texts] for _ in range(2))
    third = [messages.loads(text)["data"]["names"] for text in texts]

    assert first == [["a", str(caller)] for caller in range(8)]
    assert again == third == [("a", str(caller)) for caller in range(8)]
    assert all(one is other for one, other in zip(again, third, strict=True))


def test_what_is_remembered_is_bounded() -> None:
    messages = Messages()

    for caller in range(1_000):
        messages.loads(b'{"data":{"names":["%d"],"ndarray":[[1]]}}' % caller)
    messages.loads(b'{"data":{"names":["a%b"],"ndarray":[[1]]}}' % (b"b" * 20_000))

    assert len(messages._known) <= 8
    assert max(map(len, messages._known)) < 20_000


@pytest.mark.parametrize("end", [b"", b"]", b"}", b',"ndarray":[[1,2]]}', b'"}}', b"\xff}}"])
def test_what_is_no_json_stays_none_after_known_names(end: bytes) -> None:
    messages = Messages()
    begin = NAMES.encode()
    messages.loads(begin + b"}}")

    with pytest.raises(orjson.JSONDecodeError):
        messages.loads(begin + end)
