import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from churn.errors import ChurnError
from churn.telemetry.server import Documents, Kept, server_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Counts how often it is asked, and fails on demand."""

    made, fails = 0, False

    def __call__(self) -> Documents:
        self.made += 1
        if self.fails:
            raise ChurnError("ZenML does not answer (someone@example.com)")
        return {"/metrics": ("text/plain", f"page {self.made}\n".encode())}


@contextmanager
def served(documents: Callable[[], Documents]) -> Iterator[str]:
    with server_of(documents, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_documents_are_made_anew_only_when_they_are_old_and_asked_for() -> None:
    clock, source = Clock(), Source()
    with served(Kept(source, 60, clock)) as url:
        first, again = ask(f"{url}/metrics"), ask(f"{url}/metrics?x=1")
        clock.now = 59.9
        still = ask(f"{url}/metrics")
        clock.now = 60
        later = ask(f"{url}/metrics")
        unknown = ask(f"{url}/other")

    assert first == again == still == (200, "page 1\n")
    assert later == (200, "page 2\n")
    assert unknown[0] == 404
    assert source.made == 2


def test_what_cannot_be_measured_is_no_old_page_and_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    clock, source = Clock(), Source()
    with served(Kept(source, 60, clock)) as url:
        ask(f"{url}/metrics")
        clock.now, source.fails = 60, True
        away = [ask(f"{url}/metrics"), ask(f"{url}/metrics")]
        source.fails = False
        back = ask(f"{url}/metrics")

    assert [status for status, _ in away] == [503, 503]
    assert all("page 1" not in text and "ZenML" not in text for _, text in away)
    assert back == (200, "page 4\n")
    said = capsys.readouterr().err
    assert said.count("ZenML does not answer") == 2
    assert "someone@example.com" not in said


def test_a_port_that_is_taken_is_named() -> None:
    with (
        server_of(dict, 0) as server,
        pytest.raises(ChurnError, match=rf"port {server.server_port}: Address already in use; choose another"),
    ):
        server_of(dict, server.server_port)
