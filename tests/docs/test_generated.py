from pathlib import Path

import pytest

from tests.docs.generated import BLOCKS, between


@pytest.mark.parametrize(("page", "name"), BLOCKS)
def test_the_tables_of_the_docs_follow_from_the_program(project_root: Path, page: str, name: str) -> None:
    _, block, _ = between((project_root / page).read_text(encoding="utf-8"), name)

    assert block == BLOCKS[page, name](), "write it again: python -m tests.docs.generated"
