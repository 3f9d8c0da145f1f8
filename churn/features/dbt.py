"""Runs dbt in a process of its own: it takes seconds to import, keeps state, and its memory is given back."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from churn.errors import ChurnError
from churn.features.content import project_digest
from churn.features.settings import FeatureSettings

# Their macros and classes are what is kept, beside those of the project.
_PARSERS = ("dbt-core", "dbt-adapters", "dbt-common", "dbt-duckdb")
# Its folder is not where modules are looked for (-P): one of ours there is called as dbt is.
_PROCESS = (sys.executable, "-P", str(Path(__file__).with_name("dbt_process.py")))
# The folder of a build is new: what dbt itself would write down of what it parsed is for nobody.
_SETTINGS = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PARTIAL_PARSE": "false", "DO_NOT_TRACK": "1"}


class FeatureBuildFailed(ChurnError):
    """A model or a data test of the dbt project failed; nothing was written to the lake."""


@dataclass(frozen=True)
class Dbt:
    """A dbt project, and the folder in which a run may write.

    Attributes:
        cache: keeps what dbt parsed, for later runs of the same project; beside the project unless told.
    """

    project: Path
    work_dir: Path
    settings: FeatureSettings
    cache: Path | None = None

    @property
    def database(self) -> Path:
        """The DuckDB database of the run."""
        return self.work_dir / "build.duckdb"

    def file(self, model: str) -> Path:
        """The Parquet file of a model that is kept outside of the database."""
        return self.work_dir / f"{model}.parquet"

    def run(self, command: Sequence[str], variables: Mapping[str, object]) -> None:
        """Run a dbt command, such as `build`, with variables.

        Raises:
            FeatureBuildFailed: a data test or a model failed, or dbt could not start.
        """
        target, parsed = self.work_dir / "target", self._parsed()
        folders = ("--project-dir", self.project, "--profiles-dir", self.project, "--target-path", target)
        results = target / "run_results.json"
        results.unlink(missing_ok=True)
        options = [*map(str, folders), "--log-path", str(self.work_dir / "logs")]
        environment = {
            "CHURN_DBT_DATABASE": str(self.database),
            "CHURN_DBT_FILES": str(self.work_dir),
            "CHURN_DBT_THREADS": str(self.settings.threads),
            "CHURN_DBT_MEMORY": self.settings.memory,
        }
        ended = subprocess.run(
            [*_PROCESS, str(parsed), *command, "--vars", json.dumps(variables), "--", *options],
            cwd=self.work_dir,
            env={**_inherited(), **_SETTINGS, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if self._parsed() != parsed:  # somebody edits the project: what was parsed may not be what the name says
            parsed.unlink(missing_ok=True)
        if ended.returncode:
            raise FeatureBuildFailed(f"features: {self._cause(results, ended.stdout + ended.stderr)}")

    def _parsed(self) -> Path:
        """Return the file that keeps what dbt parsed of this project, by all that it depends on."""
        versions = [f"{name} {version(name)}" for name in _PARSERS]
        told = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("CHURN_DBT_")]
        made_from = [project_digest(self.project), str(self.project), sys.version, *versions, *told]
        digest = hashlib.sha256("\n".join(made_from).encode()).hexdigest()
        return (self.cache or self.project.parent / ".dbt_cache") / f"{digest[:32]}.msgpack"

    def _cause(self, results: Path, output: str) -> str:
        """Say which test or model failed, and where its SQL is."""
        if not results.exists():
            return f"dbt ended before it ran a model ({_reason(output)}); see {self.work_dir / 'logs' / 'dbt.log'}"
        nodes = json.loads(results.read_text(encoding="utf-8"))["results"]
        for node in nodes:
            kind, _, *path = node["unique_id"].split(".")
            name = path[-1] if kind == "unit_test" else path[0]
            if node["status"] == "fail":
                return (
                    f"dbt test {name} failed on {node['failures']} rows; nothing was written. Look at them with the "
                    f"test's SQL in {self.work_dir / 'target'}, mend the data, and build again"
                )
            if node["status"] == "error":
                return f"dbt {kind} {name} failed ({_first_lines(node['message'])}); nothing was written"
        return f"dbt failed ({_reason(output)}); see {self.work_dir / 'logs' / 'dbt.log'}"


def _inherited() -> dict[str, str]:
    """Return the environment without the settings of somebody's own dbt projects, such as DBT_TARGET."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}


def _first_lines(message: str | None, lines: int = 3) -> str:
    return " ".join(line.strip() for line in (message or "no message").splitlines()[:lines])


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # On a full disk the log fails last and says nothing; the reason stands above it.
    return next((line for line in reversed(lines) if "Error:" in line), lines[-1] if lines else "no message")
