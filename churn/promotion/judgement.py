"""The verdict with what it rests on."""

from churn.frozen import Frozen
from churn.promotion.evidence import Evidence
from churn.promotion.verdict import Verdict


class Judgement(Frozen):
    """Evidence and verdict of one gate."""

    evidence: Evidence
    verdict: Verdict
