"""`churn metrics`: what Prometheus reads of everything that is no server."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.zen import prepare_zenml
from stacks.environment import project_root

if TYPE_CHECKING:
    from churn.telemetry.server import Documents


def metrics(
    serve: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="Answer on 127.0.0.1 until stopped; 0 takes a free port."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a *.prom file for node_exporter's textfile collector.")
    ] = None,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="With --serve: how long what was measured is good for.")
    ] = 60.0,
) -> None:
    """Print metrics of ingestion, models, ledger, deployment and monitoring in Prometheus' form.

    With --serve they are at /metrics, and the deployment's servers at /targets.
    """
    if serve is not None and file is not None:
        raise typer.BadParameter("give one of the two", param_hint="--serve and --file")
    if file is not None and file.suffix != ".prom":
        raise typer.BadParameter(f"{file}: must be named *.prom", param_hint="--file")
    prepare_zenml(project_root(), verbosity="CRITICAL")
    if serve is not None:
        _serve(serve, every)
    elif file is not None:
        _write(file, _documents()["/metrics"][1])
    else:
        typer.echo(_documents()["/metrics"][1].decode(), nl=False)


def _documents() -> "Documents":
    from churn.monitoring.record import last_given
    from churn.telemetry.catalogue import METRICS
    from churn.telemetry.metric import CONTENT_TYPE, page
    from stacks.environment import active_settings
    from steps.overview import overview
    from steps.telemetry import samples, targets

    began = time.monotonic()
    seen = overview()
    verdicts = last_given(active_settings().lake.url)
    taken = samples(seen, verdicts, datetime.now(UTC), time.monotonic() - began)
    return {
        "/metrics": (CONTENT_TYPE, page(METRICS, taken)),
        "/targets": ("application/json", targets(seen.deployment)),
    }


def _serve(port: int, every: float) -> None:
    from churn.telemetry.server import Kept, server_of

    with server_of(Kept(_documents, every, time.monotonic), port) as server:
        typer.echo(f"http://127.0.0.1:{server.server_port}/metrics, and /targets; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _write(file: Path, content: bytes) -> None:
    """Put a file in place at once: its reader finds the old one or the new one."""
    from churn.errors import ChurnError

    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ChurnError(f"{file}: cannot be written ({error.strerror}); choose a folder that can") from None
