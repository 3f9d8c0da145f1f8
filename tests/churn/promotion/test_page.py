from html.parser import HTMLParser

import pytest

from churn.promotion.evidence import Evidence
from churn.promotion.gate import judge
from churn.promotion.page import evidence_page
from churn.promotion.settings import PromotionSettings
from tests.evidence import changed, difference

LIMITS = PromotionSettings()
MARKUP = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def classes(self, tag: str) -> list[str]:
        return [attributes["class"] or "" for name, attributes in self.tags if name == tag and "class" in attributes]


def page(evidence: Evidence) -> Page:
    return Page(evidence_page(evidence, judge(evidence, LIMITS)))


def test_every_check_stands_on_the_page_with_what_it_says(good: Evidence) -> None:
    shown = page(good)

    for check in judge(good, LIMITS).checks:
        assert f"{check.says[0].upper()}{check.says[1:]}." in shown.text
    assert shown.classes("li").count("passed") == 17
    assert "The gate lets it pass" in shown.text
    assert "Version 8 against version 5" in shown.text
    assert good.digest in shown.text


def test_a_refusal_says_why_first_and_marks_what_failed(good: Evidence) -> None:
    worse = changed(good, "comparison.over_incumbent.roc_auc", difference(-0.02, 0.01, 0.02))

    shown = page(worse)

    assert "The gate refuses it" in shown.text
    assert judge(worse, LIMITS).reason in shown.text
    assert shown.classes("li").count("failed") == 1
    assert shown.classes("p").count("outside") == 1
    assert "−0.020 (−0.030 to −0.010), better in 2.0% of the resamples" in shown.text


def limit_and_interval(evidence: Evidence) -> tuple[float, float, float]:
    """Return where on the first drawing the limit stands, and the interval's ends."""
    lines = [attributes for tag, attributes in page(evidence).tags if tag == "line"]
    limit = next(line for line in lines if line["class"] == "limit")
    span = next(line for line in lines if line["class"] == "range")
    return float(limit["x1"] or ""), float(span["x1"] or ""), float(span["x2"] or "")


@pytest.mark.parametrize(("value", "inside"), [(0.01, True), (-0.001, True), (-0.003, False), (-0.05, False)])
def test_the_margin_is_drawn_where_the_gate_has_it(good: Evidence, value: float, inside: bool) -> None:
    limit, low, high = limit_and_interval(
        changed(good, "comparison.over_incumbent.roc_auc", difference(value, 0.008, 0.9))
    )

    assert low < high
    assert (low >= limit) == inside


def test_a_first_model_has_a_page_without_an_opponent(first: Evidence) -> None:
    shown = page(first)

    assert "Version 8, the first" in shown.text
    assert "Against no model at all" in shown.text
    assert "Incumbent's bundle" not in shown.text


def test_small_segments_are_shown_and_not_judged(good: Evidence) -> None:
    assert page(good).text.count("not judged") == 1


def test_faults_are_listed_when_nothing_could_be_compared(good: Evidence) -> None:
    gone = changed(changed(good, "comparison", None), "faults", ("version 8: gone", "lake: gone"))

    shown = page(gone)

    assert "What could not be read ✗ version 8: gone ✗ lake: gone Every check" in shown.text
    assert "For whom it works" not in shown.text


def test_no_value_becomes_markup_and_nothing_is_loaded(good: Evidence) -> None:
    hostile = changed(changed(good, "comparison.segments.0.value", f'"{MARKUP}'), "faults", (MARKUP,))

    shown = page(changed(hostile, "decided", MARKUP))

    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in shown.tags}
    assert not [attributes for _, attributes in shown.tags if {"src", "href"} & attributes.keys()]
    assert MARKUP in shown.text
