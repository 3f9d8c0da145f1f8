import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from cli.main import app

PAGES = ["README.md", *(f"docs/{page.name}" for page in (Path(__file__).parents[1] / "docs").glob("*.md"))]


SHELLS = ("bash", "sh", "console")
CHECKED = ("churn", "make", "zenml")
"""Programs whose lines are understood here."""
OTHERS = ("source", "export", "dbt", "tar", "curl", "crontab", "prometheus", ".venv-serving/bin/python")
"""Programs that tests run as the pages have them, or that are the reader's own."""
ELSEWHERE = (".venv-seldon/bin/seldon-core-microservice", "20")
"""Run by `make test-seldon`; a line of a crontab."""


def shell_lines(page: Path) -> list[list[str]]:
    """Return the words of every command of a page; of a session only what is typed."""
    found: list[list[str]] = []
    for shell, block in re.findall(rf"```({'|'.join(SHELLS)})\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        lines = whole_lines(block)
        typed = [line.removeprefix("$ ") for line in lines if shell != "console" or line.startswith("$ ")]
        found += [shlex.split(line, comments=True) for line in typed]
    return [words for words in found if words]


def whole_lines(block: str) -> list[str]:
    """Join what a backslash or an open quote continues."""
    lines: list[str] = []
    for line in block.replace("\\\n", " ").splitlines():
        if lines and (lines[-1].count("'") - lines[-1].count("\\'")) % 2:
            lines[-1] += line
        else:
            lines.append(line)
    return lines


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def parse(command: Any, words: list[str]) -> None:
    """Check names, options and values as the command line would, without running anything."""
    with command.make_context(command.name, list(words)) as context:
        if isinstance(command, TyperGroup):
            _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert inner is not None
            parse(inner, rest)


def test_the_readme_shows_commands(project_root: Path) -> None:
    assert sum(words[:1] == ["churn"] for words in shell_lines(project_root / "README.md")) >= 8


@pytest.mark.parametrize("page", PAGES)
def test_every_churn_command_in_the_docs_is_understood(project_root: Path, page: str) -> None:
    for words in shell_lines(project_root / page):
        if words[:1] == ["churn"]:
            parse(get_command(app), words[1:])


@pytest.mark.parametrize("page", PAGES)
def test_every_program_in_the_docs_is_one_that_is_checked(project_root: Path, page: str) -> None:
    programs = {words[0] for words in shell_lines(project_root / page) if not re.match(r"\w+=", words[0])}

    assert programs - {*CHECKED, *OTHERS, *ELSEWHERE} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_pipeline_in_the_docs_can_be_run_with_the_file_beside_it(project_root: Path, page: str) -> None:
    runs = [words for words in shell_lines(project_root / page) if words[:3] == ["zenml", "pipeline", "run"]]
    text = (project_root / page).read_text(encoding="utf-8")
    runs += [line.split() for line in re.findall(r"`(zenml pipeline run pipelines\.[^`]+)`", text)]

    for words in runs:
        module, _, name = words[3].rpartition(".")
        accepted = parameters(project_root / f"{module.replace('.', '/')}.py", name)
        for file in words[words.index("-c") + 1 :] if "-c" in words else []:
            assert set(yaml.safe_load((project_root / file).read_text())["parameters"]) <= accepted


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_the_docs_run_exists(project_root: Path, page: str) -> None:
    modules = re.findall(r"python -m ([\w.]+)", (project_root / page).read_text(encoding="utf-8"))
    places = [project_root / name.replace(".", "/") for name in modules]

    assert [place for place in places if not place.with_suffix(".py").exists() and not place.is_dir()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_command_of_the_docs_names_exists(project_root: Path, page: str) -> None:
    folders = "|".join(("configs", "deploy", "docs", "monitoring", "requirements", "stacks"))
    named = [word.split("=")[-1] for words in shell_lines(project_root / page) for word in words[1:]]
    files = [word for word in named if re.match(rf"(?:{folders})/", word)]

    assert [file for file in files if not (project_root / file).exists()] == []


def parameters(module: Path, pipeline: str) -> set[str]:
    """Return what a pipeline accepts, without importing ZenML."""
    functions = [node for node in ast.parse(module.read_text()).body if isinstance(node, ast.FunctionDef)]
    [found] = [function for function in functions if function.name == pipeline]
    return {argument.arg for argument in found.args.args}


def test_the_readme_names_every_pipeline_and_how_to_run_it(project_root: Path) -> None:
    readme = (project_root / "README.md").read_text(encoding="utf-8")
    files = {file.stem for file in (project_root / "configs" / "runs").glob("*.yaml")}
    modules = {file.stem for file in (project_root / "pipelines").glob("*.py")} - {"__init__"}

    assert {name for name in files if f"configs/runs/{name}.yaml" not in readme} == set()
    assert {name for name in modules if f"pipelines.{name}." not in readme} == set()


def test_the_readme_stays_short_and_its_pictures_small(project_root: Path) -> None:
    pictures = list((project_root / "docs" / "images").iterdir())
    pages = "".join((project_root / page).read_text(encoding="utf-8") for page in PAGES)

    assert len((project_root / "README.md").read_text(encoding="utf-8").splitlines()) < 300
    assert [picture.name for picture in pictures if picture.stat().st_size > 300_000] == []
    assert sum(picture.stat().st_size for picture in pictures) < 2_000_000
    assert [picture.name for picture in pictures if f"images/{picture.name}" not in pages] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_in_the_docs_exists(project_root: Path, page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (project_root / "Makefile").read_text(), re.MULTILINE))

    named = [words[1:] for words in shell_lines(project_root / page) if words[:1] == ["make"]]
    assert {target for words in named for target in words if "=" not in target} <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_link_in_the_docs_leads_somewhere(project_root: Path, page: str) -> None:
    source = project_root / page
    links = re.findall(r"\]\(([^)#]+)", source.read_text(encoding="utf-8"))

    assert [link for link in links if "://" not in link and not (source.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_anchor_in_the_docs_is_a_heading(project_root: Path, page: str) -> None:
    source = project_root / page
    links = re.findall(r"\]\(([^):#]*)#([^)]+)\)", source.read_text(encoding="utf-8"))
    targets = [(source.parent / link if link else source, anchor) for link, anchor in links]

    assert [anchor for target, anchor in targets if anchor not in anchors(target)] == []


@pytest.mark.parametrize("line", ["churn ingest --evry 1h", "churn quarantine shw", "churn replay --per minute"])
def test_a_command_that_does_not_exist_would_be_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"No such|is not one of"):
        parse(get_command(app), shlex.split(line)[1:])
