"""What the columns hold against callers that are no JSON; of JSON, see `cases.py`."""

from typing import Any

import numpy as np
import pytest

from seldon.serving.columns import MANY, Columns
from seldon.serving.faults import Fault
from seldon.serving.model import Model
from tests.seldon.serving.cases import NAMES, ROW


@pytest.mark.parametrize("rows", [1, MANY - 1, MANY])
@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
@pytest.mark.parametrize("unknown", [None, 7.0])
def test_what_is_infinite_is_refused(model: Model, rows: int, place: int, value: float, unknown: float | None) -> None:
    last: list[Any] = [12, 40.5, "gold", unknown]
    last[place] = value

    with pytest.raises(Fault, match=rf"rows\[{rows - 1}\]\.{NAMES[place]}: is outside"):
        Columns(model, 100).read(NAMES, [ROW] * (rows - 1) + [last], "rows", lambda: False)


@pytest.mark.parametrize("rows", [1, MANY])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_finite_number_is_refused_where_nothing_is_unknown(model: Model, rows: int, value: float) -> None:
    names = [*model.numbers, *model.texts]
    row: list[Any] = [1.0] * len(model.numbers) + ["gold"] * len(model.texts)
    at = names.index("recency_days")

    with pytest.raises(Fault, match=rf"rows\[{rows - 1}\]\.recency_days: is outside"):
        Columns(model, 100).read(
            names, [row] * (rows - 1) + [[*row[:at], value, *row[at + 1 :]]], "rows", lambda: False
        )


@pytest.mark.parametrize("rows", [1, MANY])
@pytest.mark.parametrize("kind", [dict.fromkeys, tuple, "".join, set])
def test_a_row_is_a_list_though_something_else_has_as_many_values(model: Model, rows: int, kind: Any) -> None:
    names = [*model.numbers, *model.texts]
    row: list[Any] = [1.0] * len(model.numbers) + ["gold"] * len(model.texts)

    with pytest.raises(Fault, match=rf"rows\[{rows - 1}\]: must be a list of values"):
        Columns(model, 100).read(names, [row] * (rows - 1) + [kind(map(chr, range(len(names))))], "rows", lambda: False)


def test_rows_become_the_models_matrices_however_many_there_are(model: Model) -> None:
    columns, names = Columns(model, 1_000), ["plan", "amount_90d", "tenure_days", "recency_days"]
    rows: list[list[Any]] = [["gold", 1.5 if row % 3 else None, row, row + 0.25] for row in range(3 * MANY)]

    whole = columns.read(names, rows, "rows", lambda: False)
    single = [columns.read(names, [row], "rows", lambda: False) for row in rows]

    assert whole.numbers == b"".join(one.numbers for one in single)
    assert whole.texts == [text for one in single for text in one.texts]
    numbers, texts = model.matrices(whole.size, [whole.numbers], [whole.texts])
    given = {name: numbers[:, model.numbers.index(name)] for name in names[1:]}
    np.testing.assert_array_equal(given["recency_days"], [row + 0.25 for row in range(len(rows))])
    np.testing.assert_array_equal(given["tenure_days"], range(len(rows)))
    np.testing.assert_array_equal(given["amount_90d"], [1.5 if row % 3 else np.nan for row in range(len(rows))])
    assert np.isnan(numbers[:, [name not in given for name in model.numbers]]).all()
    assert set(texts[:, model.texts.index("plan")]) == {"gold"}
    assert set(texts[:, model.texts.index("country")]) == {model.missing}


def test_names_that_a_caller_changes_are_read_again(model: Model) -> None:
    columns, names = Columns(model, 100), ["recency_days", "tenure_days"]
    columns.read(names, [[1, 90]], "rows", lambda: False)

    names.reverse()

    expected = Columns(model, 100).read(["tenure_days", "recency_days"], [[1, 90]], "rows", lambda: False)
    assert columns.read(names, [[1, 90]], "rows", lambda: False) == expected
