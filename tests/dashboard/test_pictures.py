"""What the demo leaves, as people see it; `make pictures` keeps what is seen as the pictures of the documentation."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dashboard import views
from tests.dashboard.finished import COLUMNS, Finished
from tests.dashboard.servers import mlflow_ui, zenml_dashboard
from tests.dashboard.terminal import drawing

if TYPE_CHECKING:
    from playwright.sync_api import Page

Browse = Callable[[Callable[["Page"], None]], None]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # a whole demo counts to whichever test comes first

CANDIDATES = ("logistic_regression", "random_forest", "hist_gradient_boosting")


@pytest.fixture(scope="module")
def zenml(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard of the demo's store."""
    with zenml_dashboard(finished.stores, tmp_path_factory.mktemp("zenml-demo")) as url:
        yield url


def test_a_training_is_a_graph_of_its_steps_and_artifacts(zenml: str, browse: Browse, pictures: Path) -> None:
    seen: set[str] = set()

    def look(page: "Page") -> None:
        page.set_viewport_size({"width": 1600, "height": 620})
        views.open_run(page, zenml, views.newest_run(zenml, "train_churn_model"))
        views.widen_graph(page)
        seen.update(views.nodes(page))
        page.screenshot(path=pictures / "run.png")

    browse(look)

    assert {"build_features", "train", "register", "feature_set", "trained_models"} <= seen
    assert {f"bundle_{name}" for name in CANDIDATES} <= seen


def test_reports_open_in_the_graph_of_their_run(zenml: str, browse: Browse, pictures: Path) -> None:
    said: dict[str, str] = {}

    def look(page: "Page") -> None:
        page.set_viewport_size({"width": 1440, "height": 720})
        for pipeline, artifact in (("ingest_activity", "ingest_report"), ("deploy_model", "rollout")):
            views.open_run(page, zenml, views.newest_run(zenml, pipeline))
            said[artifact] = views.open_visualization(page, artifact)
            page.screenshot(path=pictures / f"run-{artifact.replace('_', '-')}.png")

    browse(look)

    assert "rows read" in said["ingest_report"]
    assert "The canary takes over" in said["rollout"]


def test_mlflow_compares_the_candidates(finished: Finished, browse: Browse, pictures: Path, tmp_path: Path) -> None:
    figures = ("roc_auc", "brier", "profit_per_customer")
    said: list[str] = []
    [store] = finished.stores.glob("*/mlflow.db")

    def look(page: "Page") -> None:
        page.set_viewport_size({"width": 1440, "height": 680})
        views.compare_in_mlflow(page, url, views.mlflow_experiment(url), figures)
        said.append(page.locator("body").inner_text())
        page.screenshot(path=pictures / "mlflow.png")

    with mlflow_ui(f"sqlite:///{store}", tmp_path) as url:
        browse(look)

    assert [name for name in (*CANDIDATES, *figures) if name not in said[0]] == []


@pytest.mark.parametrize(
    ("name", "place", "height", "promised"),
    [
        ("model-card", "logistic regression card", 1335, ("Logistic regression", "What it learned from", "ROC-AUC")),
        ("evidence", "evidence", 1000, ("The gate lets it pass", "Against version")),
        ("rollout", "rollout page", 2080, ("The canary takes over", "How far apart the tracks are", "Latency, median")),
        ("monitoring", "monitoring page", 1335, ("To be trained again", "Drift of features", "tenure_days")),
        ("contacts", "whom to contact page", 1000, ("customers to contact", "What contacting brings")),
    ],
)
def test_a_page_of_the_demo_shows_what_it_is_about(
    finished: Finished,
    browse: Browse,
    pictures: Path,
    name: str,
    place: str,
    height: int,
    promised: tuple[str, ...],
) -> None:
    said: list[str] = []

    def look(page: "Page") -> None:
        page.set_viewport_size({"width": 1040, "height": height})
        page.goto(finished.place(place).as_uri())
        said.append(page.locator("body").inner_text())
        page.screenshot(path=pictures / f"{name}.png")

    browse(look)

    assert [words for words in promised if words.lower() not in said[0].lower()] == []


@pytest.mark.parametrize(
    ("name", "title", "promised"),
    [
        ("demo", "make demo", ("69,662 read = 69,404 appended", "it replaced version", "0 of them failed", "RETRAIN")),
        ("status", "churn status", ("activity", "production: version", "100 %, ready", "ledger:")),
    ],
)
def test_a_terminal_shows_the_end_of_the_demo_and_the_state_of_the_platform(
    finished: Finished, browse: Browse, pictures: Path, name: str, title: str, promised: tuple[str, ...]
) -> None:
    said = f"$ {title}\n" + (f"{finished.stages}\n{finished.story}" if name == "demo" else finished.churn("status"))
    picture = pictures / f"{name}.svg"
    picture.write_text(drawing(said, title=title, columns=COLUMNS), encoding="utf-8")
    shown: list[str] = []

    def look(page: "Page") -> None:
        page.goto(picture.as_uri())
        lines = page.locator("svg text").all_text_contents()
        shown.append(" ".join("\n".join(lines).replace("\xa0", " ").split()))

    browse(look)

    assert [words for words in promised if words not in shown[0]] == []
    assert "Waiting for input" not in shown[0]  # the demo answers by itself
    assert "url(http" not in picture.read_text(encoding="utf-8")  # nothing is fetched
