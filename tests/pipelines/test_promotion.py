"""The promotion pipeline on a trained project: gate, person, ledger, ZenML and MLflow."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click.testing
import pytest
from zenml.client import Client
from zenml.enums import RunWaitConditionResolution
from zenml.models import PipelineRunResponse, RunWaitConditionResponse

from churn.bundle.errors import BundleInvalid
from churn.clock import ProjectClock
from churn.ledger.errors import DecisionRefused, LedgerBroken, VersionGone
from churn.promotion.rules import approval_of
from steps.registry import active_ledger, active_registry
from tests.promoted import EASY, agreed, answering, decisions, fresh_ledger, run, stands
from tests.trained import Trained, configure, inside, register_again

pytestmark = [
    pytest.mark.timeout(900),  # the one training counts to whichever test comes first
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what ZenML imports to resume a run
]

Look = Callable[[RunWaitConditionResponse], None]


@pytest.fixture(scope="module", autouse=True)
def here(trained: Trained) -> Iterator[None]:
    with inside(trained.root), fresh_ledger(trained):
        configure(trained.root, promotion=dict(EASY))
        yield
        configure(trained.root)


@pytest.fixture
def ledger_anew(trained: Trained) -> Iterator[None]:
    with fresh_ledger(trained):
        yield


def by_client(result: bool) -> Look:
    def answer(waiting: RunWaitConditionResponse) -> None:
        Client().resolve_run_wait_condition(waiting.id, RunWaitConditionResolution.CONTINUE, result=result)

    return answer


def by_command(result: str) -> Look:
    def answer(waiting: RunWaitConditionResponse) -> None:
        from zenml.cli.cli import cli

        words = ["pipeline", "runs", "wait-conditions", "resolve", str(waiting.id), "--resolution", "continue"]
        done = click.testing.CliRunner().invoke(cli, [*words, "--result", result])
        assert done.exit_code == 0, done.output

    return answer


def test_a_model_goes_to_staging_by_the_gate_and_is_approved_for_production_by_a_person(trained: Trained) -> None:
    first, second, _ = (model.version for model in register_again(trained).models)
    began = len(active_ledger().entries())

    assert run(first).status == "completed"

    assert decisions(began) == [
        ("promoted", "intent", first, "staging", "default"),
        ("promoted", "committed", first, "staging", "default"),
    ]
    assert stands().holder("staging") == first
    assert agreed()

    began = len(active_ledger().entries())
    asked: list[str | None] = []

    def read_and_approve(waiting: RunWaitConditionResponse) -> None:
        asked.append(waiting.question)
        by_command("true")(waiting)

    with answering(read_and_approve):
        done = run(first, "production", ask=True)

    assert done.status == "completed"
    assert f"Promote version {first} to production?" in str(asked[0])
    assert decisions(began) == [
        ("approved", "committed", first, "production", "default"),
    ]
    assert (stands().holder("production"), stands().holder("staging")) == (None, first)
    assert approval_of(active_ledger().entries(), first).actor == "default"
    assert agreed()
    judged = done.steps["judge_promotion"].outputs
    assert {page.type for name in ("judgement", "model_card") for page in judged[name][0].visualizations or []} == {
        "html"
    }

    with pytest.raises(DecisionRefused, match="in staging already"):
        run(first, "staging")
    with pytest.raises(DecisionRefused, match=r"may not go to staging.*has decided before"):
        run(second)
    assert stands().stages[second] == "none"


def test_a_person_rejects(trained: Trained, ledger_anew: None) -> None:
    version = register_again(trained).models[0].version
    began = len(active_ledger().entries())

    with answering(by_client(False)):
        done = run(version, ask=True)

    assert done.status == "completed"
    assert done.steps["change_stage"].outputs["outcome"][0].load() == "rejected"
    assert decisions(began) == [("rejected", "committed", version, "staging", "default")]
    assert stands().stages[version] == "none"
    assert agreed()


def test_a_request_expires_and_the_gate_is_asked_again(
    trained: Trained, ledger_anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register_again(trained).models[0].version
    began = len(active_ledger().entries())
    configure(trained.root, promotion={**EASY, "approval_hours": 0.0001})

    paused = run(version, ask=True)

    assert paused.status == "paused"
    assert decisions(began) == [("expired", "committed", version, "staging", "churn")]

    # An answer that comes too late counts for nothing: the run asks the gate, and the person, again.
    configure(trained.root, promotion=dict(EASY))
    (late,) = Client().list_run_wait_conditions(status="pending").items
    Client().resolve_run_wait_condition(late.id, RunWaitConditionResolution.CONTINUE, result=True)
    with answering(by_client(True)):
        resume(paused)

    done = Client().get_pipeline_run(paused.id)
    assert done.status == "completed"
    assert {"judge_promotion", "judge_promotion_2", "change_stage"} <= set(done.steps)
    assert [decision for decision, *_ in decisions(began)] == ["expired", "approved", "promoted", "promoted"]
    assert agreed()


def resume(paused: PipelineRunResponse) -> None:
    stack = Client().active_stack
    assert paused.snapshot is not None
    stack.orchestrator.resume_run(snapshot=paused.snapshot, run=paused, stack=stack)


def test_what_nobody_can_promote_is_named(trained: Trained, ledger_anew: None) -> None:
    version = register_again(trained).models[0].version
    began = len(active_ledger().entries())

    with pytest.raises(DecisionRefused, match="the ledger knows no such version"):
        run("999")
    with pytest.raises(DecisionRefused, match="no stage to promote to; there are staging and production"):
        run(version, "heaven")
    with pytest.raises(DecisionRefused, match="promote it to staging first"):
        run(version, "production")
    assert decisions(began) == []


def test_a_bundle_that_was_altered_is_refused(trained: Trained, ledger_anew: None) -> None:
    version = register_again(trained).models[0].version
    uri = Client().get_artifact_version(str(active_registry().facts(version)["bundle_artifact"])).uri
    card = Path(uri) / "card.html"
    whole = card.read_bytes()
    card.write_bytes(whole + b" ")
    try:
        with pytest.raises(BundleInvalid, match="altered since"):
            run(version)
    finally:
        card.write_bytes(whole)

    assert stands().stages[version] == "none"


def test_a_version_deleted_in_zenml_is_named(trained: Trained, ledger_anew: None) -> None:
    version = register_again(trained).models[2].version
    Client().delete_model_version(active_registry().version(version).id)

    with pytest.raises(VersionGone, match="none in ZenML"):
        run(version)

    assert not agreed()


def test_a_damaged_ledger_decides_nothing(trained: Trained, ledger_anew: None) -> None:
    version = register_again(trained).models[0].version
    newest = max(Path(active_ledger().uri).glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)
    newest.write_bytes(b"no parquet")

    with pytest.raises(LedgerBroken, match="restore it from a copy"):
        run(version)


def test_a_clock_that_went_back_changes_nothing(
    trained: Trained, ledger_anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register_again(trained).models[0].version
    clock = ProjectClock(tmp_path / "clock")
    clock.begin(datetime.now(UTC) - timedelta(days=1))
    monkeypatch.setattr("steps.registry.project_clock", lambda: clock)

    with pytest.raises(Exception, match="set the clock right"):
        run(version)

    assert stands().stages[version] == "none"
    assert agreed()
