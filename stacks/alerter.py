"""The alerter flavor `churn_log`: every alert is one line in the log and, where asked for, one POST of JSON."""

import json
from typing import TYPE_CHECKING, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from pydantic import Field
from zenml.alerter import BaseAlerter, BaseAlerterConfig, BaseAlerterFlavor, BaseAlerterStepParameters
from zenml.utils.secret_utils import SecretField

from churn.ingestion.alert import Alert
from churn.log import get_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

log: "FilteringBoundLogger" = get_logger(__name__)


class LogAlerterConfig(BaseAlerterConfig):
    """Where alerts go besides the log."""

    webhook_url: str | None = SecretField(
        default=None, description="http(s) URL that receives each alert as JSON; it often holds a token: use a secret"
    )
    timeout: float = Field(default=3.0, description="longest wait for the webhook, in seconds")


class LogAlerterParameters(BaseAlerterStepParameters):
    """The alert behind the text."""

    alert: Alert | None = None
    source: str = "churn"


class LogAlerter(BaseAlerter):
    """Writes alerts to the log and posts them to a webhook."""

    @property
    def config(self) -> LogAlerterConfig:
        """The checked configuration."""
        return cast(LogAlerterConfig, self._config)

    def post(self, message: str, params: BaseAlerterStepParameters | None = None) -> bool:
        """Log the alert and post it; a webhook that cannot be reached is logged and answered with False."""
        given = params if isinstance(params, LogAlerterParameters) else LogAlerterParameters()
        body = {"source": given.source, "message": message, **(given.alert.model_dump() if given.alert else {})}
        severity = given.alert.severity if given.alert else "warning"
        {"info": log.info, "warning": log.warning, "critical": log.error}[severity]("alert", **body)
        url = self.config.webhook_url
        return url is None or _post(url, body, self.config.timeout)

    def ask(self, question: str, params: BaseAlerterStepParameters | None = None) -> bool:
        """Refuse: a log cannot answer, and no answer is never a yes."""
        log.warning("alerter_cannot_ask", question=question)
        return False


class LogAlerterFlavor(BaseAlerterFlavor):
    """Registers `churn_log` with ZenML."""

    @property
    def name(self) -> str:
        """Name of the flavor."""
        return "churn_log"

    @property
    def config_class(self) -> type[LogAlerterConfig]:
        """Its configuration."""
        return LogAlerterConfig

    @property
    def implementation_class(self) -> type[LogAlerter]:
        """Its implementation."""
        return LogAlerter


def _post(url: str, body: dict[str, object], timeout: float) -> bool:
    """Post JSON; the log names the host alone, because the rest of a webhook URL is a secret."""
    host = urlsplit(url).hostname
    if urlsplit(url).scheme not in ("http", "https"):
        log.error("webhook_refused", reason="webhook_url is no http(s) URL; correct the alerter's configuration")
        return False
    request = Request(url, json.dumps(body, default=str).encode(), {"Content-Type": "application/json"}, method="POST")
    try:
        with urlopen(request, timeout=timeout):
            return True
    except HTTPError as error:
        log.error("webhook_failed", host=host, status=error.code)
    except (OSError, ValueError) as error:
        log.error("webhook_failed", host=host, error=type(error).__name__)
    return False
