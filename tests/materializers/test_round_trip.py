import warnings
from pathlib import Path

import pytest
from pydantic import BaseModel
from zenml.client import Client
from zenml.enums import VisualizationType

from churn.ingestion.report import IngestReport
from churn.lake.snapshot import DataSnapshot, TableVersion
from materializers.data_snapshot import DataSnapshotMaterializer
from materializers.ingest_report import IngestReportMaterializer
from materializers.json_model import JsonModelMaterializer


@pytest.fixture(scope="module")
def store() -> Path:
    """The folder of the local artifact store."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        return Path(Client().active_stack.artifact_store.path)


def round_trip(materializer: type[JsonModelMaterializer], data: BaseModel, folder: Path) -> tuple[BaseModel, str]:
    folder.mkdir(parents=True)
    written = materializer(uri=str(folder))
    written.save(data)
    [(page, kind)] = written.save_visualizations(data).items()
    assert kind == VisualizationType.HTML
    return materializer(uri=str(folder)).load(type(data)), Path(page).read_text()


def test_a_report_comes_back_as_it_was(report: IngestReport, store: Path, tmp_path: Path) -> None:
    loaded, page = round_trip(IngestReportMaterializer, report, store / tmp_path.name)

    assert loaded == report
    assert "Ingest report" in page


def test_a_report_tells_its_totals_as_metadata(report: IngestReport, store: Path) -> None:
    metadata = IngestReportMaterializer(uri=str(store)).extract_metadata(report)

    assert metadata["rows_read"] == report.counts.read
    assert metadata["rows_quarantined"] == report.counts.quarantined


def test_a_snapshot_comes_back_with_a_page_and_versions(store: Path, tmp_path: Path) -> None:
    table = TableVersion(uri="s3://lake/activity", version=7, rows=1234, digest="ab" * 32)
    snapshot = DataSnapshot(tables={"activity": table})

    loaded, page = round_trip(DataSnapshotMaterializer, snapshot, store / tmp_path.name)

    assert loaded == snapshot
    assert "1,234" in page
    assert DataSnapshotMaterializer(uri=str(store)).extract_metadata(snapshot) == {"activity_version": 7}
