"""One command measures everything that the documentation says was measured."""

import re
from pathlib import Path

import pytest

from benchmarks.all import MODULES, QUALITY, command


def test_every_table_of_the_documentation_is_made_by_the_one_command(project_root: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in sorted((project_root / "docs").glob("*.md"))]
    marked = {name for page in pages for name in re.findall(r"<!-- benchmarks/(\w+)\.py: begin -->", page)}
    named = {name for page in pages for name in re.findall(r"python -m benchmarks\.(\w+)", page)}

    assert marked == set(MODULES)
    assert named - {"all"} == set(MODULES)


@pytest.mark.parametrize("name", [*MODULES, QUALITY])
def test_what_it_runs_is_there(project_root: Path, name: str) -> None:
    words = command(name, write=True)

    place = words[-1] if name == QUALITY else f"benchmarks/{name}.py"
    assert (project_root / place).is_file()
    assert ("--write" in words) == (name != QUALITY)
