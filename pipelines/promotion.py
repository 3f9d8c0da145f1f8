"""From a registered version to a stage: evidence, gate, a person, and the ledger."""

from itertools import count

from zenml import pipeline, wait

from steps.approval import EXPIRED, closed_unless_answered, is_expired, seconds_left
from steps.change_stage import change_stage
from steps.judge_promotion import judge_promotion


@pipeline(dynamic=True, enable_cache=False)
def promote_model(version: int | str, to_stage: str = "staging", ask: bool = False) -> None:
    """Promote a version of the model when the gate says so, and a person where the settings ask for one.

    Args:
        version: its number in the Model Control Plane.
        to_stage: `staging` or `production`.
        ask: ask a person also where the settings do not.
    """
    for attempt in count(1):
        judging = judge_promotion.with_options(
            parameters={"version": str(version), "to_stage": to_stage, "attempt": attempt, "ask": ask}
        )
        judged = judging.submit().get_artifact("request")
        request = judged.load()
        if is_expired(request):
            continue
        if request.asks and request.verdict.decision == "PROMOTE":
            with closed_unless_answered(request):
                wait(
                    schema=bool,
                    question=request.question,
                    metadata=request.facts,
                    name=request.name,
                    timeout=seconds_left(request),
                    poll_interval=2,
                )
        if change_stage(judged).load() != EXPIRED:
            return
