import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from zenml.config.global_config import GlobalConfiguration

from tests.dashboard.finished import Finished, finish
from tests.dashboard.servers import zenml_dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ZenML server on the store that all tests share; yields its URL."""
    stores = Path(GlobalConfiguration().local_stores_path)
    with zenml_dashboard(stores, tmp_path_factory.mktemp("zenml-server")) as url:
        yield url


@pytest.fixture(scope="session")
def browse(service_missing: Callable[[str], NoReturn]) -> "Callable[[Callable[[Page], None]], None]":
    """Call it with what to do on a page of a headless Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        service_missing("Chromium; install it with make services")

    def visit(act: "Callable[[Page], None]") -> None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            # Root has no sandbox in Chromium; the pages are our own.
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(60_000)
            act(page)
            browser.close()

    return visit


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: CHURN_PICTURES, which `make pictures` sets to docs/images, else nowhere lasting."""
    return Path(os.environ.get("CHURN_PICTURES", tmp_path))


@pytest.fixture(scope="session")
def finished(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A demo that has run, in CHURN_DEMO, where it stays for the next time, or else in a folder of its own."""
    kept = os.environ.get("CHURN_DEMO")
    demo = finish(Path(kept).resolve() if kept else tmp_path_factory.mktemp("demo"), project_root)
    yield demo
    demo.stop()
