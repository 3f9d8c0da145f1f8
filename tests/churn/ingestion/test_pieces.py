"""Objects that are decoded in one go: which, how many, and in what order."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from churn.ingestion.pieces import Piece, together
from churn.landing.zone import LandingObject
from tests.world import START

MIB = 2**20


def fetched(name: str, size: int, **other: Any) -> tuple[Piece, bytes]:
    format: Literal["jsonl", "csv"] = "csv" if ".csv" in name else "jsonl"
    landed = LandingObject("activity", name, START, name, format, name.endswith(".gz"), size, "etag")
    return Piece(landed, name, name, START, f"object:{name}", **{"status": "ingested"} | other), bytes(size)


@pytest.mark.parametrize(
    ("objects", "groups"),
    [
        ([], []),
        ([fetched("a.csv", 1), fetched("b.csv", 1), fetched("c.csv", 1)], [["a.csv", "b.csv", "c.csv"]]),
        ([fetched("a.csv", 9 * MIB), fetched("b.csv", 7 * MIB), fetched("c.csv", 1)], [["a.csv", "b.csv"], ["c.csv"]]),
        ([fetched("a.csv", 1), fetched("b.csv", 99 * MIB), fetched("c.csv", 1)], [["a.csv"], ["b.csv"], ["c.csv"]]),
        (
            [fetched("a.csv", 0), fetched("b.csv", 0), fetched("c.csv", 0), fetched("d.csv", 0)],
            [["a.csv", "b.csv", "c.csv"], ["d.csv"]],
        ),
        ([fetched("a.jsonl", 1), fetched("b.csv", 0), fetched("c.csv", 0)], [["a.jsonl"], ["b.csv", "c.csv"]]),
        ([fetched("a.csv", 1), fetched("b.jsonl", 1), fetched("c.csv", 1)], [["a.csv"], ["b.jsonl"], ["c.csv"]]),
        ([fetched("a.csv.gz", 1), fetched("b.csv.gz", 1)], [["a.csv.gz"], ["b.csv.gz"]]),
        ([fetched("a.csv", 1), fetched("b.csv", 0, status="unchanged")], [["a.csv"], ["b.csv"]]),
        (
            [fetched("a.csv", 1), fetched("b.csv", 0, status="unreadable", fault=("too_large", None))],
            [["a.csv"], ["b.csv"]],
        ),
    ],
)
def test_neighbours_of_plain_csv_are_put_together_up_to_a_size_and_a_number(
    objects: list[tuple[Piece, bytes]], groups: list[list[str]]
) -> None:
    assert [[piece.source_file for piece, _ in group] for group in together(objects, 3)] == groups


def test_what_was_fetched_before_an_error_comes_before_it() -> None:
    def failing() -> Iterator[tuple[Piece, bytes]]:
        yield fetched("a.csv", 1)
        yield fetched("b.csv", 1)
        raise OSError("the storage is away")

    groups = together(failing(), 9)

    assert [piece.source_file for piece, _ in next(groups)] == ["a.csv", "b.csv"]
    with pytest.raises(OSError, match="away"):
        next(groups)
