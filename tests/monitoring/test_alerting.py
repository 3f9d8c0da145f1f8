"""A real Prometheus and Alertmanager watch the real prediction server."""

import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.bundle.bundle import Bundle
from tests.seldon.serving.cases import PREDICT
from tests.seldon.serving.conftest import Server, command, started
from tests.telemetry import RULE_FILES

pytestmark = pytest.mark.slow

FASTER = 60
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ROW = {"jsonData": [{"recency_days": 12, "tenure_days": 240, "active_day_rate": 0.1}]}


def faster(rules: str) -> str:
    """Return rules with every duration divided by FASTER; thresholds stay."""

    def shorter(found: re.Match[str]) -> str:
        milliseconds = int(found[2]) * SECONDS[found[3]] * 1000 // FASTER
        return f"{found[1]}{milliseconds}ms{found[4]}"

    return re.sub(r"(\[|for: )(\d+)([smhd])(\]|$)", shorter, rules, flags=re.MULTILINE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def answered(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def wait(until: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := until():
                return found
        except (urllib.error.URLError, ConnectionError, ValueError):
            pass
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)


@contextmanager
def running(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as written, subprocess.Popen(words, stdout=written, stderr=written) as process:
        try:
            yield process
        finally:
            process.terminate()


class Watch:
    """Prometheus and Alertmanager on ports of their own, looking at some servers every second."""

    def __init__(self, folder: Path, program: Callable[[str], str], servers: list[int]) -> None:
        self.folder, self.program = folder, program
        self.prometheus, self.alertmanager = free_port(), free_port()
        rules = folder / "rules"
        rules.mkdir()
        for file in RULE_FILES:
            (rules / file.name).write_text(faster(file.read_text(encoding="utf-8")))
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules/*.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager}"]}]}]},
            "scrape_configs": [
                {
                    "job_name": "churn-serving",
                    "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in servers]}],
                }
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        (folder / "alertmanager.yml").write_text(
            "route: {receiver: nobody, group_wait: 1s}\nreceivers: [{name: nobody}]"
        )

    @contextmanager
    def watching(self) -> Iterator[None]:
        prometheus = [
            self.program("prometheus"),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus}",
        ]
        alertmanager = [
            self.program("prometheus-alertmanager"),
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.alertmanager}",
            "--cluster.listen-address=",
        ]
        with ExitStack() as stack:
            stack.enter_context(running(alertmanager, self.folder / "alertmanager.log"))
            stack.enter_context(running(prometheus, self.folder / "prometheus.log"))
            wait(lambda: self.value("sum(up)"), 60, "Prometheus scrapes")
            yield

    def value(self, expression: str) -> float | None:
        query = urllib.parse.urlencode({"query": expression})
        result = answered(f"http://127.0.0.1:{self.prometheus}/api/v1/query?{query}")["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Return what Alertmanager holds, by name."""
        found = answered(f"http://127.0.0.1:{self.alertmanager}/api/v2/alerts?active=true")
        return {alert["labels"]["alertname"]: alert for alert in found}

    def groups(self) -> list[dict[str, Any]]:
        return list(answered(f"http://127.0.0.1:{self.prometheus}/api/v1/rules")["data"]["groups"])


@contextmanager
def asked(servers: list[Server]) -> Iterator[None]:
    """Ask every server some twenty times a second."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.05):
            for server in servers:
                server.ask(PREDICT, ROW)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_durations_are_divided_and_nothing_else_is() -> None:
    shipped = "expr: rate(x[5m]) > 300 and time() - y > 2 * 3600\nfor: 10m\n"

    assert faster(shipped) == "expr: rate(x[5000ms]) > 300 and time() - y > 2 * 3600\nfor: 10000ms\n"


def test_a_spike_of_errors_becomes_an_alert_and_clean_servers_raise_none(
    tmp_path: Path,
    program: Callable[[str], str],
    interpreter: Path,
    bundle: Bundle,
    project_root: Path,
) -> None:
    def start(name: str, *options: str) -> Server:
        landing = tmp_path / name
        words = command(interpreter, bundle, "--log-to", str(landing), "--deployment", name, *options)
        return started(words, project_root, landing)

    clean, broken = start("clean"), start("broken", "--drill", "0.2")
    watch = Watch(tmp_path, program, [clean.port, broken.port])
    try:
        with watch.watching():
            with asked([clean]):
                rate = 'track:churn_requests:rate5m{deployment="clean"}'
                wait(lambda: (watch.value(rate) or 0) > 1, 60, "the rate is recorded")
                time.sleep(12)  # longer than the longest patience of an alert on serving
                quiet = watch.alerts()
                with asked([broken]):
                    began = time.monotonic()
                    alert = wait(lambda: watch.alerts().get("ChurnServingErrors"), 60, "the alert")
                    seconds = time.monotonic() - began
                    alone = set(watch.alerts())
            broken.end()
            down = wait(lambda: watch.alerts().get("ChurnTargetDown"), 60, "the alert on the target")
            groups = watch.groups()
    finally:
        for server in (clean, broken):
            with server.process:
                server.process.kill()

    # Latency is that of a machine which others use as well.
    assert set(quiet) <= {"ChurnServingSlow"}
    assert alone - {"ChurnServingSlow"} == {"ChurnServingErrors"}
    assert alert["labels"]["deployment"] == "broken"
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["runbook"] == "docs/telemetry.md#churnservingerrors"
    assert seconds >= 5
    assert down["labels"]["instance"] == f"127.0.0.1:{broken.port}"
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"] == []
