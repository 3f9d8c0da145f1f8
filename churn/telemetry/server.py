"""A server on loopback whose documents are made anew when they are asked for and have become old."""

import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer

from churn.errors import ChurnError
from churn.scrub import scrub

Documents = Mapping[str, tuple[str, bytes]]
"""Content type and body by path."""


class Kept:
    """Documents that are made at most every so many seconds, and never when nobody asks."""

    def __init__(self, make: Callable[[], Documents], seconds: float, clock: Callable[[], float]) -> None:
        """Bind; nothing is made yet.

        Args:
            make: makes them all.
            seconds: how long they are good for.
            clock: monotonic, in seconds.
        """
        self._make, self._seconds, self._clock = make, seconds, clock
        self._documents: Documents = {}
        self._made_at: float | None = None

    def __call__(self) -> Documents:
        """Return the documents, old ones made anew; what could not be made is tried again at the next call.

        Raises:
            ChurnError: as `make` does; what was made before is not handed out as if it were new.
        """
        now = self._clock()
        if self._made_at is None or now - self._made_at >= self._seconds:
            self._made_at = None
            self._documents = self._make()
            self._made_at = now
        return self._documents


def server_of(documents: Callable[[], Documents], port: int) -> HTTPServer:
    """Return a server on 127.0.0.1 that has its port, and answers one request at a time once it serves.

    Documents that cannot be made are a 503, and a line on stderr that says why.

    Raises:
        ChurnError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a client that says nothing holds the others up no longer

        def do_GET(self) -> None:
            try:
                found = documents().get(self.path.partition("?")[0])
            except ChurnError as error:
                print(" ".join(scrub(str(error)).split()), file=sys.stderr, flush=True)
                self.send_error(503, "cannot be measured now")
                return
            if found is None:
                self.send_error(404)
                return
            kind, body = found
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        return HTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise ChurnError(f"127.0.0.1, port {port}: {error.strerror}; choose another") from None
