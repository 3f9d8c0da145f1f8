"""The moment a table comes into being: other processes look at it half-made, and a crash may leave it so."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from churn.errors import ChurnError
from churn.lake import opening
from churn.lake.create import create_table
from churn.lake.table import open_table

SCHEMA = pl.Schema({"a": pl.Int64()})


def missed(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let Delta look too early so many times: it lists the log before the first commit is in it."""
    left = [times]

    def look(uri: str, version: int | None = None) -> Any:
        if left[0]:
            left[0] -= 1
            raise TableNotFoundError("No files in log segment")
        return DeltaTable(uri, version=version)

    monkeypatch.setattr(opening, "DeltaTable", look)


def test_a_table_made_between_two_looks_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_table(str(tmp_path / "t"), SCHEMA, name="t")
    missed(monkeypatch, times=2)

    found = open_table(str(tmp_path / "t"))

    assert found is not None
    assert found.version == 0


def test_a_log_that_stays_unreadable_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_table(str(tmp_path / "t"), SCHEMA, name="t")
    missed(monkeypatch, times=1_000)

    with pytest.raises(ChurnError, match="cannot be opened"):
        open_table(str(tmp_path / "t"))


def test_what_a_process_killed_in_its_first_commit_left_is_no_table(tmp_path: Path) -> None:
    log = tmp_path / "t" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json#1").write_text('{"protocol": {"minRea')

    assert open_table(str(tmp_path / "t")) is None
    assert create_table(str(tmp_path / "t"), SCHEMA, name="t").version == 0
