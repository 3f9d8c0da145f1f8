"""The command `churn`."""

import os
from typing import Any

import typer
from typer.core import TyperGroup

from churn.errors import ChurnError
from cli import (
    demo,
    deploy,
    ingest,
    ledger,
    metrics,
    monitor,
    promote,
    quarantine,
    replay,
    reproduce,
    score,
    serve,
    snapshot,
    stack,
    status,
    token,
    train,
    upkeep,
    vault,
)


class FailingInOneLine(TyperGroup):
    """Shows an error a person can act on as one red line and exits with 1; CHURN_DEBUG=1 keeps the traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ChurnError as error:
            if os.environ.get("CHURN_DEBUG") == "1":
                raise
            from churn.scrub import scrub

            typer.secho(" ".join(scrub(str(error)).split()), fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="churn",
    cls=FailingInOneLine,
    help="From customer activity to churn predictions. Pipelines run with `zenml`; this is the rest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("deploy")(deploy.deploy)
app.command("rollback")(deploy.rollback)
app.command("drill")(deploy.drill)
app.command("replay")(replay.replay)
app.command("ingest")(ingest.ingest)
app.command("monitor")(monitor.monitor)
app.command("promote")(promote.promote)
app.command("versions")(promote.versions)
app.command("status")(status.status)
app.command("repair")(status.repair)
app.command("metrics")(metrics.metrics)
app.command("reproduce")(reproduce.reproduce)
app.command("score")(score.score)
app.command("snapshot")(snapshot.snapshot)
app.command("train")(train.train)
app.command("token")(token.token)
app.command("upkeep")(upkeep.upkeep)
app.add_typer(ledger.app, name="ledger")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(serve.app, name="serve")
app.add_typer(stack.app, name="stack")
app.add_typer(vault.app, name="vault")

if __name__ == "__main__":
    app()
