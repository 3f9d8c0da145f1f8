from hypothesis import example, given
from hypothesis import strategies as st

from seldon.serving.booleans import may_hold_booleans


@given(st.text("truefals", max_size=400).map(str.encode))
@example(b"u" * 60 + b"true")
@example(b"u" * 17 + b"rtrue")
@example(b"f" * 100 + b"false")
@example(b"tru" * 100)
def test_a_boolean_is_found_wherever_it_stands(text: bytes) -> None:
    assert may_hold_booleans(text) == (b"true" in text or b"false" in text)
