from html.parser import HTMLParser

from churn.ingestion.report import IngestReport
from materializers.report_page import OBJECTS_SHOWN, report_page


class Page(HTMLParser):
    """Tags with their attributes, text, and the cells of each table row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.rows and data.strip():
            self.rows[-1].append(data)


def test_ten_thousand_objects_stay_below_200_kilobytes(report: IngestReport) -> None:
    assert len(report_page(report).encode()) < 200_000


def test_totals_reasons_repairs_and_alerts_are_shown(report: IngestReport) -> None:
    text = " ".join(Page(report_page(report)).text)

    for shown in (
        f"{report.counts.read:,}",
        f"{report.counts.quarantined:,}",
        "missing:customer_id",
        "trimmed:item_id",
    ):
        assert shown in text
    assert "bad share" in text
    assert "Nothing has landed for this stream." in text


def test_worst_objects_come_first_and_the_rest_is_counted(report: IngestReport) -> None:
    page = Page(report_page(report))
    objects = [row for row in page.rows if row and row[0].startswith("activity/")]

    assert len(objects) == OBJECTS_SHOWN
    assert {row[2] for row in objects} == {"unreadable"}
    assert [row[1] for row in objects] == sorted((row[1] for row in objects), reverse=True)
    assert any("9,800 more are in data.json" in text for text in page.text)


def test_no_value_becomes_markup_and_nothing_is_loaded(report: IngestReport) -> None:
    page = Page(report_page(report))

    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not [attributes for _, attributes in page.tags if {"src", "href"} & attributes.keys()]
    assert "".join(page.text).count("<script>alert(1)</script>") == 2


def test_a_run_that_found_nothing_has_a_page(report: IngestReport) -> None:
    empty = report.model_copy(update={"streams": report.streams[1:], "alerts": ()})

    text = " ".join(Page(report_page(empty)).text)

    assert "No alerts." in text
