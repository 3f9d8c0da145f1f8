"""Other ways to serve the same model, each in an environment that is made when it is first needed."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Material
from benchmarks.generate import cache_folder
from benchmarks.measure import ROOT
from benchmarks.peers.serving.pipeline import PLACE

_UV = Path(sys.executable).with_name("uv")
_PIPELINE = ("scikit-learn==1.9.1", "pandas<3")
_STOCK = ("--service-type", "MODEL", "--log-level", "ERROR")


@dataclass(frozen=True)
class Peer:
    """A peer; `contender` takes the folder of its environment's programs."""

    name: str
    requirements: tuple[str, ...]
    contender: Callable[[str, Path, Material], Contender]


def peers(among: Sequence[Peer], material: Material, skipped: list[str]) -> Iterator[Contender]:
    """Give each peer that can be had; the names of others are added to `skipped`."""
    for peer in among:
        try:
            yield peer.contender(peer.name, _environment(peer), material)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"benchmarks.serving: {peer.name}: {error}", file=sys.stderr)
            skipped.append(peer.name)


def _environment(peer: Peer) -> Path:
    """Return the programs of a peer's environment, which is made unless it is there."""
    locks = [(ROOT / word).read_text() for word in peer.requirements if word.endswith(".lock")]
    key = hashlib.sha256(repr((peer.requirements, *locks)).encode()).hexdigest()[:12]
    folder = cache_folder() / "venvs" / key
    if not (folder / ".ready").exists():
        print(f"benchmarks.serving: installing {peer.name}", file=sys.stderr)
        for words in (
            ("venv", "--clear", "--python", sys.executable, str(folder)),
            ("pip", "install", "--compile-bytecode", "--python", str(folder / "bin" / "python"), *peer.requirements),
        ):
            subprocess.run([str(_UV), "--quiet", *words], check=True, cwd=ROOT, timeout=600)
        (folder / ".ready").touch()
    return folder / "bin"


_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _environ(material: Material, threads: Mapping[str, str] = _ONE_THREAD) -> Mapping[str, str]:
    return {"PYTHONPATH": str(ROOT), PLACE: str(material.pipeline), **threads}


def _stock_ports(port: int) -> list[str]:
    return ["--http-port", str(port), "--metrics-port", str(port + 1), "--grpc-port", str(port + 2)]


def _stock_pipeline(name: str, bin_: Path, material: Material, threads: Mapping[str, str] = _ONE_THREAD) -> Contender:
    words = [str(bin_ / "seldon-core-microservice"), "benchmarks.peers.serving.stock_pipeline.StockPipeline", *_STOCK]
    environ = _environ(material, threads)
    return Contender(name, lambda port: [*words, *_stock_ports(port)], material.ndarray, environ=environ)


def _stock_wrapper(name: str, bin_: Path, material: Material) -> Contender:
    bundle = material.bundle
    given = {"bundle": str(bundle.path), "digest": bundle.digest, "version": "1"}
    parameters = json.dumps([{"name": key, "value": value, "type": "STRING"} for key, value in given.items()])
    words = [str(bin_ / "seldon-core-microservice"), "seldon.wrapper.Churn", *_STOCK, "--parameters", parameters]
    return Contender(name, lambda port: [*words, *_stock_ports(port)], material.ndarray, environ=_environ(material))


def _fastapi(name: str, bin_: Path, material: Material) -> Contender:
    words = [str(bin_ / "uvicorn"), "benchmarks.peers.serving.fastapi_app:app"]
    quiet = ["--no-access-log", "--log-level", "error"]
    return Contender(
        name,
        lambda port: [*words, *quiet, "--port", str(port)],
        material.ndarray,
        path="/predict",
        ready="/ready",
        environ=_environ(material),
    )


def _mlflow(name: str, bin_: Path, material: Material) -> Contender:
    model = material.folder / "mlflow"
    environ = _environ(material)
    shutil.rmtree(model, ignore_errors=True)
    save = [str(bin_ / "python"), "-W", "ignore", "-m", "benchmarks.peers.serving.save_for_mlflow", str(model)]
    subprocess.run(save, check=True, cwd=material.folder, env={"PATH": f"{bin_}:/usr/bin:/bin", **environ}, timeout=300)
    words = [str(bin_ / "mlflow"), "models", "serve", "-m", str(model), "--env-manager", "local", "--host", "127.0.0.1"]

    def split(rows: int) -> Mapping[str, Any]:
        return {"dataframe_split": {"columns": material.names, "data": material.some(rows)}}

    return Contender(
        name,
        lambda port: [*words, "--workers", "1", "--port", str(port)],
        split,
        first=lambda answer: float(answer["predictions"][0][1]),
        path="/invocations",
        ready="/ping",
        environ={"PATH": f"{bin_}:/usr/bin:/bin", **environ},
    )


def _mlserver(name: str, bin_: Path, material: Material) -> Contender:
    folder = material.folder / "mlserver"
    folder.mkdir(exist_ok=True)
    shutil.copy(material.pipeline, folder / "model.pickle")
    described = {
        "name": "churn",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(folder / "model.pickle"), "version": "1"},
    }
    (folder / "model-settings.json").write_text(json.dumps(described))
    names = material.names

    def tensors(rows: int) -> Mapping[str, Any]:
        columns = zip(names, zip(*material.some(rows), strict=True), strict=True)
        inputs = [_tensor(column, values) for column, values in columns]
        return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}

    def command(port: int) -> Sequence[str]:
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
        quiet = {"debug": False, "parallel_workers": 0, "access_log_enabled": False, "logging_settings": None}
        (folder / "settings.json").write_text(json.dumps({**settings, **quiet}))
        return [str(bin_ / "mlserver"), "start", str(folder)]

    return Contender(
        name,
        command,
        tensors,
        first=lambda answer: float(answer["outputs"][0]["data"][1]),
        path="/v2/models/churn/infer",
        ready="/v2/models/churn/ready",
        environ=_environ(material),
    )


def _tensor(name: str, values: Sequence[Any]) -> Mapping[str, Any]:
    text = any(isinstance(value, str) for value in values)
    kind = {"datatype": "BYTES", "parameters": {"content_type": "str"}} if text else {"datatype": "FP64"}
    return {"name": name, "shape": [len(values), 1], **kind, "data": list(values)}


_STOCK_PIPELINE = ("seldon-core==1.17.1", "setuptools<81", "numpy<2", *_PIPELINE)
PEERS = (
    Peer("seldon-core + scikit-learn", _STOCK_PIPELINE, _stock_pipeline),
    Peer("the same, its threads as they come", _STOCK_PIPELINE, partial(_stock_pipeline, threads={})),
    Peer("seldon-core + our wrapper, ONNX", ("-r", "requirements/seldon.lock"), _stock_wrapper),
    Peer("MLServer + scikit-learn", ("mlserver", "mlserver-sklearn", *_PIPELINE), _mlserver),
    Peer("mlflow models serve", ("mlflow>=3.17,<4", *_PIPELINE), _mlflow),
    Peer("FastAPI + scikit-learn", ("fastapi", "uvicorn[standard]", *_PIPELINE), _fastapi),
)
