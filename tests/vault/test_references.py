from pathlib import Path

import pytest

from churn.errors import KeyUnavailable
from vault.references import resolve


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    assert resolve("env:NAME", purpose="vault.token", environ={"NAME": "s3cret"}) == "s3cret"
    assert resolve(f"file:{tmp_path / 'secret'}", purpose="vault.token") == "s3cret"


def test_what_is_missing_is_named_with_its_purpose(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    for reference, problem in {
        "env:NAME": "not set",
        f"file:{tmp_path / 'nowhere'}": "cannot be read",
        f"file:{tmp_path / 'empty'}": "empty",
        f"file:{tmp_path / 'binary'}": "not UTF-8",
        "s3cret": "env:NAME or file:PATH",
    }.items():
        with pytest.raises(KeyUnavailable, match=problem) as caught:
            resolve(reference, purpose="vault.secret_id", environ={})
        assert "vault.secret_id" in str(caught.value)
        assert "s3cret" not in str(caught.value)
