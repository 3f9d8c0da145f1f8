"""Real customers who ask for predictions while the demo rolls versions out."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import polars as pl

CALLERS = 2
PACE = 0.016
"""Seconds from one request of a caller to its next."""


@dataclass
class Traffic:
    """Customers and their features, in the order of the model's columns.

    Attributes:
        url: of the deployment, up to the Seldon paths.
        customers: tokens.
        bodies: the request of each customer.
        asked: requests so far.
        failed: requests that were not answered with 200.
    """

    url: str
    customers: Sequence[str]
    bodies: Sequence[bytes]
    asked: int = 0
    failed: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, url: str, rows: "pl.DataFrame", customer: str) -> "Traffic":
        """Make a request of every row; `customer` is the column of the tokens, the others are features."""
        names = [name for name in rows.columns if name != customer]
        features = rows.select(names).rows()
        bodies = [json.dumps({"data": {"names": names, "ndarray": [row]}}).encode() for row in features]
        return cls(url, rows[customer].to_list(), bodies)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Let customers ask while the body runs: each once in a random order, then all again."""
        done, turns = threading.Event(), self._turns()
        callers = [threading.Thread(target=self._call, args=(turns, done), daemon=True) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            done.set()
            for caller in callers:
                caller.join()

    def _turns(self) -> Iterator[int]:
        order, numbers = random.Random(len(self.bodies)), list(range(len(self.bodies)))
        while numbers:
            order.shuffle(numbers)
            yield from numbers

    def _call(self, turns: Iterator[int], done: threading.Event) -> None:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        while not done.is_set():
            with self._counting:
                number, began = next(turns), time.monotonic()
            headers = {"Content-Type": "application/json", "x-customer-id": self.customers[number]}
            try:
                connection.request("POST", f"{place.path}/api/v1.0/predictions", self.bodies[number], headers)
                response = connection.getresponse()
                response.read()
                good = response.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                good = False
            with self._counting:
                self.asked += 1
                self.failed += not good
            done.wait(max(0.0, began + PACE - time.monotonic()))
        connection.close()
