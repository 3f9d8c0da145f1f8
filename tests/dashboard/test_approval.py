"""A person answers a promotion in the dashboard, and a program over REST."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from zenml.models import RunWaitConditionResponse

from tests.dashboard import views
from tests.promoted import EASY, answering, decisions, fresh_ledger, run, stands
from tests.trained import Trained, configure, inside, register_again

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first


@pytest.fixture(scope="module", autouse=True)
def here(trained: Trained) -> Iterator[None]:
    with inside(trained.root), fresh_ledger(trained):
        configure(trained.root, promotion=dict(EASY))
        yield
        configure(trained.root)


def test_a_person_approves_by_a_click(
    trained: Trained, dashboard: str, browse: "Callable[[Callable[[Page], None]], None]", pictures: Path
) -> None:
    version = register_again(trained).models[0].version
    began = len(decisions(0))
    seen: dict[str, str] = {}

    def approve(waiting: RunWaitConditionResponse) -> None:
        def on_page(page: "Page") -> None:
            views.open_run(page, dashboard, str(waiting.run.id))
            page.get_by_text(f"Promote version {version} to staging?").first.wait_for()
            page.screenshot(path=pictures / "approval.png")
            for artifact in ("judgement", "model_card"):
                seen[artifact] = views.open_visualization(page, artifact)
                page.screenshot(path=pictures / f"approval-{artifact.replace('_', '-')}.png")
                page.keyboard.press("Escape")
            page.locator(".monaco-editor").first.click()
            page.keyboard.insert_text("true")
            page.get_by_role("button", name="Continue").click()
            page.get_by_text("Waiting for input").wait_for(state="detached")

        browse(on_page)

    with answering(approve):
        done = run(version, "staging", ask=True)

    assert done.status == "completed"
    assert f"Version {version}, the first" in seen["judgement"]
    assert "ogistic" in seen["model_card"]
    assert stands().holder("staging") == version
    assert [(decision, actor) for decision, _, _, _, actor in decisions(began)] == [
        ("approved", "default"),
        ("promoted", "default"),
        ("promoted", "default"),
    ]


def test_a_program_rejects_over_rest(trained: Trained, dashboard: str) -> None:
    version = register_again(trained).models[1].version
    with fresh_ledger(trained):
        version = register_again(trained).models[1].version

        def reject(waiting: RunWaitConditionResponse) -> None:
            answer = requests.put(
                f"{dashboard}/api/v1/run_wait_conditions/{waiting.id}/resolve",
                json={"resolution": "continue", "result": False},
                timeout=60,
            )
            assert answer.ok, answer.text

        with answering(reject):
            assert run(version, ask=True).status == "completed"

        assert decisions(0)[-1] == ("rejected", "committed", version, "staging", "default")
