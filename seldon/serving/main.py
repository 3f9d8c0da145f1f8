"""From a command line to a served bundle."""

import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from socket import socket

from churn.bundle.errors import BundleInvalid
from seldon.serving.app import App
from seldon.serving.fetch import BundleUnreachable, bundle_folder
from seldon.serving.landing import landing_at
from seldon.serving.limits import SNAPSHOT_SECONDS
from seldon.serving.metrics import Metrics
from seldon.serving.mirror import customers_at
from seldon.serving.model import Model, open_model
from seldon.serving.options import Options, read_options
from seldon.serving.prediction_log import PredictionLog
from seldon.serving.records import Features
from seldon.serving.refusal import REFUSED, UNREACHABLE, WRONG_ARGUMENTS, complain
from seldon.serving.server import Server, process_name
from seldon.serving.sockets import listen

_SWITCH_SECONDS = 0.0001
"""How long the thread of the log may hold up a request; Python's own 5 ms are several requests."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; returns the exit status.

    Statuses: 0 after a drain, 2 for wrong arguments, 3 for a bundle that is not what it must be, 4 for one that its
    store does not give.
    """
    options = read_options(sys.argv[1:] if arguments is None else arguments, os.environ)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    ports = [options.port, *([] if options.metrics_port is None else [options.metrics_port])]
    try:
        sockets = listen(options.host, ports)
    except OSError as error:
        complain(f"{options.host}, port {' and '.join(map(str, ports))}: {error.strerror}; choose others")
        return WRONG_ARGUMENTS
    try:
        with bundle_folder(options.bundle) as folder:
            model = open_model(folder, options.identity.digest)
    except BundleInvalid as error:
        complain(str(error))
        return REFUSED
    except BundleUnreachable as error:
        complain(str(error))
        return UNREACHABLE
    with customers_at(options.customers) as folder:
        _serve(options, model, folder, sockets)
    return 0


def _serve(options: Options, model: Model, customers: Path | None, sockets: list[socket]) -> None:
    metrics = Metrics(options.identity)
    log = None
    if options.log_to is not None:
        features = Features(model.numbers, model.texts, model.missing)
        landing = landing_at(options.log_to)
        log = PredictionLog(landing, options.identity, features, metrics, options.log, process_name(), options.clock)
    app = App(model, options.identity, options.limits, metrics, log, options.clock)
    if customers is not None:
        app.take_customers(customers, options.staleness, SNAPSHOT_SECONDS)
    server = Server(
        app,
        drain_seconds=options.drain_seconds,
        grace_seconds=options.grace_seconds,
        headers=options.identity.headers(),
    )
    metrics.watch(lambda: app.in_flight(), options.limits.in_flight, lambda: log.waiting if log is not None else 0)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What is there now stays until the end: no collection needs to look at it again.
    gc.collect()
    gc.freeze()
    server.run(sockets)
    if log is not None:
        log.close(options.drain_seconds)
