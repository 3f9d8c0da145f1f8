import os
import signal
import threading

import pytest

from steps.all_or_nothing import all_or_nothing
from steps.held_back import held_back


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_waits_for_the_end_of_the_body() -> None:
    done: list[str] = []

    def interrupted() -> None:
        with held_back():
            interrupt()
            done.append("after the interruption")

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert done == ["after the interruption"]
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_a_failure_goes_on_in_place_of_the_interruption() -> None:
    def failing() -> None:
        with held_back():
            interrupt()
            raise LookupError

    with pytest.raises(LookupError):
        failing()


def test_another_thread_is_left_alone() -> None:
    done: list[str] = []

    def work() -> None:
        with held_back():
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == ["worked"]


def test_an_impatient_second_interruption_does_not_keep_anything_from_being_taken_back() -> None:
    standing = {"one", "two"}

    def take_back(what: str) -> None:
        interrupt()
        standing.discard(what)

    def interrupted() -> None:
        with all_or_nothing() as undo:
            undo("one", lambda: take_back("one"))
            undo("two", lambda: take_back("two"))
            interrupt()

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert standing == set()
