from pathlib import Path

import pytest
from zenml.enums import VisualizationType

from churn.promotion.evidence import Evidence
from churn.promotion.gate import judge
from churn.promotion.judgement import Judgement
from churn.promotion.settings import PromotionSettings
from materializers.verdict import JudgementMaterializer
from tests.evidence import changed, first_evidence, good_evidence


@pytest.mark.parametrize(
    "evidence",
    [good_evidence(), first_evidence(), changed(good_evidence(), "comparison", None)],
    ids=["better", "first", "unreadable"],
)
def test_a_judgement_comes_back_as_it_was_with_its_page(evidence: Evidence, place: str) -> None:
    judgement = Judgement(evidence=evidence, verdict=judge(evidence, PromotionSettings()))
    materializer = JudgementMaterializer(uri=place)

    materializer.save(judgement)
    [(page, kind)] = materializer.save_visualizations(judgement).items()
    loaded = JudgementMaterializer(uri=place).load(Judgement)

    assert isinstance(loaded, Judgement)
    assert loaded == judgement
    assert loaded.evidence.digest == loaded.verdict.evidence_digest
    assert kind == VisualizationType.HTML
    assert judgement.verdict.reason in Path(page).read_text()


def test_a_judgement_tells_its_decision(place: str) -> None:
    evidence = changed(good_evidence(), "decided", "version 7 was promoted")
    verdict = judge(evidence, PromotionSettings())

    facts = JudgementMaterializer(uri=place).extract_metadata(Judgement(evidence=evidence, verdict=verdict))

    assert facts == {
        "decision": "REJECT",
        "reason": verdict.reason,
        "failed": ["undecided"],
        "evidence_digest": evidence.digest,
    }
