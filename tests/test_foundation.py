import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = ("bash", "make", "git", "awk", "dirname", "flock", "touch")


@pytest.fixture
def fresh(project_root: Path, tmp_path: Path) -> Path:
    """A clone that has no .venv yet."""
    clone = tmp_path / "clone"
    shutil.copytree(project_root / "requirements", clone / "requirements")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(project_root / name, clone)
    return clone


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH with what the Makefile may use, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)
    return folder


def interpreter(folder: Path, name: str, version: str, *, has_venv: bool = True) -> None:
    """An executable that answers the questions of the installer like that version of Python."""
    answer = f'case "$2" in *version_info*) echo {version} ;; *ensurepip*) exit {int(not has_venv)} ;; esac'
    path = folder / name
    path.write_text(f'#!/usr/bin/env bash\n[ "$1" = -c ] || {{ echo "asked: $*" >&2; exit 9; }}\n{answer}\n')
    path.chmod(0o755)


def setup(clone: Path, tools: Path) -> list[str]:
    """Run `make setup`, which must fail, and return what it said apart from make's own last line."""
    environment = {"PATH": f"{tools}:/nowhere", "HOME": str(clone)}
    command = [str(tools / "make"), "setup"]
    result = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert not (clone / ".venv" / ".ready").exists()
    return [line for line in (result.stdout + result.stderr).splitlines() if not line.startswith("make: ***")]


def test_unsupported_python_is_refused_in_one_clear_line(fresh: Path, tools: Path) -> None:
    interpreter(tools, "python3", "3.10")

    [line] = setup(fresh, tools)

    assert line.startswith("churn: Python 3.11 or 3.12 with venv is needed, python3 is 3.10; ")


def test_python_without_venv_is_refused_in_one_clear_line(fresh: Path, tools: Path) -> None:
    interpreter(tools, "python3.11", "3.11", has_venv=False)

    [line] = setup(fresh, tools)

    assert "python3.11 lacks its venv package" in line


def test_machine_without_python_is_told_what_is_needed(fresh: Path, tools: Path) -> None:
    [line] = setup(fresh, tools)

    assert line.startswith("churn: Python 3.11 or 3.12 with venv is needed; ")


def test_machine_without_git_is_told_so(fresh: Path, tools: Path) -> None:
    interpreter(tools, "python3", "3.11")
    (tools / "git").unlink()

    [line] = setup(fresh, tools)

    assert line == "churn: git is missing; install it and run make again"


def test_first_supported_python_is_taken(fresh: Path, tools: Path) -> None:
    (tools / "python3.11").write_text("#!/usr/bin/env bash\nexit 127\n")
    (tools / "python3.11").chmod(0o755)
    interpreter(tools, "python3.12", "3.12")
    interpreter(tools, "python3", "3.13")

    lines = setup(fresh, tools)

    assert "churn: making .venv with python3.12, about a minute the first time" in lines
    assert "asked: -m venv --clear .venv" in lines


def locks(project_root: Path) -> list[Path]:
    return sorted((project_root / "requirements").glob("*.lock"))


def test_lock_names_no_host_and_stays_small(project_root: Path) -> None:
    names = [path.stem for path in locks(project_root)]
    assert names == ["dev", "platform", "seldon", "serving", "spark"]
    for path in locks(project_root):
        text = path.read_text()
        assert not re.search(r"://|--(extra-)?index|--find-links| @ ", text)
        assert path.stat().st_size < 2**20


def test_every_locked_requirement_is_exact_and_hashed(project_root: Path) -> None:
    for path in locks(project_root):
        requirements = path.read_text().replace("\\\n", " ").splitlines()

        for requirement in filter(None, requirements):
            assert re.match(r"[a-z0-9._-]+==\S+ ", requirement), requirement
            assert "--hash=sha256:" in requirement, requirement


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+==\S+)", lock.read_text(), re.MULTILINE))


def test_development_lock_extends_the_platform_lock(project_root: Path) -> None:
    dev, platform, *_ = locks(project_root)

    assert pins(platform) < pins(dev)


@pytest.mark.parametrize("name", ["platform", "dev", "serving", "seldon", "spark"])
def test_lock_covers_its_requirements(project_root: Path, name: str) -> None:
    wanted = re.findall(r"^([A-Za-z0-9._-]+)", (project_root / "requirements" / f"{name}.in").read_text(), re.MULTILINE)
    names = {pin.split("==")[0] for pin in pins(project_root / "requirements" / f"{name}.lock")}

    missing = {package.lower() for package in wanted if not package.startswith("-")} - names

    assert missing == set()


def test_scripts_can_be_run(project_root: Path) -> None:
    for script in (".ci/run", "requirements/install"):
        assert os.access(project_root / script, os.X_OK)
        subprocess.run(["bash", "-n", project_root / script], check=True)


def test_every_task_is_listed_by_help(project_root: Path) -> None:
    makefile = (project_root / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    listed = subprocess.run(["make"], cwd=project_root, capture_output=True, text=True, check=True).stdout

    assert {line.split()[1] for line in listed.splitlines()} == set(phony.split())
