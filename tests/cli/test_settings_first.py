import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WHOLE = "environment: dev\nlanding: {url: landing}\nlake: {url: lake}\n"


def ingest(project_root: Path, root: Path, *options: str) -> tuple[int, str]:
    """Run `churn ingest` where ZenML cannot be imported, and return its exit code and what it said."""
    script = (
        "import sys; sys.modules['zenml'] = None; from typer.testing import CliRunner; from cli.main import app; "
        f"done = CliRunner(env={{'CHURN_ROOT': {str(root)!r}}}).invoke(app, ['ingest', *{list(options)!r}]); "
        "print(done.output, end=''); sys.exit(done.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project_root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("text", ["", WHOLE + "lnding: 3\n", "environment: dev\nlanding:\n\turl: x\n", None])
@pytest.mark.parametrize("options", [[], ["--environment", "dev"]], ids=["active", "named"])
def test_wrong_settings_are_refused_in_one_line_before_zenml_starts(
    project_root: Path, tmp_path: Path, text: str | None, options: list[str]
) -> None:
    (tmp_path / "configs").mkdir()
    if text is not None:
        (tmp_path / "configs" / "dev.yaml").write_text(text)

    code, said = ingest(project_root, tmp_path, *options)

    assert code == 1
    assert said.startswith(f"{tmp_path}/configs/dev.yaml: ")
    assert said.count("\n") == 1


def test_a_named_environment_does_not_suffer_from_another(project_root: Path, tmp_path: Path) -> None:
    shutil.copytree(project_root / "configs", tmp_path / "configs")
    (tmp_path / "configs" / "dev.yaml").write_text("")

    _, said = ingest(project_root, tmp_path, "--environment", "staging")

    assert "dev.yaml" not in said
