"""The scoring pipeline and `churn score` on a trained project, held against a real prediction server."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest
from typer.testing import CliRunner, Result
from zenml.client import Client

from churn.lake.table import Pinned, open_version
from churn.ledger.entry import Draft
from churn.scoring.report import ScoreReport
from cli.main import app
from stacks.environment import customers_folder
from steps.registry import active_ledger
from tests.promoted import fresh_ledger
from tests.seldon.serving.cases import PREDICT
from tests.seldon.serving.conftest import Server, started
from tests.trained import PERSON, Trained, configure, inside

pytestmark = [
    pytest.mark.timeout(900),  # the one training counts to whichever test comes first
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@dataclass(frozen=True)
class Scored:
    """A scoring by the command, and where the lake is."""

    trained: Trained
    report: ScoreReport
    version: str

    @property
    def table(self) -> Pinned:
        return open_version(self.report.table.uri)

    @property
    def rows(self) -> pl.DataFrame:
        mine = pl.col("model_version") == self.version
        return self.table.scan(dates={self.report.lineage.scoring_date}).filter(mine).collect().sort("rank")


def churn(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def report_of(*arguments: str) -> ScoreReport:
    result = churn("score", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return ScoreReport.model_validate_json(result.stdout[result.stdout.index("{") :])


def bring_live(trained: Trained, at: int) -> str:
    """Enter in the ledger that a trained model is in production."""
    model = trained.registered.models[at]
    digest = model.digest
    drafts = [
        Draft(decision="registered", actor="training", version=model.version, bundle_digest=digest),
        Draft(decision="promoted", actor="ada", version=model.version, stage="production", bundle_digest=digest),
    ]
    active_ledger().record(lambda entries: drafts)
    return model.version


@pytest.fixture(scope="module")
def scored(trained: Trained) -> Iterator[Scored]:
    with inside(trained.root), fresh_ledger(trained):
        nothing = churn("score")
        assert nothing.exit_code == 1
        assert "no version is in production" in nothing.output.replace("\n", " ")
        version = bring_live(trained, 2)
        yield Scored(trained, report_of(), version)
        configure(trained.root)


@pytest.fixture(scope="module")
def server(
    scored: Scored,
    project_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    service_missing: Callable[[str], NoReturn],
) -> Iterator[Server]:
    """The version's own server, with what the pipeline published."""
    python = project_root / ".venv-serving" / "bin" / "python"
    if not python.exists():
        service_missing("no .venv-serving here; make .venv-serving/.ready")
    from steps.plan_rollout import opened

    bundle = opened(scored.version, scored.report.lineage.bundle_digest)
    options = {
        "--bundle": str(bundle.path),
        "--digest": bundle.digest,
        "--version": scored.version,
        "--port": "0",
        "--customers": str(customers_folder()),
    }
    words = [str(python), "-m", "seldon.serving", *(word for pair in options.items() for word in pair)]
    served = started(words, project_root, tmp_path_factory.mktemp("landing"))
    yield served
    assert served.end() == 0


def test_every_active_customer_has_one_score_with_its_lineage(scored: Scored) -> None:
    rows, report = scored.rows, scored.report
    features = open_version(f"{scored.trained.world.lake}/customer_snapshots")
    active = features.scan(["customer_id"], dates={report.lineage.scoring_date}).collect()

    assert sorted(rows["customer_id"]) == sorted(active["customer_id"])
    assert rows.height == report.customers > 100
    assert rows["rank"].to_list() == list(range(1, rows.height + 1))
    assert rows["expected_profit"].is_sorted(descending=True)
    assert 0 < report.contacts.customers < report.customers
    for name, value in report.lineage.columns.items():
        assert rows[name].unique().to_list() == [value], name
    assert report.lineage.features_version == features.version


def test_each_contact_says_why_and_nothing_is_personal(scored: Scored) -> None:
    contacts = pl.read_parquet(scored.report.contacts.parquet)
    text = Path(scored.report.contacts.csv).read_text()

    assert contacts.height == scored.report.contacts.customers
    assert contacts["rank"].is_sorted()
    assert contacts["reason_1"].null_count() < contacts.height / 10
    assert "active" in " ".join(contacts["reason_1"].drop_nulls())
    assert contacts["customer_id"].str.contains("^cus_[0-9a-f]{32}$").all()
    assert PERSON not in text
    assert "@" not in text
    assert pl.read_csv(scored.report.contacts.csv)["score"].to_list() == pytest.approx(contacts["score"].to_list())


def test_the_api_scores_and_decides_the_same_for_every_customer(scored: Scored, server: Server) -> None:
    for row in scored.rows.iter_rows(named=True):
        answer = server.ask(PREDICT, {"jsonData": {"customers": [row["customer_id"]]}})

        assert answer.status == 200, answer.body
        said = answer.json
        assert said["data"]["ndarray"][0][1] == row["score"]
        assert said["meta"]["tags"]["contacted"] == [row["contacted"]]
        assert said["meta"]["tags"]["snapshot"]["version"] == scored.report.lineage.features_version


def test_scoring_again_changes_nothing(scored: Scored) -> None:
    before, rows, contacts = scored.table.version, scored.rows, Path(scored.report.contacts.csv).read_bytes()

    said = churn("score").output

    assert f"{scored.report.customers:,} customers scored by version {scored.version}" in said
    assert "as they were already" in said
    assert scored.table.version == before
    assert scored.rows.equals(rows)
    assert Path(scored.report.contacts.csv).read_bytes() == contacts


@pytest.mark.slow
def test_another_version_is_scored_beside_it(scored: Scored) -> None:
    rows = scored.rows
    other = bring_live(scored.trained, 0)
    try:
        report = report_of()
    finally:
        bring_live(scored.trained, 2)

    assert report.lineage.model_version == other != scored.version
    assert scored.rows.equals(rows)
    day = scored.table.scan(["model_version"], dates={report.lineage.scoring_date}).collect()
    assert day["model_version"].value_counts(sort=True)["count"].to_list() == [rows.height, rows.height]


@pytest.mark.slow
def test_an_earlier_cutoff_can_be_scored(scored: Scored) -> None:
    run = Client().list_pipeline_runs(pipeline_name="score_customers", sort_by="asc:created", hydrate=True).items[0]
    features = run.steps["build_features"].outputs["feature_set"][0].load()
    day: date = features.cutoffs.test

    earlier = report_of("--at", str(day))

    assert earlier.lineage.scoring_date == day
    assert earlier.customers == features.rows[str(day)]


def test_what_is_no_date_is_wrong_usage(scored: Scored) -> None:
    result = churn("score", "--at", "soon")

    assert result.exit_code == 2
    assert "no ISO 8601 date" in result.output.replace("\n", " ")


def test_the_page_shows_the_list_and_needs_nothing_else(scored: Scored) -> None:
    runs = Client().list_pipeline_runs(pipeline_name="score_customers", status="completed", hydrate=True).items
    outputs = [run.steps["score"].outputs["scores"][0] for run in runs]
    artifact = next(one for one in outputs if one.load() == scored.report)  # other suites score in this store too
    [page] = [one.uri for one in artifact.visualizations or []]
    html = Path(page).read_text()

    assert f"{scored.report.contacts.customers:,} of {scored.report.customers:,} customers to contact" in html
    assert scored.report.top[0].customer in html
    assert "http" not in html.replace("http://www.w3.org", "")
    assert json.loads(scored.report.model_dump_json())
