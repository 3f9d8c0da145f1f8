import signal

import pytest
from rich.progress import Progress

from cli.demo_stages import Stages, shown_stages


def test_an_interrupt_that_a_library_swallows_stops_the_demo_after_the_part_at_hand() -> None:
    parts: list[int] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def work() -> None:
        with shown_stages() as stages, stages.stage("work", 3) as advance:
            for part in range(3):
                try:
                    parts.append(part)
                    if part == 1:
                        signal.raise_signal(signal.SIGINT)
                except BaseException:  # a finaliser does so
                    pass
                advance()

    with pytest.raises(KeyboardInterrupt):
        work()

    assert parts == [0, 1]
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_a_stage_without_parts_ends_an_interrupted_demo_too() -> None:
    stages = Stages(Progress(disable=True))

    def work() -> None:
        with stages.stage("work"), pytest.raises(KeyboardInterrupt):
            stages.interrupt(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        work()
