"""What every test shares: the project's root, the data sets, an isolated ZenML and Hypothesis' profile."""

import gc
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

pytest_plugins = ["tests.trained"]

ROOT = Path(__file__).parents[1]
ZENML = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_AUTO_OPEN_DASHBOARD": "false",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_LOGGING_COLORS_DISABLED": "true",
}
NOT_FOR_TESTS = (
    *("ZENML_STORE_URL", "ZENML_ACTIVE_STACK_ID", "VAULT_ADDR", "VAULT_TOKEN"),  # would reach a real server
    *("MAKEFLAGS", "MAKELEVEL", "MFLAGS"),  # `make test` leaves them, and a make inside a test would obey
)

LONGEST = ("test_readme.py", "test_deployment.py")

_zenml_home = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the environment before any test module can import ZenML."""
    # With ZenML and scikit-learn in memory, looking for cycles as often as by default takes a tenth of the time.
    gc.set_threshold(100_000, 20, 20)
    home = config.stash[_zenml_home] = tempfile.TemporaryDirectory(prefix="zenml-", ignore_cleanup_errors=True)
    for name in NOT_FOR_TESTS:
        os.environ.pop(name, None)
    os.environ.update(ZENML, ZENML_CONFIG_PATH=home.name, ZENML_REPOSITORY_PATH=home.name)
    hypothesis.settings.register_profile("local", deadline=None, max_examples=50)
    hypothesis.settings.register_profile("ci", parent=hypothesis.settings.get_profile("local"), derandomize=True)
    hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes: what begins last should not be what ends last."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what `pytest_configure` made."""
    config.stash[_zenml_home].cleanup()


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds pyproject.toml; read it, never write to it."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the larger real data sets: CHURN_DATA, or shared/data beside the project."""
    folder = Path(os.environ.get("CHURN_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{folder}: no data sets here; point CHURN_DATA at them")
    return folder


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def service_missing() -> Callable[[str], NoReturn]:
    """Call it with the reason when a service cannot start: skips on a laptop, fails where services are required."""

    def give_up(reason: str) -> NoReturn:
        if os.environ.get("CHURN_REQUIRE_SERVICES") == "1":
            pytest.fail(f"required service: {reason}")
        pytest.skip(reason)

    return give_up
