"""Stands in for the prediction server in tests of the gateway: the same command line, answers and log, and faults.

Its bundle is a folder with `digest` and, for a faulty one, `fault.json`, which is read at every request so that a test
can break a server that runs: {"kind": "exit" | "slow_start" | "never_ready" | "crash" | "errors" | "stale" | "slow" |
"wrong" | "memory", "share": 0.03, "seconds": 0.2}.
"""

import argparse
import gzip
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WRONG, RIGHT = 0.9, 0.25
LOG_EVERY = 0.3


class Log:
    """The prediction log, rolled several times a second."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem, self._sequence = folder, stem, 0
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def add(self, record: dict[str, Any]) -> None:
        with self._lock:
            self._lines.append(json.dumps(record))

    def flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        now = datetime.now(UTC)
        folder = self._folder / "predictions" / f"dt={now:%Y-%m-%d}" / f"hour={now:%H}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._stem}-{os.getpid()}-{self._sequence}.jsonl.gz"
        self._sequence += 1
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
        temporary.rename(path)

    def keep_flushing(self) -> None:
        while True:
            time.sleep(LOG_EVERY)
            self.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True
    options: argparse.Namespace
    log: Log
    draining = False

    def do_GET(self) -> None:
        ready = self.path != "/health/status" or not (self.draining or fault(self.options).get("kind") == "never_ready")
        self.answer(200 if ready else 503, {"path": self.path})

    def do_POST(self) -> None:
        began = time.perf_counter()
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        wrong = fault(self.options)
        hit = random.random() < wrong.get("share", 1.0)
        match wrong.get("kind") if hit else None:
            case "crash":
                os._exit(1)
            case "errors":
                return self.answer(500, {"status": {"code": 500}})
            case "stale":
                return self.answer(503, {"status": {"code": 503}}, {"x-envoy-ratelimited": "true"})
            case "slow":
                time.sleep(wrong["seconds"])
            case "memory":
                hoard: list[bytearray] = []
                try:
                    while True:
                        hoard.append(bytearray(32 * 2**20))
                except MemoryError:
                    os.kill(os.getpid(), signal.SIGKILL)
        rows = json.loads(body or b"{}").get("jsonData") or [{}]
        scores = [WRONG if wrong.get("kind") == "wrong" else score_of(row) for row in rows]
        request_id = self.headers.get("x-request-id")
        self.log.add(
            {
                "event_id": f"{request_id}-0",
                "request_id": request_id,
                "row": 0,
                "customer_id": self.headers.get("x-customer-id"),
                "event_time": datetime.now(UTC).isoformat(timespec="microseconds"),
                "deployment": self.options.deployment,
                "track": self.options.track,
                "model_version": self.options.version,
                "bundle_digest": self.options.digest,
                "features": rows[0] or {"recency_days": 3.0},
                "score": scores[0],
                "contacted": scores[0] >= 0.5,
                "latency_ms": (time.perf_counter() - began) * 1000,
            }
        )
        tags = {"digest": self.options.digest, "track": self.options.track}
        return self.answer(200, {"meta": {"tags": tags}, "data": {"ndarray": [[1 - score, score] for score in scores]}})

    def answer(self, code: int, document: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(document).encode()
        # Head and body in one write, as the real server does: half an answer could not be tried again.
        self.send_response(code)
        self.send_header("content-length", str(len(content)))
        if "x-request-id" in self.headers:
            self.send_header("x-request-id", self.headers["x-request-id"])
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("x-churn-version", self.options.version)
        self.send_header("x-churn-track", self.options.track)
        self.send_header("x-churn-digest", self.options.digest[:12])
        self._headers_buffer += [b"\r\n", content]  # type: ignore[attr-defined]
        self.flush_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def score_of(row: Mapping[str, float]) -> float:
    """A score that differs from customer to customer, where a request tells of one."""
    return row["recency_days"] / 100 if row else RIGHT


def fault(options: argparse.Namespace) -> dict[str, Any]:
    try:
        return dict(json.loads((options.bundle / "fault.json").read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("digest", "version", "track", "namespace", "deployment", "host", "log-to"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    wrong = fault(options)
    if wrong.get("kind") == "exit":
        return 1
    if wrong.get("kind") == "slow_start":
        time.sleep(wrong["seconds"])
    if (options.bundle / "digest").read_text() != options.digest:
        print(f"{options.bundle}: another bundle than {options.digest[:12]}", file=sys.stderr)
        return 3
    Handler.options = options
    Handler.log = Log(Path(options.log_to), f"{options.deployment}-{options.track}")
    threading.Thread(target=Handler.log.keep_flushing, daemon=True).start()
    server = Server((options.host, options.port), Handler)

    def drain(*_: Any) -> None:
        Handler.draining = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, drain)
    print(json.dumps({"event": "ready", "port": server.server_port, "pid": os.getpid()}), flush=True)
    server.serve_forever(poll_interval=0.05)
    Handler.log.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
