from pathlib import Path
from typing import Any

import pytest

from benchmarks.contender import Contender, Material
from benchmarks.serving_peers import PEERS, Peer, peers

NAMES = ("recency_days", "plan")
ROWS = ((12.0, "gold"), (None, "basic"))


@pytest.fixture
def material(tmp_path: Path) -> Material:
    pipeline = tmp_path / "pipeline.pickle"
    pipeline.touch()
    unused: Any = None
    return Material(unused, pipeline, NAMES, ROWS, 0.5, tmp_path)


def test_a_peer_that_does_not_install_is_named_and_the_others_take_part(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURN_BENCH_DIR", str(tmp_path))

    def contender(name: str, programs: Path, material: Material) -> Contender:
        return Contender(name, lambda port: [str(programs), str(port)], material.ndarray)

    (tmp_path / "nothing.txt").touch()
    among = (
        Peer("broken", ("./is-not-there",), contender),
        Peer("sound", ("-r", str(tmp_path / "nothing.txt")), contender),
    )
    skipped: list[str] = []
    found = list(peers(among, material, skipped))

    assert skipped == ["broken"]
    assert [one.name for one in found] == ["sound"]


def test_mlserver_is_asked_by_columns(material: Material) -> None:
    [mlserver] = [peer for peer in PEERS if peer.name.startswith("MLServer")]

    tensors = mlserver.contender(mlserver.name, Path(), material).body(3)["inputs"]

    assert [(tensor["name"], tensor["datatype"], tensor["data"]) for tensor in tensors] == [
        ("recency_days", "FP64", [12.0, None, 12.0]),
        ("plan", "BYTES", ["gold", "basic", "gold"]),
    ]
