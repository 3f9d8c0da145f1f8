"""What a decision rests on and what it is, kept together."""

from churn.frozen import Frozen
from churn.promotion.evidence import Evidence
from churn.promotion.verdict import Verdict


class Judgement(Frozen):
    """Evidence, and the verdict about it."""

    evidence: Evidence
    verdict: Verdict
