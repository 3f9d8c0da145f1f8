"""Prometheus' HTTP API, as far as it takes to read raw counters."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from churn.errors import ChurnError


class TelemetryMissing(ChurnError):
    """Prometheus does not say what it was asked for."""


@dataclass(frozen=True)
class Series:
    """One counter.

    Attributes:
        labels: what it counts, and where.
        samples: (Unix time, value), oldest first.
    """

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


def raw_series(url: str, selector: str, since: datetime, until: datetime, patience: float) -> tuple[Series, ...]:
    """Return every sample of some counters.

    Args:
        url: of the server.
        selector: a metric with its labels.
        since: first moment.
        until: last moment.
        patience: seconds for the answer.

    Raises:
        TelemetryMissing: there is no answer, or none that can be read.
    """
    seconds = max(int((until - since).total_seconds() + 0.999), 1)
    query = {"query": f"{selector}[{seconds}s]", "time": f"{until.timestamp():.3f}"}
    asked = urllib.request.Request(
        f"{url.rstrip('/')}/api/v1/query",
        data=urllib.parse.urlencode(query).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=patience) as answer:
            return series_of(answer.read())
    except urllib.error.HTTPError as error:
        raise TelemetryMissing(f"{url}: answers {error.code} to a query; check the deployer's `prometheus`") from None
    except (OSError, ValueError) as error:
        raise TelemetryMissing(
            f"{url}: does not answer ({type(error).__name__}: {error}); check the deployer's `prometheus`"
        ) from None


def series_of(answer: bytes) -> tuple[Series, ...]:
    """Read the answer to a query for ranges.

    Raises:
        ValueError: it is another kind of answer.
    """
    document = json.loads(answer)
    try:
        if document["status"] != "success" or document["data"]["resultType"] != "matrix":
            raise ValueError("no matrix")
        return tuple(
            Series(dict(found["metric"]), tuple((float(at), float(value)) for at, value in found["values"]))
            for found in document["data"]["result"]
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an answer of Prometheus ({type(error).__name__})") from None
