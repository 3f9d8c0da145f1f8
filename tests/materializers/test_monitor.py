import warnings
from pathlib import Path

import pytest
from pydantic import BaseModel
from zenml.client import Client

from churn.monitoring.action import Deed
from churn.monitoring.examination import Examination, ExaminedTest
from churn.monitoring.judge import judge
from churn.monitoring.watched import Watched
from materializers.json_model import JsonModelMaterializer
from materializers.monitor import ExaminationMaterializer, MeasurementMaterializer, WatchedMaterializer
from tests.watched import SETTINGS, START, healthy

FOUND = healthy()
TOLD = ExaminedTest(name="Accuracy", status="FAIL", says="lower than <it> was", decides=True)
EXAMINED = Examination(at=START, window_end=START, customers=5, tests=1, told=(TOLD,))
WATCHED = Watched(
    measurement=FOUND, verdict=judge(FOUND, EXAMINED, SETTINGS), deed=Deed(kind="none", says="nothing to do but look")
)


@pytest.mark.parametrize(
    ("materializer", "data", "words"),
    [
        (MeasurementMaterializer, FOUND, "Version 7 at churn/churn"),
        (ExaminationMaterializer, EXAMINED, "lower than &lt;it&gt; was"),
        (ExaminationMaterializer, Examination(why_not="no window is complete yet"), "no window is complete yet"),
        (WatchedMaterializer, WATCHED, "To be watched"),
    ],
)
def test_what_the_monitoring_keeps_comes_back_as_it_was_with_a_page(
    materializer: type[JsonModelMaterializer], data: BaseModel, words: str, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        folder = Path(Client().active_stack.artifact_store.path) / tmp_path.name
    folder.mkdir(parents=True)
    kept = materializer(uri=str(folder))

    kept.save(data)
    [page] = kept.save_visualizations(data)

    assert materializer(uri=str(folder)).load(type(data)) == data
    assert words in Path(page).read_text()


def test_a_run_tells_its_decision_as_metadata() -> None:
    metadata = WatchedMaterializer(uri="nowhere").extract_metadata(WATCHED)

    assert metadata["decision"] == "WATCH"
    assert metadata["blamed"] == ["examination"]
