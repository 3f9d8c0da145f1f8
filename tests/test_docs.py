import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cli.main import app

PAGES = ["README.md", *(f"docs/{page.name}" for page in (Path(__file__).parents[1] / "docs").glob("*.md"))]


def shell_lines(page: Path) -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()]


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
def test_every_make_target_in_the_docs_exists(project_root: Path, page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (project_root / "Makefile").read_text(), re.MULTILINE))

    assert {words[1] for words in shell_lines(project_root / page) if words[:1] == ["make"]} <= targets


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
