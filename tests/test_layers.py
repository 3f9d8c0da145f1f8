import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def layers(project_root: Path) -> list[str]:
    document = tomllib.loads((project_root / "pyproject.toml").read_text())
    return list(document["tool"]["importlinter"]["root_packages"])


@pytest.fixture
def empty_project(project_root: Path, tmp_path: Path) -> Path:
    """Every layer as an empty package, under the project's own contracts."""
    shutil.copy(project_root / "pyproject.toml", tmp_path)
    for layer in layers(project_root):
        (tmp_path / layer).mkdir()
        (tmp_path / layer / "__init__.py").touch()
    (tmp_path / "seldon" / "serving.py").touch()  # a contract of its own names it
    return tmp_path


def test_no_layer_imports_a_higher_one(project_root: Path) -> None:
    result = lint_imports(project_root)

    assert result.returncode == 0, result.stdout


def test_every_package_is_a_layer(project_root: Path) -> None:
    packages = {path.parent.name for path in project_root.glob("*/__init__.py")}

    assert packages - {"benchmarks", "tests"} == set(layers(project_root))


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("churn", "vault"),
        ("churn", "zenml"),
        ("churn", "pandas"),
        ("churn", "hvac"),
        ("vault", "stacks"),
        ("seldon", "stacks"),
        ("seldon", "vault"),
        ("churn", "seldon"),
        ("stacks", "materializers"),
        ("materializers", "steps"),
        ("steps", "pipelines"),
        ("pipelines", "cli"),
    ],
)
def test_upward_import_is_caught(empty_project: Path, module: str, imported: str) -> None:
    (empty_project / module / "deep.py").write_text(f"import {imported}\n")

    result = lint_imports(empty_project)

    assert result.returncode == 1
    assert f"{module}.deep -> {imported}" in result.stdout


@pytest.mark.parametrize("imported", ["polars", "pydantic", "pandas", "sklearn", "zenml", "deltalake"])
def test_the_prediction_server_imports_nothing_heavy_by_any_way(empty_project: Path, imported: str) -> None:
    (empty_project / "churn" / "deep.py").write_text(f"import {imported}\n")
    (empty_project / "seldon" / "serving.py").write_text("import churn.deep\n")

    result = lint_imports(empty_project)

    assert result.returncode == 1
    assert f"churn.deep -> {imported}" in result.stdout


def test_downward_import_is_allowed(empty_project: Path) -> None:
    (empty_project / "cli" / "main.py").write_text("import churn, stacks, zenml\n")

    result = lint_imports(empty_project)

    assert result.returncode == 0, result.stdout
