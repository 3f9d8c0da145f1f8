import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import Result

from cli.demo_alone import DemoAtWork, NotCleaned, alone, clean
from vault.datakey import EMBEDDED_STATE
from vault.server import ensure_server, server_status

Churn = Callable[..., Result]


@pytest.fixture
def place(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of its own in which a demo has left something."""
    shutil.copytree(project_root / "configs", tmp_path / "configs")
    for left in (".churn/dev/lake/activity", ".churn/zenml", ".zen"):
        (tmp_path / left).mkdir(parents=True)
    (tmp_path / ".churn" / "dev" / "lake" / "activity" / "part").write_text("rows")
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))
    return tmp_path


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.mark.parametrize("words", [("demo",), ("demo", "--clean")])
def test_a_second_demo_and_a_cleaning_are_refused_at_once_and_touch_nothing(
    churn: Churn, place: Path, words: tuple[str, ...]
) -> None:
    with alone(place):
        before = files(place)
        result = churn(*words)

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            f"{place}/.churn: a demo is at work here (process {os.getpid()}); let it end, or stop it with Ctrl-C where "
            "it was started, and try again\n"
        )
        assert files(place) == before
        with pytest.raises(DemoAtWork), alone(place):
            pass


def test_cleaning_stops_the_vault_and_leaves_nothing_also_of_a_demo_that_had_just_begun(place: Path) -> None:
    ensure_server(place / EMBEDDED_STATE)

    clean(place)

    assert sorted(path.name for path in place.iterdir()) == ["configs"]
    assert server_status(place / EMBEDDED_STATE).status == "stopped"
    clean(place)
    assert sorted(path.name for path in place.iterdir()) == ["configs"]


def test_what_cannot_be_removed_is_told_in_a_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(path: Path) -> None:
        raise OSError(39, "Directory not empty", str(path))

    monkeypatch.setattr(shutil, "rmtree", busy)
    with pytest.raises(NotCleaned, match=r"not all of it could be removed \(Directory not empty\)"):
        clean(place)


def test_nobody_is_ever_two_while_others_clean(tmp_path: Path) -> None:
    """A lock that is removed while another waits for it is a lock for nobody."""
    inside, most, file = 0, 0, tmp_path / ".churn" / "lake"

    def demo() -> None:
        nonlocal inside, most
        with alone(tmp_path):
            inside += 1
            most = max(most, inside)
            file.touch()
            time.sleep(0.001)
            assert file.exists()
            inside -= 1

    def often(work: Callable[[], None]) -> None:
        done = 0
        while done < 100:
            with suppress(DemoAtWork):
                work()
                done += 1
            time.sleep(0.0005)

    with ThreadPoolExecutor(5) as pool:
        for work in [
            pool.submit(often, one) for one in (demo, demo, demo, lambda: clean(tmp_path), lambda: clean(tmp_path))
        ]:
            work.result()

    assert (most, inside) == (1, 0)
