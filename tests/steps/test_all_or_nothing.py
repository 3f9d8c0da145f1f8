from collections.abc import Collection
from functools import partial
from itertools import product

import pytest

from churn.errors import ChurnError
from steps.all_or_nothing import HalfDone, all_or_nothing


def build(world: list[str], *, then: BaseException | None = None, stuck: Collection[str] = ()) -> None:
    """Add a, b and c and fail; what is stuck cannot be removed again."""

    def remove(name: str) -> None:
        if name in stuck:
            raise ConnectionError("secret-4711")
        assert world[-1] == name or set(world[world.index(name) + 1 :]) <= set(stuck)
        world.remove(name)

    with all_or_nothing() as undo:
        for name in "abc":
            undo(name, partial(remove, name))
            world.append(name)
        if then is not None:
            raise then


def test_what_succeeds_stands() -> None:
    world: list[str] = []
    build(world)

    assert world == ["a", "b", "c"]


@pytest.mark.parametrize("error", [ChurnError("no"), ValueError("no"), KeyboardInterrupt()])
def test_what_fails_is_taken_back_newest_first_and_says_what_it_said(error: BaseException) -> None:
    world: list[str] = []
    with pytest.raises(type(error)) as raised:
        build(world, then=error)

    assert raised.value is error
    assert world == []


@pytest.mark.parametrize("works", list(product([True, False], repeat=3)))
def test_exactly_what_cannot_be_taken_back_is_named(works: tuple[bool, ...]) -> None:
    world: list[str] = []
    stuck = [name for name, possible in zip("abc", works, strict=True) if not possible]
    with pytest.raises(ChurnError) as raised:
        build(world, then=ChurnError("MLflow is away"), stuck=stuck)

    assert world == stuck
    left = f"; and what could not be taken back, delete by hand: {', '.join(reversed(stuck))}" if stuck else ""
    assert str(raised.value) == f"MLflow is away{left}"
    assert isinstance(raised.value, HalfDone) is bool(stuck)


def test_an_unforeseen_error_is_not_quoted() -> None:
    with pytest.raises(HalfDone, match=r"^ValueError; and what .* by hand: a$"):
        build([], then=ValueError("secret-4711"), stuck="a")


def test_an_interrupt_stays_one_even_where_something_is_left() -> None:
    with pytest.raises(KeyboardInterrupt):
        build([], then=KeyboardInterrupt(), stuck="a")
