"""Send an alert through whatever alerter the active stack has; an alert that cannot be sent never stops the work."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from churn.ingestion.alert import Alert
from churn.log import get_logger

if TYPE_CHECKING:
    from zenml.alerter import BaseAlerter, BaseAlerterStepParameters

log = get_logger(__name__)
_SIGNS = {"info": ":information_source:", "warning": ":large_yellow_circle:", "critical": ":red_circle:"}


def send_alerts(alerts: Iterable[Alert], *, source: str) -> int:
    """Send each alert once and return how many arrived.

    Args:
        alerts: what to say.
        source: who says it, such as the pipeline and the run.
    """
    waiting = list(alerts)
    if not waiting:
        return 0
    alerter = _active_alerter()
    return sum(_send(alerter, alert, source) for alert in waiting)


def _active_alerter() -> "BaseAlerter | None":
    from zenml.client import Client

    try:
        return Client().active_stack.alerter
    except Exception as error:
        log.error("alerter_unavailable", error=type(error).__name__)
        return None


def _send(alerter: "BaseAlerter | None", alert: Alert, source: str) -> bool:
    if alerter is None:
        (log.info if alert.severity == "info" else log.warning)("alert", source=source, **alert.model_dump())
        return False
    try:
        sent = bool(alerter.post(alert.message, params=_parameters(alerter.flavor, alert, source)))
    except Exception as error:
        log.error("alert_failed", kind=alert.kind, stream=alert.stream, error=type(error).__name__)
        sent = False
    if not sent:
        log.warning("alert_not_delivered", source=source, **alert.model_dump())
    return sent


def _parameters(flavor: str, alert: Alert, source: str) -> "BaseAlerterStepParameters | None":
    """What each flavor takes besides the text: Slack gets blocks, ours the alert itself, others nothing."""
    if flavor == "churn_log":
        from stacks.alerter import LogAlerterParameters

        return LogAlerterParameters(alert=alert, source=source)
    if flavor in ("slack", "churn_slack"):
        from zenml.integrations.slack.alerters.slack_alerter import SlackAlerterParameters

        return SlackAlerterParameters(blocks=slack_blocks(alert, source))
    return None


def slack_blocks(alert: Alert, source: str) -> list[dict[str, Any]]:
    """Lay an alert out as Slack blocks: headline, message, figures (at most the ten Slack allows), source."""
    title = f"{_SIGNS[alert.severity]} {alert.kind.replace('_', ' ')}" + (f" · {alert.stream}" if alert.stream else "")
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": _text(f"*{title}*\n{_escaped(alert.message)}"[:3000])},
        {"type": "context", "elements": [_text(_escaped(source))]},
    ]
    if alert.figures:
        fields = [_text(f"*{name.replace('_', ' ')}*\n{_escaped(str(value))}") for name, value in alert.figures.items()]
        blocks.insert(1, {"type": "section", "fields": fields[:10]})
    return blocks


def _text(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def _escaped(text: str) -> str:
    """Escape what Slack's markup would read as a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
