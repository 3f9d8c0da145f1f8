import re
from pathlib import Path
from typing import get_args

from churn.promotion.settings import PromotionSettings
from churn.promotion.verdict import CheckName
from tests.docs.generated import between


def test_every_check_of_the_gate_is_explained_once(project_root: Path) -> None:
    _, table, _ = between((project_root / "docs" / "promotion.md").read_text(encoding="utf-8"), "checks")

    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(get_args(CheckName))


def test_the_page_names_only_settings_that_exist(project_root: Path) -> None:
    _, table, _ = between((project_root / "docs" / "promotion.md").read_text(encoding="utf-8"), "checks")
    named = {name for name in re.findall(r"`(\w+)`", table) if name not in get_args(CheckName)}

    assert named - {"customer_snapshots"} <= PromotionSettings.model_fields.keys()
