import subprocess
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from churn.features.content import project_digest
from churn.features.dbt import Dbt, FeatureBuildFailed
from churn.features.dbt_process import keep_parsed, read_parsed
from churn.features.settings import FeatureSettings

PROJECT = """name: churn
version: "1.0.0"
profile: churn
vars: {number: 0}
"""
PROFILES = """churn:
  target: duckdb
  outputs: {duckdb: {type: duckdb, path: "{{ env_var('CHURN_DBT_DATABASE') }}", schema: main}}
"""
MODEL = "{{ config(materialized='table') }} select {{ var('number') }} as number"


@pytest.fixture
def dbt(tmp_path: Path) -> Dbt:
    """A project of one model."""
    project = tmp_path / "dbt"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(PROJECT)
    (project / "profiles.yml").write_text(PROFILES)
    (project / "models" / "numbers.sql").write_text(MODEL)
    return Dbt(project, tmp_path, FeatureSettings())


def test_what_was_parsed_serves_other_values_in_other_folders_until_the_project_changes(dbt: Dbt) -> None:
    def numbers(dbt: Dbt, number: int) -> list[tuple[int]]:
        dbt.work_dir.mkdir(exist_ok=True)
        dbt.run(["build"], {"number": number})
        with duckdb.connect(str(dbt.database)) as database:
            return database.execute("select number from numbers").fetchall()

    assert numbers(dbt, 1) == [(1,)]
    (kept,) = (dbt.project.parent / ".dbt_cache").iterdir()
    made = kept.stat().st_mtime_ns

    assert numbers(replace(dbt, work_dir=dbt.work_dir / "other"), 2) == [(2,)]
    assert [path.stat().st_mtime_ns for path in kept.parent.iterdir()] == [made]

    (dbt.project / "models" / "numbers.sql").write_text(MODEL + " union all select 7 order by 1")
    assert numbers(dbt, 3) == [(3,), (7,)]
    assert [path != kept for path in kept.parent.iterdir()] == [True]


def test_a_project_that_cannot_be_parsed_leaves_nothing_to_be_kept(dbt: Dbt) -> None:
    (dbt.project / "models" / "numbers.sql").write_text("select * from {{ ref('nobody') }}")

    with pytest.raises(FeatureBuildFailed, match=r"dbt ended before it ran a model .*'nobody' which was not found"):
        dbt.run(["build"], {})

    assert not (dbt.project.parent / ".dbt_cache").exists()


def test_what_was_kept_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    from dbt.contracts.graph.manifest import Manifest

    file = tmp_path / "cache" / "parsed.msgpack"
    assert read_parsed(file) is None
    keep_parsed(file, Manifest())
    whole = file.read_bytes()

    (file.parent / f".{file.name}.7").touch()
    keep_parsed(file, Manifest())
    assert list(file.parent.iterdir()) == [file]

    assert isinstance(read_parsed(file), Manifest)
    for torn in (b"", whole[:20], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(torn)
        assert read_parsed(file) is None


def test_a_project_that_is_edited_while_it_is_parsed_is_parsed_again(dbt: Dbt, monkeypatch: pytest.MonkeyPatch) -> None:
    def edit_and_keep(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        (dbt.project / "models" / "numbers.sql").write_text(MODEL + " where true")
        Path(words[3]).parent.mkdir()
        Path(words[3]).touch()
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(subprocess, "run", edit_and_keep)

    dbt.run(["build"], {})

    assert list((dbt.project.parent / ".dbt_cache").iterdir()) == []


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    from dbt.contracts.graph.manifest import Manifest

    (tmp_path / "cache").touch()

    keep_parsed(tmp_path / "cache" / "parsed.msgpack", Manifest())

    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("name", "is_read"),
    [("new.sql", True), ("new.yaml", True), ("new.py", True), ("new.csv", True), ("new.md", True), ("new.log", False)],
)
def test_the_digest_of_a_project_is_of_all_that_dbt_reads(dbt: Dbt, name: str, is_read: bool) -> None:
    before = project_digest(dbt.project)

    (dbt.project / "models" / name).touch()

    assert (project_digest(dbt.project) != before) is is_read
