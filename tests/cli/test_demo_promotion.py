import os
import pty
import sys
from collections.abc import Iterator

import pytest
from zenml.execution.pipeline.dynamic.interactive_input_utils import can_answer_wait_condition_interactively
from zenml.orchestrators.local.local_orchestrator import LocalOrchestrator

from cli.demo_promotion import _answered


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input and output are a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as end:
        monkeypatch.setattr(sys, "stdin", end)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        yield
    os.close(ours)


def test_nobody_is_asked_on_the_terminal_what_the_demo_answers_itself(terminal: None) -> None:
    here = object.__new__(LocalOrchestrator)

    asked = [can_answer_wait_condition_interactively(here)]
    with _answered("1"):
        asked.append(can_answer_wait_condition_interactively(here))
    asked.append(can_answer_wait_condition_interactively(here))

    assert asked == [True, False, True]
