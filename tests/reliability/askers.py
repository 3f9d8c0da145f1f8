"""Customers who ask the prediction API, and what they were answered."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

CALLERS = 2
PACE = 0.012
"""Seconds between two requests of a caller."""
BATCH = 10
TAKEN_SECONDS = 30
"""For a server to take a new snapshot."""


@dataclass
class Askers:
    """Whoever asks by token.

    Attributes:
        answered: ids that the prediction log must hold, one for each customer of each answer.
        failed: requests that were answered with anything but 200.
    """

    draw: random.Random
    tokens: Sequence[str] = ()
    answered: list[str] = field(default_factory=list)
    asked: int = 0
    failed: list[str] = field(default_factory=list)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, url: str, customers: int) -> None:
        """Let that many customers be asked about: most of them alone, some in requests of ten."""
        some = self.draw.sample(list(self.tokens), min(customers, len(self.tokens)))
        alone = len(some) * 2 // 3
        groups = [[token] for token in some[:alone]]
        groups += [some[first : first + BATCH] for first in range(alone, len(some), BATCH)]
        connection = _connect(url)
        for group in groups:
            self._request(connection, url, group)
        connection.close()

    @contextmanager
    def flowing(self, url: str) -> Iterator[None]:
        """Let customers ask one after another while the body runs."""
        done, turns = threading.Event(), self._turns()
        callers = [threading.Thread(target=self._call, args=(url, turns, done), daemon=True) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            done.set()
            for caller in callers:
                caller.join()

    def _turns(self) -> Iterator[str]:
        tokens = list(self.tokens)
        while tokens:
            self.draw.shuffle(tokens)
            yield from tokens

    def _call(self, url: str, turns: Iterator[str], done: threading.Event) -> None:
        connection = _connect(url)
        while not done.wait(PACE):
            with self._counting:
                token = next(turns)
            self._request(connection, url, [token])
        connection.close()

    def wait_for(self, url: str, digest: str) -> None:
        """Return once customers are answered from that snapshot, which a server looks for every few seconds.

        Raises:
            TimeoutError: they still are not.
        """
        deadline = time.monotonic() + TAKEN_SECONDS
        connection = _connect(url)
        while _snapshot(_post(connection, url, [self.tokens[0]])[1]) != digest:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the snapshot {digest} is not served after {TAKEN_SECONDS} s")
            time.sleep(0.1)
        connection.close()

    def _request(self, connection: http.client.HTTPConnection, url: str, group: list[str]) -> None:
        try:
            response, answer = _post(connection, url, group)
            ids = _ids(answer, str(response.getheader("x-churn-track")), len(group))
            fault = "" if response.status == 200 else f"{response.status}: {answer}"
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            connection.close()
            ids, fault = [], repr(error)
        with self._counting:
            self.asked += 1
            if fault:
                self.failed.append(fault)
            else:
                self.answered += ids


def _connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)


def _post(
    connection: http.client.HTTPConnection, url: str, group: list[str]
) -> tuple[http.client.HTTPResponse, dict[str, Any]]:
    headers = {"content-type": "application/json"} | ({"x-customer-id": group[0]} if len(group) == 1 else {})
    body = json.dumps({"jsonData": {"customers": group}})
    connection.request("POST", f"{urlsplit(url).path}/api/v1.0/predictions", body, headers)
    response = connection.getresponse()
    return response, json.loads(response.read())


def _snapshot(answer: dict[str, Any]) -> str | None:
    """Return what was answered from; none where there was nothing yet."""
    digest: str | None = answer["meta"].get("tags", {}).get("snapshot", {}).get("digest")
    return digest


def _ids(answer: dict[str, Any], track: str, rows: int) -> list[str]:
    return [f"{answer['meta']['puid']}-{track}-{row}" for row in range(rows)]


@dataclass
class Logged:
    """Ids of the records that lie in the landing zone; a file is read once, it never changes."""

    folder: Path
    ids: set[str] = field(default_factory=set)
    _read: set[Path] = field(default_factory=set)
    _checked: int = 0

    def holds(self, answered: Sequence[str]) -> bool:
        """Tell whether everything that was answered lies there."""
        for path in set(self.folder.rglob("*.parquet")) - self._read:
            self.ids.update(pl.read_parquet(path, columns=["event_id"], glob=False)["event_id"])
            self._read.add(path)
        while self._checked < len(answered) and answered[self._checked] in self.ids:
            self._checked += 1
        return self._checked == len(answered)
