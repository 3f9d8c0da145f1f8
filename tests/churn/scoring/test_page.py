from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from churn.bundle.bundle import Bundle
from churn.scoring.export import export_contacts
from churn.scoring.page import scores_page
from churn.scoring.report import TOP, ScoreReport, report_of
from churn.scoring.score import score_rows
from churn.scoring.settings import ScoringSettings
from churn.scoring.table import ranked, write_scores
from tests.churn.scoring.test_table import lineage

MARKUP = "<script>alert(1)</script>"


def made(bundle: Bundle, rows: pl.DataFrame, folder: Path) -> ScoreReport:
    scored = ranked(score_rows(bundle, rows, ScoringSettings()))
    written = write_scores(str(folder), scored, lineage(), datetime(2026, 11, 21, 7, tzinfo=UTC))
    return report_of(scored, bundle, lineage(), written, export_contacts(scored, str(folder), date(2026, 11, 21), "7"))


def test_a_report_adds_up(bundle: Bundle, rows: pl.DataFrame, tmp_path: Path) -> None:
    report = made(bundle, rows, tmp_path)

    assert sum(report.histogram) == report.customers == rows.height
    assert sum(topic.customers for topic in report.topics) == report.contacts.customers
    assert len(report.top) == TOP
    assert [one.rank for one in report.top] == list(range(1, TOP + 1))
    assert report.profit[0] == (0, 0.0)
    assert report.profit[-1][0] == rows.height
    assert 0 < report.reached_churners < report.expected_churners
    assert ScoreReport.model_validate_json(report.model_dump_json()) == report


def test_what_comes_from_data_is_escaped_and_nothing_is_fetched(
    bundle: Bundle, rows: pl.DataFrame, tmp_path: Path
) -> None:
    report = made(bundle, rows, tmp_path)
    marked = report.top[0].model_copy(update={"reasons": (f"plan {MARKUP}",)})

    page = scores_page(report.model_copy(update={"top": (marked,)}))

    assert MARKUP not in page
    assert "plan &lt;script&gt;" in page
    assert "customers to contact" in page
    assert "<svg" in page
    assert "src=" not in page
    assert "href=" not in page


def test_a_page_of_nobody_is_a_page(bundle: Bundle, rows: pl.DataFrame, tmp_path: Path) -> None:
    assert "0 of 0 customers to contact" in scores_page(made(bundle, rows.clear(), tmp_path))
