"""The real pipeline, with a real vault: what ZenML keeps of it is searched as well."""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from churn.errors import TooManyBadRows
from churn.ingestion.report import IngestReport
from churn.settings import load_settings
from tests.reliability.canaries import leaks
from tests.reliability.personal import KEPT, WORDS, upload_people
from tests.world import START, World
from vault.datakey import EMBEDDED_STATE
from vault.server import stop_server


@pytest.fixture
def project(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A project of its own with an active stack, in the tests' ZenML store."""
    from zenml.client import Client
    from zenml.utils.source_utils import set_custom_source_root

    from stacks.register import register_stack

    shutil.copytree(project_root / "configs", tmp_path / "configs")
    dev = yaml.safe_load((tmp_path / "configs" / "dev.yaml").read_text())
    dev["landing"], dev["lake"] = {"url": "landing"}, {"url": "lake"}
    dev["ingestion"] = {"max_bad_share": 1.0}
    (tmp_path / "configs" / "dev.yaml").write_text(yaml.safe_dump(dev))
    components = [
        {"type": kind, "name": "privacy", "flavor": flavor}
        for kind, flavor in (("orchestrator", "local"), ("artifact_store", "local"), ("alerter", "churn_log"))
    ]
    stack = {"name": "privacy", "labels": {"environment": "dev"}, "components": components}
    (tmp_path / "privacy.yaml").write_text(yaml.safe_dump(stack))
    monkeypatch.setenv("CHURN_ROOT", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        set_custom_source_root(str(project_root))
        register_stack("privacy", folder=tmp_path)
        monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(Client().get_stack("privacy").id))
        yield World(tmp_path, load_settings("dev", tmp_path))
    stop_server(tmp_path / EMBEDDED_STATE)


def test_no_person_is_found_in_what_zenml_keeps(project: World, capfd: pytest.CaptureFixture[str]) -> None:
    from pipelines.ingestion import ingest_activity

    upload_people(project)
    until = START.replace(hour=START.hour + 1).isoformat()

    run = ingest_activity(until=until)
    _refuse_bad_rows(project)
    with pytest.raises(TooManyBadRows):
        ingest_activity(until=until)

    assert run is not None
    report = run.steps["ingest"].outputs["ingest_report"][0].load()
    assert isinstance(report, IngestReport)
    assert report.alerts
    printed = capfd.readouterr()
    (project.root / "out").mkdir()
    (project.root / "out" / "log").write_text(printed.out + printed.err)
    store = Path(os.environ["ZENML_CONFIG_PATH"])
    assert leaks(Path(project.lake), [*WORDS, KEPT]).keys() == {KEPT}
    assert not (project.root / "other-lake").exists() or leaks(project.root / "other-lake", WORDS) == {}
    assert leaks(store, [*WORDS, str(run.id)]).keys() == {str(run.id)}
    assert leaks(project.root / "out", [*WORDS, "batch_committed"]).keys() == {"batch_committed"}
    assert leaks(project.root / EMBEDDED_STATE, WORDS) == {}


def _refuse_bad_rows(project: World) -> None:
    """Make the next run fail closed, for the error ZenML keeps of it."""
    configuration = project.root / "configs" / "dev.yaml"
    dev = yaml.safe_load(configuration.read_text())
    dev["ingestion"] = {"max_bad_share": 0.0, "min_rows_for_share": 1}
    dev["lake"] = {"url": "other-lake"}
    configuration.write_text(yaml.safe_dump(dev))
