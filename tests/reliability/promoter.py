"""A real process that changes a version's stage and can be killed at the k-th boundary on its way."""

import json
import os
import sys
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

from deltalake import DeltaTable
from mlflow import MlflowClient
from zenml.client import Client
from zenml.utils.source_utils import set_custom_source_root

from churn.lake.table import Pinned
from churn.ledger.changes import change_stage
from churn.ledger.errors import DecisionRefused
from churn.promotion.request import PromotionRequest
from churn.promotion.rules import require_still_true
from churn.promotion.verdict import Verdict
from stacks.environment import CHECKOUT
from steps.registry import active_ledger, active_registry
from tests.reliability.killable import Boundaries, Children, Countdown

REFUSED = 3

BOUNDARIES: Boundaries = (
    (Pinned, "append"),
    (DeltaTable, "create_write_transaction"),
    (Client, "update_model_version"),
    (MlflowClient, "set_registered_model_alias"),
    (MlflowClient, "delete_registered_model_alias"),
)
"""What stands between intent and committed."""


def requested(version: str, to_stage: str, holder: str | None) -> PromotionRequest:
    """Return a request that the gate let pass while `holder` was in the stage."""
    return PromotionRequest.model_validate(
        {
            "version": version,
            "to_stage": to_stage,
            "digest": "d" * 64,
            "cutoff": None,
            "holder": holder,
            "tables": {},
            "verdict": Verdict(decision="PROMOTE", reason="It passed.", checks=(), evidence_digest="e" * 64),
            "run": f"run of version {version}",
            "attempt": 1,
            "asks": False,
            "expires_at": datetime.now(UTC),
        }
    )


def promote(
    folder: str, environment: dict[str, str], request: str, crash_at: int | None, barrier: Barrier | None
) -> None:
    """Carry a request out in this process; exits with REFUSED when the ledger says no."""
    os.environ.update(environment)
    set_custom_source_root(str(CHECKOUT))
    with open(f"{folder}/log", "a") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    countdown = Countdown(crash_at)
    countdown.arm(BOUNDARIES)
    wanted = PromotionRequest.model_validate_json(request)
    ledger, registry = active_ledger(), active_registry()
    if barrier is not None:
        barrier.wait()
    try:
        change_stage(
            ledger,
            registry,
            wanted.draft(decision="promoted", phase="intent", actor="ada"),
            lambda entries, now: require_still_true(wanted, entries, now),
        )
    except DecisionRefused as error:
        Path(f"{folder}/refused-{wanted.version}").write_text(str(error))
        sys.exit(REFUSED)
    Path(f"{folder}/passed.json").write_text(json.dumps(countdown.passed))


class Promoters(Children):
    """Starts promotions of the project in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(__name__)
        self.folder = folder

    def start(
        self, request: PromotionRequest, *, crash_at: int | None = None, barrier: Barrier | None = None
    ) -> ForkServerProcess:
        names = ("CHURN_ROOT", "ZENML_CONFIG_PATH", "ZENML_REPOSITORY_PATH", "ZENML_ACTIVE_STACK_ID")
        environment = {name: os.environ[name] for name in names if name in os.environ}
        return self.run(promote, str(self.folder), environment, request.model_dump_json(), crash_at, barrier)
