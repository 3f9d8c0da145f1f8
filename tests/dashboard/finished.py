"""The demo, run once as a newcomer runs it, for pictures of what it leaves."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.dashboard.terminal import typed
from vault.datakey import EMBEDDED_STATE
from vault.server import stop_server

COLUMNS = 140
"""Of its terminal: the comparison of the models just fits."""
_SAID, _STAGES = "demo.said", "demo.stages"


@dataclass(frozen=True)
class Finished:
    """A project in which the demo has run.

    Attributes:
        root: the project.
        checkout: whose code runs.
        said: what it wrote to its terminal, colours included.
        stages: a line for each stage, which it wrote to standard error.
    """

    root: Path
    checkout: Path
    said: str
    stages: str

    @property
    def story(self) -> str:
        """All it said but where everything is."""
        return self.said.strip("\n").rpartition("\n\n")[0]

    @property
    def stores(self) -> Path:
        """ZenML's local stores."""
        return self.root / ".churn" / "zenml" / "local_stores"

    def place(self, name: str) -> Path:
        """Return a page that the demo names at its end."""
        [found] = re.findall(rf"^{name} +(\S+)", self.said, re.MULTILINE)
        return self.root / str(found)

    def churn(self, *words: str) -> str:
        """Return what a command says on a terminal."""
        status, said = typed(_churn(*words), columns=COLUMNS, folder=self.root, environment=_environment(self))
        assert status == 0, said
        return said

    def stop(self) -> None:
        """End its servers."""
        subprocess.run(_churn("serve", "stop"), cwd=self.root, env=_environment(self), capture_output=True, check=True)
        stop_server(self.root / EMBEDDED_STATE)


def finish(root: Path, checkout: Path) -> Finished:
    """Run the demo in `root`, unless it has run there already; then only its servers are started again."""
    if (root / _SAID).exists():
        demo = Finished(root, checkout, (root / _SAID).read_text(), (root / _STAGES).read_text())
        demo.churn("serve", "start")
        return demo
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(checkout / "configs", root / "configs")
    fresh = Finished(root, checkout, "", "")
    stages = root / _STAGES
    status, said = typed(_churn("demo"), columns=COLUMNS, folder=root, environment=_environment(fresh), stderr=stages)
    assert status == 0, stages.read_text()[-2000:]
    (root / _SAID).write_text(said)
    return Finished(root, checkout, said, stages.read_text())


def _churn(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *words]


def _environment(demo: Finished) -> dict[str, str]:
    """Return the environment of somebody who has activated `.venv`: commands are named without their folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZENML_", "CHURN_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"CHURN_ROOT": str(demo.root), "PYTHONPATH": str(demo.checkout), "PATH": path}
