import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from structlog.testing import capture_logs
from zenml.alerter import BaseAlerterStepParameters
from zenml.client import Client
from zenml.integrations.slack.alerters.slack_alerter import SlackAlerter, SlackAlerterParameters

from churn.ingestion.alert import Alert
from stacks.alerts import send_alerts, slack_blocks
from stacks.register import register_stack

ALERT = Alert(
    kind="bad_share",
    severity="critical",
    stream="activity",
    message="activity: <b>9</b> of 10 rows & more",
    figures={"read": 10, "quarantined": 9},
)


@dataclass
class Webhook:
    url: str = ""
    status: int = 200
    received: list[dict[str, object]] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook/canary-secret"
    yield hook
    server.shutdown()
    thread.join()
    server.server_close()


def activate(
    zenml: Client, folder: Path, monkeypatch: pytest.MonkeyPatch, flavor: str | None, **configuration: object
) -> None:
    """Make a stack with such an alerter, or with none, the active one."""
    name = f"alerting-{uuid4().hex[:8]}"  # ZenML keeps a stack it has opened, also when a component changes
    components: list[dict[str, object]] = [
        {"type": kind, "name": "alerting", "flavor": "local"} for kind in ("orchestrator", "artifact_store")
    ]
    if flavor:
        components.append({"type": "alerter", "name": name, "flavor": flavor, "configuration": configuration})
    document = {"name": name, "labels": {"environment": "dev"}, "components": components}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    register_stack(name, zenml, folder=folder)
    monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(zenml.get_stack(name).id))


def test_the_log_alerter_logs_and_posts_json(
    zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webhook: Webhook
) -> None:
    activate(zenml, tmp_path, monkeypatch, "churn_log", webhook_url=webhook.url)

    with capture_logs() as lines:
        sent = send_alerts([ALERT], source="run 7")

    assert sent == 1
    assert webhook.received == [{"source": "run 7", **ALERT.model_dump()}]
    [line] = [line for line in lines if line["event"] == "alert"]
    assert line["log_level"] == "error"
    assert line["figures"] == {"read": 10, "quarantined": 9}


def test_the_webhook_may_be_a_secret(
    zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webhook: Webhook
) -> None:
    secret = zenml.create_secret("alerts", {"webhook_url": webhook.url})
    try:
        activate(zenml, tmp_path, monkeypatch, "churn_log", webhook_url="{{alerts.webhook_url}}")
        sent = send_alerts([ALERT], source="run 7")
    finally:
        zenml.delete_secret(str(secret.id))

    assert (sent, len(webhook.received)) == (1, 1)


def test_information_is_no_warning(zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = ALERT.model_copy(update={"kind": "history", "severity": "info"})
    activate(zenml, tmp_path, monkeypatch, "churn_log")

    with capture_logs() as lines:
        send_alerts([note], source="run 7")

    assert [line["log_level"] for line in lines if line["event"] == "alert"] == ["info"]
    assert "information_source" in slack_blocks(note, "run 7")[0]["text"]["text"]


@pytest.mark.parametrize("fault", ["refuses", "is gone", "is no URL"])
def test_a_webhook_that_fails_is_logged_without_its_secret_path(
    zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webhook: Webhook, fault: str
) -> None:
    webhook.status = 500
    url = {
        "refuses": webhook.url,
        "is gone": "http://127.0.0.1:9/canary-secret",
        "is no URL": "file:///etc/canary-secret",
    }
    activate(zenml, tmp_path, monkeypatch, "churn_log", webhook_url=url[fault])

    with capture_logs() as lines:
        sent = send_alerts([ALERT], source="run 7")

    assert sent == 0
    assert {"alert", "alert_not_delivered"} < {line["event"] for line in lines}
    assert "canary-secret" not in str(lines)


def test_a_stack_without_alerter_still_logs(zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    activate(zenml, tmp_path, monkeypatch, None)

    with capture_logs() as lines:
        sent = send_alerts([ALERT], source="run 7")

    assert sent == 0
    assert [line["message"] for line in lines if line["event"] == "alert"] == [ALERT.message]


def test_slack_gets_blocks(zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posts: list[tuple[str, BaseAlerterStepParameters | None]] = []

    def post(_: SlackAlerter, message: str, params: BaseAlerterStepParameters | None = None) -> bool:
        posts.append((message, params))
        return True

    monkeypatch.setattr(SlackAlerter, "post", post)
    activate(zenml, tmp_path, monkeypatch, "churn_slack", slack_token="xoxb-1", slack_channel_id="C1")

    assert send_alerts([ALERT], source="run 7") == 1
    [(message, params)] = posts
    assert message == ALERT.message
    assert isinstance(params, SlackAlerterParameters)
    assert params.blocks == slack_blocks(ALERT, "run 7")


def test_an_alerter_that_raises_never_stops_the_work(
    zenml: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(*_: object, **__: object) -> bool:
        raise ValueError("no channel")

    monkeypatch.setattr(SlackAlerter, "post", post)
    activate(zenml, tmp_path, monkeypatch, "churn_slack", slack_token="xoxb-1", slack_channel_id="C1")

    assert send_alerts([ALERT, ALERT], source="run 7") == 0


def test_slack_blocks_escape_markup_and_keep_to_the_limits() -> None:
    long = ALERT.model_copy(update={"message": "<!channel> " * 900, "figures": {f"f{n}": n for n in range(20)}})

    headline, figures, context = slack_blocks(long, "run <7>")

    assert "<!channel>" not in headline["text"]["text"]
    assert len(headline["text"]["text"]) <= 3000
    assert len(figures["fields"]) == 10
    assert context["elements"][0]["text"] == "run &lt;7&gt;"
