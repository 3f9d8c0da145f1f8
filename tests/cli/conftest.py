import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from zenml.client import Client

from cli.main import app
from vault.datakey import EMBEDDED_STATE
from vault.server import stop_server

Churn = Callable[..., Result]


@pytest.fixture(scope="session")
def root(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of its own, with an embedded vault that runs once something asks for it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(project_root / "configs", folder / "configs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHURN_ROOT", str(folder))
        yield folder
    stop_server(folder / EMBEDDED_STATE)


@pytest.fixture(scope="session")
def churn(root: Path) -> Churn:
    """Run `churn` with these arguments in this process."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what ZenML imports announces removals in Python 3.13
            return CliRunner().invoke(app, list(arguments), input=stdin)

    return run


@pytest.fixture(scope="session")
def ingested(churn: Churn) -> Churn:
    """`churn` after the first day of CDNOW was uploaded and ingested."""
    for command in (
        ["replay", "--source", "cdnow", "--until", "1997-01-02"],
        ["stack", "register", "dev"],
        ["ingest", "--environment", "dev", "--until", "1997-01-02T00:00"],
    ):
        result = churn(*command)
        assert result.exit_code == 0, result.output
    assert Client().get_stack("dev")
    return churn
