import os
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "_RJEM_MALLOC_CONF"
OURS = f"dirty_decay_ms:30000,muzzy_decay_ms:30000,oversize_threshold:0,narenas:{os.cpu_count()}"


def configured(project_root: Path, imports: str, given: str | None = None) -> str:
    """What Polars' allocator is told, last word last, by a process with these imports."""
    environment = {name: value for name, value in os.environ.items() if name != NAME}
    if given is not None:
        environment[NAME] = given
    # Polars puts its own default in front of what it finds when it is loaded.
    code = f"{imports}\nimport os, polars\nprint(os.environ[{NAME!r}])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=project_root, env=environment, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


@pytest.mark.parametrize("imports", ["import churn", "from churn.lake.table import Pinned", "import cli.main"])
def test_freed_memory_is_kept_for_the_next_batch(project_root: Path, imports: str) -> None:
    assert configured(project_root, imports).endswith(OURS)


def test_who_has_set_the_allocator_keeps_it(project_root: Path) -> None:
    assert configured(project_root, "import churn", "dirty_decay_ms:0").endswith("dirty_decay_ms:0")


def test_polars_loaded_before_works_as_it_would_alone(project_root: Path) -> None:
    assert configured(project_root, "import polars, churn") == configured(project_root, "import polars")
