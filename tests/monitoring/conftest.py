import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.seldon.serving.conftest import bundle, interpreter

__all__ = ["bundle", "interpreter"]

Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def program(service_missing: Callable[[str], NoReturn]) -> Callable[[str], str]:
    """Finds a program of Prometheus."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            service_missing(f"{name} is not installed; make services")
        return found

    return find


@pytest.fixture(scope="session")
def promtool(program: Callable[[str], str]) -> Tool:
    """Runs promtool with some words, wherever."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program("promtool"), *map(str, words)], capture_output=True, text=True, check=False, timeout=60
        )

    return run
