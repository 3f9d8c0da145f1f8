import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from churn.errors import SettingsError
from churn.settings import Settings, absolute_url, load_settings


def write(root: Path, environment: str, **changes: object) -> None:
    document = {"environment": environment, "landing": {"url": "landing"}, "lake": {"url": "lake"}, **changes}
    (root / "configs").mkdir(exist_ok=True)
    (root / "configs" / f"{environment}.yaml").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_every_shipped_environment_loads(project_root: Path, environment: str) -> None:
    assert load_settings(environment, project_root).environment == environment


def test_only_a_laptop_takes_long_silence_for_history(project_root: Path) -> None:
    history = {name: load_settings(name, project_root).alerts.history for name in ("dev", "staging", "prod")}

    assert history == {"dev": timedelta(days=30), "staging": None, "prod": None}


def test_environments_share_no_data_plane(project_root: Path) -> None:
    settings = [load_settings(environment, project_root) for environment in ("dev", "staging", "prod")]

    assert len({s.landing.url for s in settings} | {s.lake.url for s in settings}) == 6


@pytest.mark.parametrize(
    "changes",
    [{"surprise": 1}, {"lake": {"url": "lake", "colour": "blue"}}, {"vault": {"token": "env:T", "pasword": "x"}}],
)
def test_unknown_key_is_refused_by_its_name(tmp_path: Path, changes: dict[str, object]) -> None:
    write(tmp_path, "dev", **changes)

    with pytest.raises(SettingsError, match=r"dev\.yaml: (surprise|lake\.colour|vault\.pasword): "):
        load_settings("dev", tmp_path)


def test_secret_written_into_the_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "dev", vault={"token": "hunter2"})

    with pytest.raises(SettingsError, match=r"vault\.token") as refusal:
        load_settings("dev", tmp_path)

    assert "hunter2" not in str(refusal.value)


def test_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "dev", ingestion={"timezone": "Mars/Olympus"})

    with pytest.raises(SettingsError, match=r"ingestion\.timezone: .*Mars/Olympus is no IANA time zone"):
        load_settings("dev", tmp_path)


def test_file_of_another_environment_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "staging")
    shutil.copy(tmp_path / "configs" / "staging.yaml", tmp_path / "configs" / "prod.yaml")

    with pytest.raises(SettingsError, match=r"prod\.yaml: environment is staging, expected prod"):
        load_settings("prod", tmp_path)


def test_missing_file_names_the_known_environments(tmp_path: Path) -> None:
    write(tmp_path, "staging")
    write(tmp_path, "dev")

    with pytest.raises(SettingsError, match=r"known environments: dev, staging"):
        load_settings("production", tmp_path)


@pytest.mark.parametrize("text", ["a: [", "just words", ""])
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, "dev")
    (tmp_path / "configs" / "dev.yaml").write_text(text)

    with pytest.raises(SettingsError, match=r"dev\.yaml"):
        load_settings("dev", tmp_path)


def test_relative_places_count_from_the_root(tmp_path: Path) -> None:
    write(tmp_path, "dev", lake={"url": "s3://bucket/lake"}, ingestion={"contracts": {"activity": "mine.yaml"}})

    settings = load_settings("dev", tmp_path)

    assert settings.landing.url == str(tmp_path.resolve() / "landing")
    assert settings.lake.url == "s3://bucket/lake"
    assert settings.ingestion.contracts == {"activity": tmp_path / "mine.yaml"}


@pytest.mark.parametrize("url", ["s3://b/k", "gs://b/k", "file:///srv/landing"])
def test_url_with_a_scheme_stays_as_it_is(tmp_path: Path, url: str) -> None:
    assert absolute_url(url, tmp_path) == url


def test_settings_cannot_be_changed(project_root: Path) -> None:
    settings = load_settings("dev", project_root)

    with pytest.raises(ValidationError, match="frozen"):
        settings.lake.url = "elsewhere"  # type: ignore[misc]


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from models(field.annotation)


@pytest.mark.parametrize("model", list(models(Settings)), ids=lambda model: model.__name__)
def test_every_key_is_documented_where_it_is_declared(model: type[BaseModel]) -> None:
    sections = {n for n, f in model.model_fields.items() if f.annotation in set(models(Settings))}

    undocumented = {n for n, f in model.model_fields.items() if not f.description} - sections

    assert model.__doc__
    assert undocumented == set()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty; it must give at least environment, landing.url and lake.url"),
        ("environment: dev\nlanding:\n\turl: x", "line 3, column 1: found character '\\t' that cannot start any token"),
        ("environment: dev\nlake: {url: lake}", "dev.yaml: landing: is missing"),
        ("environment: dev\nlanding: {url: a, colour: b}\nlake: {url: lake}", "landing.colour: no such setting"),
        ("environment: dev\nlanding: {url: ''}\nlake: {url: lake}", "landing.url: names no place"),
        ("environment: dev\nlanding: {url: a}\nlake: {url: 'ftp://me:pw@host/x'}", "lake.url: ftp:// is not supported"),
        ("environment: dev\nlanding: {url: 's3://'}\nlake: {url: lake}", "landing.url: names no place"),
    ],
    ids=["empty", "tab", "missing", "unknown", "no landing", "ftp", "no bucket"],
)
def test_what_is_wrong_is_said_in_one_line_for_people(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, "dev")
    (tmp_path / "configs" / "dev.yaml").write_text(text)

    with pytest.raises(SettingsError) as refusal:
        load_settings("dev", tmp_path)

    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "pw" not in str(refusal.value)
