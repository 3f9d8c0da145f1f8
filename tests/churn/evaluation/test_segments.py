import numpy as np
from numpy.typing import NDArray

from churn.evaluation.segments import each_group

EVERYBODY = np.ones(4, dtype=np.bool_)
FIRST_TWO = np.array([True, True, False, False])


def test_each_group_of_rows_is_looked_at_once_and_everybody_not_again() -> None:
    looked: list[list[bool]] = []

    def look(rows: NDArray[np.bool_]) -> str:
        looked.append(rows.tolist())
        return f"{rows.sum()} rows"

    segments = [
        ("plan", "unknown", EVERYBODY),
        ("country", "NL", FIRST_TWO),
        ("country", "BE", ~FIRST_TWO),
        ("tenure_days", "below 90", FIRST_TWO.copy()),
    ]
    found = list(each_group(segments, "all rows", look))

    assert [(column, value) for (column, value, _), _ in found] == [one[:2] for one in segments]
    assert [says for _, says in found] == ["all rows", "2 rows", "2 rows", "2 rows"]
    assert looked == [FIRST_TWO.tolist(), (~FIRST_TWO).tolist()]
