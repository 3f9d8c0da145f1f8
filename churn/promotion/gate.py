"""The gate: every condition is a check, and only where all of them have passed a model is promoted."""

from collections.abc import Sequence

from churn.promotion.checks import admission, contest, floors, freshness, segments
from churn.promotion.evidence import Evidence
from churn.promotion.limits import shown
from churn.promotion.settings import PromotionSettings
from churn.promotion.verdict import Check, Verdict


def judge(evidence: Evidence, settings: PromotionSettings) -> Verdict:
    """Hold the evidence against the settings; what is missing, undefined or unreadable fails its check.

    A pure function: the same evidence and settings give the same verdict.
    """
    groups = (admission, floors, contest, segments, freshness)
    checks = tuple(check for group in groups for check in group(evidence, settings))
    failed = [check for check in checks if not check.passed]
    return Verdict(
        decision="REJECT" if failed else "PROMOTE",
        reason=_refusal(evidence, failed) if failed else _praise(evidence),
        checks=checks,
        evidence_digest=evidence.digest,
    )


def _refusal(evidence: Evidence, failed: Sequence[Check]) -> str:
    first, *others = failed
    more = f" ({len(others)} more {'check' if len(others) == 1 else 'checks'} failed)" if others else ""
    return f"Version {evidence.candidate.version} may not go to {evidence.target}: {first.says}{more}."


def _praise(evidence: Evidence) -> str:
    start = f"Version {evidence.candidate.version} may go to {evidence.target}:"
    over = evidence.comparison.over_incumbent if evidence.comparison else None
    if evidence.incumbent is None or over is None:
        return f"{start} no model stands there yet, and it clears every floor and beats every baseline."
    return (
        f"{start} it earns {shown(over.profit_per_customer.value, '.3f')} more per customer than version "
        f"{evidence.incumbent.version} and is worse in nothing that is judged."
    )
