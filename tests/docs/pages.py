"""The examples of the documentation: fenced blocks after `<!-- example: NAME -->`."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def example(page: str, name: str) -> str:
    """Return the text of an example's block."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1, f"{page}: {len(blocks)} examples named {name}"
    return str(blocks[0])
