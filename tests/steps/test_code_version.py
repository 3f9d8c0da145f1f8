import subprocess
from pathlib import Path

import pytest

from steps.code_version import CodeVersion, code_version


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CHURN_GIT_COMMIT", raising=False)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    assert code_version(checkout) == CodeVersion(git(checkout, "rev-parse", "HEAD"), dirty=False)


def test_a_changed_file_makes_it_dirty_and_a_new_one_that_nobody_added_does_not(checkout: Path) -> None:
    (checkout / "scratch.txt").touch()
    untracked = code_version(checkout)
    (checkout / "code.py").write_text("2\n")

    assert (untracked.dirty, code_version(checkout).dirty) == (False, True)


@pytest.mark.parametrize(("baked", "dirty"), [("abc123", False), ("abc123-dirty", True)])
def test_an_image_carries_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, baked: str, dirty: bool) -> None:
    monkeypatch.setenv("CHURN_GIT_COMMIT", baked)

    assert code_version(tmp_path) == CodeVersion("abc123", dirty)


def test_what_cannot_be_named_is_not_taken_for_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHURN_GIT_COMMIT", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert code_version(tmp_path) == CodeVersion("unknown", dirty=True)
