"""What every protocol knows of a request, and what it answers."""

import random
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from seldon.serving.faults import bad_data

_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_TOKEN: Final = re.compile(rb"cus_[0-9a-f]{32}")


class Request(Struct):
    """The headers that count, and the body.

    Attributes:
        id: names the request in the log; the caller's, or a new one.
        customer: the token of the customer it is about.
        json_bytes: size of the JSON that tensors in binary follow, if any do.
    """

    id: str
    customer: str | None = None
    content_type: bytes = b""
    content_length: int | None = None
    json_bytes: int | None = None
    query: bytes = b""
    body: bytes = b""


def read_headers(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> tuple[Request, str | None]:
    """Read the headers, of each the last one; a bad one's fault comes beside the request, whose id the answer needs."""
    given, fault = dict(headers), None
    name = given.get(b"x-request-id", b"").decode("latin-1")
    request = Request(
        name if _ID.fullmatch(name) else random.randbytes(16).hex(),
        content_type=given.get(b"content-type", b""),
        query=query,
    )
    if customer := given.get(b"x-customer-id"):
        if _TOKEN.fullmatch(customer):
            request.customer = customer.decode()
        else:
            fault = "x-customer-id: must be a customer's token, cus_ and 32 hexadecimal digits (churn token)"
    if (length := given.get(b"content-length", b"")).isdigit():
        request.content_length = int(length)
    if (json_bytes := given.get(b"inference-header-content-length")) is not None:
        if json_bytes.isdigit() and len(json_bytes) < 12:
            request.json_bytes = int(json_bytes)
        else:
            fault = "inference-header-content-length: must be a number of bytes"
    return request, fault


def checked_id(value: object, where: str) -> str | None:
    """Return an id that a body gives, or none.

    Raises:
        Fault: it is something else.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise bad_data(f"{where}: must be at most 128 letters, digits, dots, colons, dashes and underscores")
    return value
