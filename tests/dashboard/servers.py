"""The programs whose pages are looked at, as their own commands start them: the ZenML dashboard and MLflow."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

SECONDS = 120
"""Longest a server may take to start on a busy machine; a quiet one needs five seconds."""


@contextmanager
def zenml_dashboard(stores: Path, folder: Path) -> Iterator[str]:
    """Run a ZenML server on these local stores, as `zenml login --local` does; yields its URL.

    Args:
        stores: ZenML's folder `local_stores`.
        folder: for the server's own configuration and log.
    """
    environment = {
        "ZENML_SERVER": "true",
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
        "ZENML_CONFIG_PATH": str(folder),
        "ZENML_LOCAL_STORES_PATH": str(stores),
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        "ZENML_DISABLE_DATABASE_MIGRATION": "true",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
    }
    app = ["uvicorn", "zenml.zen_server.zen_server_api:app", "--host", "127.0.0.1"]
    with _running(app, environment, folder / "zenml.log") as url:
        # Whoever comes first is asked what ZenML is used for, and sees nothing else.
        survey = {"finished_onboarding_survey": True}
        answered = requests.put(
            f"{url}/api/v1/current-user", json={"email_opted_in": False, "user_metadata": survey}, timeout=60
        )
        answered.raise_for_status()
        yield url


@contextmanager
def mlflow_ui(uri: str, folder: Path) -> Iterator[str]:
    """Run `mlflow ui` on a tracking store, its log in `folder`; yields its URL."""
    command = ["mlflow", "ui", "--host", "127.0.0.1", "--workers", "1", "--backend-store-uri", uri]
    with _running(command, {}, folder / "mlflow.log") as url:
        yield url


@contextmanager
def _running(words: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *words, "--port", str(port)]
    with log.open("wb") as file:
        server = subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/health", server, log)
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
    raise AssertionError(f"{url} does not answer: {log.read_text()[-2000:]}")
