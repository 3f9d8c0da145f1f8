import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.privacy.keys import DataKey

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(secret=st.binary(min_size=32, max_size=32), kind=TEXT, values=st.lists(TEXT, max_size=5))
def test_a_fingerprint_is_the_hmac_of_the_standard_library(secret: bytes, kind: str, values: list[str]) -> None:
    expected = [hmac.digest(secret, kind.encode() + b"\x00" + value.encode(), "sha256") for value in values]
    assert DataKey(secret, "1").fingerprints(kind, values) == expected


def test_the_same_value_has_another_fingerprint_in_another_domain() -> None:
    key = DataKey(b"k" * 32, "1")
    assert key.fingerprint("customer", "4711") != key.fingerprint("item", "4711")


def test_a_key_shows_itself_nowhere() -> None:
    key = DataKey(b"topsecret" + b"k" * 23, "7")
    assert "topsecret" not in repr(key)
    assert "7" in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        DataKey(b"short", "1")
