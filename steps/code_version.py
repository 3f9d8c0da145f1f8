"""Which code a run was made with."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CodeVersion:
    """A git commit and whether the working tree differs from it.

    `commit` is `unknown` and `dirty` true where neither git nor CHURN_GIT_COMMIT says more: what cannot be named
    cannot be trusted to be clean.
    """

    commit: str
    dirty: bool


def code_version(root: Path) -> CodeVersion:
    """Ask git below `root`; an image without a repository carries CHURN_GIT_COMMIT, set when it was built."""
    baked = os.environ.get("CHURN_GIT_COMMIT")
    if baked:
        return CodeVersion(baked.removesuffix("-dirty"), baked.endswith("-dirty"))
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return CodeVersion(commit or "unknown", commit is None or changes != "")


def lock_digest(root: Path) -> str:
    """Return the SHA-256 of the locked requirements below `root`; an image may carry CHURN_LOCK_DIGEST instead."""
    lock = root / "requirements" / "platform.lock"
    if lock.is_file():
        return hashlib.sha256(lock.read_bytes()).hexdigest()
    return os.environ.get("CHURN_LOCK_DIGEST", "unknown")


def _git(root: Path, *arguments: str) -> str | None:
    """Return the output of git, or None when there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
