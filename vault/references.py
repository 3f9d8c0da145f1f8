"""Settings name where a secret is; here it is fetched."""

import os
from collections.abc import Mapping
from pathlib import Path

from churn.errors import KeyUnavailable


def resolve(reference: str, *, purpose: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the secret that `env:NAME` or `file:PATH` points to, without surrounding white space.

    Args:
        reference: where the secret is.
        purpose: what it is for, used in messages (`vault.secret_id`).
        environ: where `env:` looks.

    Raises:
        KeyUnavailable: nothing is there, or it is empty. The message names the place, never the content.
    """
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        secret = environ.get(place, "").strip()
        problem = "is not set or empty"
    elif scheme == "file":
        secret, problem = _read(Path(place).expanduser())
    else:
        raise KeyUnavailable(f"{purpose}: a secret reference is env:NAME or file:PATH")
    if not secret:
        raise KeyUnavailable(f"{purpose}: {reference} {problem}; put the secret there or change the reference")
    return secret


def _read(path: Path) -> tuple[str, str]:
    """Return the content and what to say when it is empty."""
    try:
        return path.read_text(encoding="utf-8").strip(), "is an empty file"
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        return "", "is not UTF-8 text"
