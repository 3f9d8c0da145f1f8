import re
from pathlib import Path

from tests.docs.generated import between


def test_every_symptom_of_the_runbook_is_one_that_the_program_tells(project_root: Path) -> None:
    folders = ("churn", "cli", "stacks", "steps", "vault", "seldon")
    program = "".join(
        file.read_text(encoding="utf-8") for folder in folders for file in (project_root / folder).rglob("*.py")
    )
    told = re.sub(r'"\s*\n\s*f?"', "", program)
    _, table, _ = between((project_root / "docs" / "operations.md").read_text(encoding="utf-8"), "symptoms")
    symptoms = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)

    assert len(symptoms) >= 10
    assert [symptom for symptom in symptoms if symptom not in told] == []


def test_every_alert_that_the_runbook_leaves_out_has_one_of_its_own(project_root: Path) -> None:
    page = (project_root / "docs" / "operations.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (Churn\w+)$", (project_root / "docs" / "telemetry.md").read_text(), re.MULTILINE)

    named = set(re.findall(r"\[(Churn\w+)\]", page))
    assert named
    assert named <= set(headings)
