"""The command line, with defaults from what Seldon Core and KServe put in a container's environment."""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from churn.clock import ProjectClock
from churn.errors import ChurnError
from seldon.serving.answer import TRACKS, Identity
from seldon.serving.customers import Staleness, WhenStale
from seldon.serving.limits import Limits, LogLimits

_NAMES_OF_SELDON = {"model_uri": "bundle"}


@dataclass(frozen=True)
class Options:
    """What a process serves, where, and within which limits.

    Attributes:
        bundle: its folder, or its URL in an object store.
        customers: folder of the customer snapshots, or its URL in an object store, if customers are answered by token.
        metrics_port: a second port that answers too; Seldon Core scrapes metrics there.
        drain_seconds: for accepted requests to be answered after SIGTERM, and for the log to be written.
        grace_seconds: of these, how long new connections are still taken.
        clock: seconds since 1970, which date predictions.
    """

    bundle: str
    identity: Identity
    host: str
    port: int
    metrics_port: int | None
    limits: Limits
    log_to: str | None
    log: LogLimits
    customers: str | None
    staleness: Staleness
    drain_seconds: float
    grace_seconds: float
    clock: Callable[[], float]


def read_options(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Read the command line; wrong arguments end the process with status 2."""
    parser = _parser(environ)
    given = parser.parse_args(arguments)
    for name in ("bundle", "digest", "version"):
        if not getattr(given, name):
            parser.error(f"--{name} is required")
    return Options(
        bundle=given.bundle,
        identity=Identity(
            deployment=given.deployment,
            namespace=given.namespace,
            name=given.name or given.deployment,
            version=given.version,
            digest=given.digest,
            track=given.track,
        ),
        host=given.host,
        port=given.port,
        metrics_port=given.metrics_port,
        limits=Limits(
            body=given.max_body,
            rows=given.max_rows,
            in_flight=given.max_waiting,
            seconds=given.timeout,
            drill=given.drill,
        ),
        log_to=given.log_to,
        log=LogLimits(seconds=given.log_seconds, rows=given.log_rows, queue=given.log_queue),
        customers=given.customers or None,
        staleness=Staleness(given.customers_max_age, given.customers_when_stale),
        drain_seconds=given.drain_seconds,
        grace_seconds=min(given.grace_seconds, given.drain_seconds),
        clock=_dated_by(ProjectClock(given.clock)) if given.clock else time.time,
    )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parameters = _parameters(environ.get("PREDICTIVE_UNIT_PARAMETERS", ""))
    port = _first(environ, "PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "PREDICTIVE_UNIT_SERVICE_PORT", "PORT")
    predictor = environ.get("PREDICTOR_ID", "")
    parser = argparse.ArgumentParser("python -m seldon.serving", description="Serves one model bundle.")
    parser.add_argument("--bundle", default=parameters.get("bundle"), help="the bundle's folder, or its URL")
    parser.add_argument("--digest", default=parameters.get("digest"), help="the digest that the bundle must have")
    parser.add_argument("--version", default=parameters.get("version"), type=_word, help="the model's version")
    parser.add_argument("--track", choices=TRACKS, default=predictor if predictor in TRACKS else "stable")
    parser.add_argument("--namespace", default="churn", type=_word)
    parser.add_argument("--deployment", default=environ.get("SELDON_DEPLOYMENT_ID") or "churn", type=_word)
    parser.add_argument(
        "--name",
        default=environ.get("PREDICTIVE_UNIT_ID"),
        type=_word,
        help="of the model in /v2/models/NAME; the deployment's, if not given",
    )
    parser.add_argument("--host", default="127.0.0.1", help="a container listens on 0.0.0.0")
    parser.add_argument("--port", default=port or 9000, type=_port, help="0 takes a free one")
    parser.add_argument(
        "--metrics-port",
        default=environ.get("PREDICTIVE_UNIT_METRICS_SERVICE_PORT") or None,
        type=_port,
        help="a second port, for who scrapes metrics",
    )
    parser.add_argument("--max-body", default=Limits.body, type=_count, help="bytes of a request")
    parser.add_argument("--max-rows", default=Limits.rows, type=_count, help="rows of a request")
    parser.add_argument("--max-waiting", default=Limits.in_flight, type=_count, help="requests accepted at a time")
    parser.add_argument("--timeout", default=Limits.seconds, type=_seconds, help="seconds for a body to arrive")
    parser.add_argument("--log-to", default=parameters.get("log_to"), help="landing zone, a folder or URL; else no log")
    parser.add_argument("--log-seconds", default=LogLimits.seconds, type=_seconds, help="age of a finished log file")
    parser.add_argument("--log-rows", default=LogLimits.rows, type=_count, help="rows of a log file")
    parser.add_argument(
        "--log-queue", default=LogLimits.queue, type=_count, help="rows that may wait beyond --log-rows"
    )
    parser.add_argument("--customers", default=parameters.get("customers"), help="folder or URL of customer snapshots")
    parser.add_argument(
        "--customers-max-age", type=_hours, help="hours that a snapshot's cutoff may lie back; else any"
    )
    parser.add_argument(
        "--customers-when-stale", choices=get_args(WhenStale), default=Staleness.when, help="what an older one brings"
    )
    parser.add_argument("--drain-seconds", default=20.0, type=_seconds, help="for answering after SIGTERM")
    parser.add_argument("--grace-seconds", default=0.3, type=_seconds, help="connections taken after SIGTERM")
    parser.add_argument("--clock", type=Path, help="file of a clock that dates predictions; else the machine's")
    parser.add_argument("--drill", default=0.0, type=_share, help="share that fails on purpose, to rehearse a rollback")
    return parser


def _dated_by(clock: ProjectClock) -> Callable[[], float]:
    """Return a clock's seconds; a file that cannot be read fails no request, whose time then is the machine's."""

    def seconds() -> float:
        try:
            return clock.seconds()
        except (ChurnError, OSError):
            return time.time()

    return seconds


def _parameters(text: str) -> dict[str, str]:
    """Return the parameters of a unit of a Seldon graph."""
    try:
        entries = json.loads(text or "[]")
        named = {entry["name"]: str(entry["value"]) for entry in entries}
    except (ValueError, TypeError, KeyError):
        return {}
    return {_NAMES_OF_SELDON.get(name, name): value for name, value in named.items()}


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _word(text: str) -> str:
    """Return a name that can stand in a path, a header and a file name."""
    if not text.isascii() or not text.replace("-", "").replace("_", "").replace(".", "").isalnum() or len(text) > 100:
        raise argparse.ArgumentTypeError("must be at most 100 letters, digits, dots, dashes and underscores")
    return text


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be a port from 0 to 65535")
    return port


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 86_400:
        raise argparse.ArgumentTypeError("must be seconds of less than a day")
    return seconds


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours < 1e6:
        raise argparse.ArgumentTypeError("must be hours above 0")
    return hours


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("must be a share from 0 to 1")
    return share
