import pytest

from seldon.serving.request import read_headers
from tests.seldon.serving.conftest import TOKEN

GOOD, BAD = TOKEN.encode(), b"jane"


def test_of_a_header_that_is_there_twice_the_last_one_counts() -> None:
    request, fault = read_headers([(b"x-request-id", b"a"), (b"x-customer-id", BAD), (b"x-request-id", b"b")], b"")
    assert (request.id, request.customer) == ("b", None)
    assert fault is not None

    request, fault = read_headers([(b"x-customer-id", BAD), (b"x-customer-id", GOOD)], b"")
    assert (request.customer, fault) == (TOKEN, None)

    request, fault = read_headers([(b"x-customer-id", GOOD), (b"x-customer-id", BAD)], b"")
    assert request.customer is None
    assert fault is not None


@pytest.mark.parametrize("name", [b"", b" ", b"a b", b"x" * 129, b"\xe4", b"a\n", b"jane@x"])
def test_a_request_without_a_good_id_gets_one_of_its_own(name: bytes) -> None:
    ids = {read_headers([(b"x-request-id", name)], b"")[0].id for _ in range(100)}

    assert len(ids) == 100
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in ids)


@pytest.mark.parametrize(
    ("length", "known"), [(b"12", 12), (b"", None), (b"-1", None), (b"1e3", None), (b"\xb2", None)]
)
def test_a_length_that_is_none_is_unknown(length: bytes, known: int | None) -> None:
    assert read_headers([(b"content-length", length)], b"")[0].content_length == known
