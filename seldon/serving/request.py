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
    """Read the headers; the fault of a bad one comes beside the request, whose id the answer carries anyway."""
    request, fault = Request("", query=query), None
    for name, value in headers:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            request.id = text if _ID.fullmatch(text) else ""
        elif name == b"x-customer-id":
            if _TOKEN.fullmatch(value):
                request.customer = value.decode()
            elif value:
                fault = "x-customer-id: must be a customer's token, cus_ and 32 hexadecimal digits (churn token)"
        elif name == b"content-type":
            request.content_type = value
        elif name == b"content-length":
            request.content_length = int(value) if value.isdigit() else None
        elif name == b"inference-header-content-length":
            if value.isdigit() and len(value) < 12:
                request.json_bytes = int(value)
            else:
                fault = "inference-header-content-length: must be a number of bytes"
    request.id = request.id or random.randbytes(16).hex()
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
