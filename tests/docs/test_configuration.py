import re
from pathlib import Path

import pytest

from churn.settings import Settings
from tests.docs.settings import keys

PAGES = ("README.md", *(f"docs/{page.name}" for page in (Path(__file__).parents[2] / "docs").glob("*.md")))
READ = re.compile(r"\b(?:CHURN|VAULT)_[A-Z_]+\b")
INSIDE = re.compile(r"CHURN_DBT_\w+|VAULT_\w+_(?:TOKEN|ROLE)")
"""Variables that one part of the program sets for another."""


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_exists(project_root: Path, page: str) -> None:
    sections = {name for name in Settings.model_fields if name not in ("environment", "model_name")}
    known = {re.sub(r"\[\]", "", key.name) for key in keys(Settings)}
    groups = {name.rsplit(".", depth)[0] for name in known for depth in (1, 2) if name.count(".") >= depth}
    named = re.findall(
        rf"`((?:{'|'.join(sections)})(?:\.[a-z_]+)+)`", (project_root / page).read_text(encoding="utf-8")
    )

    assert [name for name in named if name not in known | groups] == []


def test_every_variable_of_the_environment_that_is_read_is_explained(project_root: Path) -> None:
    page = (project_root / "docs" / "configuration.md").read_text(encoding="utf-8")
    folders = ("churn", "cli", "steps", "stacks", "seldon", "vault", "tests", "benchmarks")
    program = [file.read_text(encoding="utf-8") for folder in folders for file in (project_root / folder).rglob("*.py")]
    reads = re.findall(r"environ(?:\.get\(|\[|\.pop\()\"([A-Z_]+)\"|envvar=\"([A-Z_]+)\"", "\n".join(program))
    read = {name for pair in reads for name in pair if READ.fullmatch(name)}

    assert {"CHURN_ROOT", "VAULT_ADDR", "CHURN_DATA"} <= read
    assert sorted(name for name in read if f"`{name}`" not in page and not INSIDE.fullmatch(name)) == []
