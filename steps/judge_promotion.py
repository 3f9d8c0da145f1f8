"""The gate: evidence for and against a promotion, the verdict, and what a person will be asked."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, get_args

from zenml import get_step_context, log_metadata, step
from zenml.materializers.structured_string_materializer import StructuredStringMaterializer
from zenml.types import HTMLString

from churn.bundle.bundle import Bundle
from churn.bundle.checked import CARD
from churn.bundle.errors import BundleInvalid
from churn.features.catalogue import TABLE
from churn.ledger.errors import DecisionRefused
from churn.ledger.standing import Standing, standing
from churn.promotion.gate import judge
from churn.promotion.gather import Contender, gather
from churn.promotion.judgement import Judgement
from churn.promotion.lake_data import LakeData
from churn.promotion.request import PromotionRequest
from churn.promotion.rules import decided_before, incumbent_of, require_promotable
from churn.promotion.stage import Target
from materializers.request import RequestMaterializer
from materializers.verdict import JudgementMaterializer
from stacks.environment import active_settings, project_clock
from steps.guard import failing_closed
from steps.in_production import bundle_of
from steps.registry import Registry, active_ledger, active_registry


@step(
    enable_cache=False,
    # In the order of the outputs: a dynamic pipeline takes the order from here, and would mix them up.
    output_materializers={
        "judgement": JudgementMaterializer,
        "model_card": StructuredStringMaterializer,
        "request": RequestMaterializer,
    },
)
def judge_promotion(
    version: str, to_stage: str, attempt: int, ask: bool
) -> tuple[
    Annotated[Judgement, "judgement"], Annotated[HTMLString, "model_card"], Annotated[PromotionRequest, "request"]
]:
    """Compare a version with the one in production and say whether it may go on; `ask` adds a person to the settings.

    Raises:
        DecisionRefused: the ledger does not allow this step at all.
        BundleInvalid: the candidate's bundle is missing or altered.
    """
    run = get_step_context().pipeline_run
    with failing_closed(f"{run.name} judge_promotion", "promotion_failed"):
        target = _target(to_stage)
        settings, now = active_settings(), project_clock().now()
        entries = active_ledger().entries()
        stands, registry = standing(entries), active_registry()
        require_promotable(stands, version, target)
        registry.check(version)
        candidate = _contender(registry, stands, version)
        bundle = candidate.open()
        incumbent = incumbent_of(stands, version, target)
        evidence = gather(
            candidate,
            _contender(registry, stands, incumbent) if incumbent else None,
            target=target,
            data=LakeData(settings.lake.url),
            decided=lambda cutoff: decided_before(entries, version, target, cutoff),
            settings=settings.promotion,
            now=now,
        )
        verdict = judge(evidence, settings.promotion)
        lineage = bundle.manifest.lineage
        request = PromotionRequest(
            version=version,
            to_stage=target,
            digest=candidate.digest,
            cutoff=lineage.cutoffs.test,
            holder=stands.holder(target),
            tables={name: table.version for name, table in lineage.snapshot.tables.items()}
            | {TABLE: lineage.features.version},
            verdict=verdict,
            run=str(run.id),
            attempt=attempt,
            asks=ask or target in settings.promotion.ask_before,
            # Like the answer, which ZenML dates, and not by the project's clock.
            expires_at=datetime.now(UTC) + timedelta(hours=settings.promotion.approval_hours),
        )
        card = HTMLString((bundle.path / CARD).read_text(encoding="utf-8"))
    log_metadata({"decision": verdict.decision, "evidence_digest": verdict.evidence_digest})
    judgement = Judgement(evidence=evidence, verdict=verdict)
    return judgement, card, request


def _target(to_stage: str) -> Target:
    if to_stage not in get_args(Target):
        raise DecisionRefused(f"{to_stage}: no stage to promote to; there are {' and '.join(get_args(Target))}")
    return to_stage  # type: ignore[return-value]


def _contender(registry: Registry, stands: Standing, version: str) -> Contender:
    def opened() -> Bundle:
        bundle = bundle_of(registry.version(version))
        if bundle.digest != stands.digests.get(version):
            raise BundleInvalid(f"version {version}: its artifact is not the bundle that the ledger names; restore it")
        return bundle

    return Contender(version, stands.digests[version], opened)
