import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import requests
from zenml.config.global_config import GlobalConfiguration

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECONDS = 120
"""Longest the server may take to start on a busy machine; a quiet one needs five seconds."""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ZenML server on the store that all tests share, as `zenml login --local` starts it; yields its URL."""
    folder = tmp_path_factory.mktemp("zenml-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "ZENML_SERVER": "true",
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
        "ZENML_CONFIG_PATH": str(folder),
        "ZENML_LOCAL_STORES_PATH": GlobalConfiguration().local_stores_path,
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        "ZENML_DISABLE_DATABASE_MIGRATION": "true",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
    }
    command = [sys.executable, "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--host", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/health", server, folder / "log")
        # Whoever comes first is asked what ZenML is used for, and sees nothing else.
        survey = {"finished_onboarding_survey": True}
        answered = requests.put(
            f"{url}/api/v1/current-user", json={"email_opted_in": False, "user_metadata": survey}, timeout=60
        )
        answered.raise_for_status()
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(SECONDS * 2):
        assert server.poll() is None, log.read_text()[-2000:]
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.5)
    raise AssertionError(f"the ZenML server does not answer: {log.read_text()[-2000:]}")


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
