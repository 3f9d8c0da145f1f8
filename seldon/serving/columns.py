"""Rows of named columns become what a model takes; whatever does not fit is named by its field.

Good rows go through C loops only. Python looks at single values once something did not fit, to say what.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any, Final

import numpy as np
from msgspec import Struct

from seldon.serving.faults import Fault, bad_columns, bad_data, shown
from seldon.serving.model import Model

NAN: Final = float("nan")
_NUMBERS: Final = frozenset((int, float))
_NULLABLE: Final = frozenset((int, float, type(None)))
MAX_TEXT: Final = 128
"""Longest category in characters: the longest that ingestion takes in."""
_PLANS: Final = 256
"""Orders of columns that are remembered; callers have few."""
MANY: Final = 24
"""Rows from which on they are taken by columns, and scored without others beside them."""
_CODES: Final = 4096
"""Categories that are known to be well formed; there are few of them too."""
_TYPES: Final[Mapping[tuple[str, bool], Any]] = {
    ("numeric", True): float,
    ("numeric", False): float | None,
    ("categorical", True): str,
    ("categorical", False): str | None,
}
"""Of a value in JSON, by the kind of its feature and whether that is required."""

Row = Sequence[Any]


class Rows(Struct, frozen=True):
    """Rows of one request, in the model's order.

    Attributes:
        size: how many they are.
        numbers: row by row, as float32; NaN is an unknown one.
        texts: row by row; the model's `missing` is an unknown one.
        customers: the tokens that were asked for, one a row; none where features were given.
        tags: what the answer says of where the features come from.
    """

    size: int
    numbers: bytes
    texts: list[str]
    customers: Sequence[str] | None = None
    tags: Mapping[str, object] | None = None


class _Unfit(Exception):
    """Some value does not fit."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the columns of one order go.

    Attributes:
        lacking: some column of the model is not among the names; then an unknown value is put at the end of every row.
        pick: takes the model's numbers out of a row, or their columns out of all of them, as a tuple.
        required: which of these are never unknown.
        texts: position of each category and whether it must be given, in the model's order.
    """

    names: tuple[str, ...]
    lacking: bool
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]
    required: tuple[int, ...]
    texts: tuple[tuple[int, bool], ...]


class Columns:
    """Matches columns by name with a model's features."""

    def __init__(self, model: Model, max_rows: int) -> None:
        """Bind to a model; more than `max_rows` rows are refused."""
        self._model = model
        self._max_rows = max_rows
        self._kinds = {entry.name: entry for entry in model.inputs}
        self._required = tuple(entry.name for entry in model.inputs if entry.required)
        self._pack = struct.Struct(f"<{len(model.numbers)}f").pack
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._last: Plan | None = None
        self._fine: set[str] = set()

    def read(self, names: Sequence[Any], rows: Sequence[Row], where: str, booleans: Callable[[], bool]) -> Rows:
        """Read rows of values in the order of `names`.

        Args:
            names: the columns.
            rows: lists of as many values each: numbers, texts, and None for unknown.
            where: the field that holds the rows, for messages.
            booleans: says whether some value may be true or false, which C takes for a number; asked for many rows
                alone, of which not every value is looked at.

        Raises:
            Fault: names the first fields that do not fit.
        """
        size = len(rows)
        self.check_count(size, where)
        plan = self.plan(names)
        width = len(plan.names)
        try:
            for row in rows:
                if type(row) is not list or len(row) != width:
                    raise _Unfit
            if size >= MANY and booleans() and bool in set(map(type, chain.from_iterable(rows))):
                raise _Unfit
            whole = [[*row, None] for row in rows] if plan.lacking else rows
            numbers = self._by_rows(plan, whole) if size < MANY else self._by_columns(plan, whole)
            return Rows(size, numbers, self._texts(plan, whole))
        except (_Unfit, TypeError, struct.error, OverflowError):
            raise bad_columns(self._faults(plan, rows, where)) from None

    def plan(self, names: Sequence[Any]) -> Plan:
        """Return where columns of these names go.

        Raises:
            Fault: some are no features of this model, or there twice, or one is lacking.
        """
        key, plan = tuple(names), self._last
        if plan is None or plan.names != key:  # to compare them is cheaper than to hash them
            plan = self._last = self._plan_of(key)
        return plan

    def row_type(self, plan: Plan) -> Any:  # noqa: ANN401 - a form of `tuple`, which is no class
        """Return the type of a row in the order of these columns."""
        return tuple[tuple(_TYPES[self._kinds[name].kind, self._kinds[name].required] for name in plan.names)]  # type: ignore[misc]

    def read_typed(self, plan: Plan, rows: Sequence[tuple[Any, ...]], where: str) -> Rows | None:
        """Read rows that are of their `row_type`, from JSON, which knows no infinite numbers; none if some do not fit.

        Raises:
            Fault: there are none, or too many.
        """
        self.check_count(len(rows), where)
        whole = [(*row, None) for row in rows] if plan.lacking else rows
        try:
            packed = [self._pack(*[NAN if value is None else value for value in plan.pick(row)]) for row in whole]
            return Rows(len(rows), b"".join(packed), self._texts(plan, whole))
        except (_Unfit, OverflowError):
            return None

    def read_objects(self, rows: Sequence[Any], where: str, booleans: Callable[[], bool]) -> Rows:
        """Read rows that are objects of their own columns; one row may lack what another has.

        Raises:
            Fault: names the first fields that do not fit.
        """
        self.check_count(len(rows), where)
        for i, row in enumerate(rows):
            if type(row) is not dict:
                raise bad_data(f"{where}[{i}]: must be an object of columns and values")
        names = tuple(rows[0])
        if any(tuple(row) != names for row in rows):
            names = tuple(dict.fromkeys(chain.from_iterable(rows)))
            self.plan(names)
            self._check_each(rows, where)
            return self.read(names, [[row.get(name) for name in names] for row in rows], where, booleans)
        return self.read(names, [list(row.values()) for row in rows], where, booleans)

    def check_count(self, rows: int, where: str) -> None:
        """Refuse no rows, and more than are taken.

        Raises:
            Fault: it is either.
        """
        if not rows:
            raise bad_data(f"{where}: holds no rows")
        if rows > self._max_rows:
            raise Fault(413, "TOO_MANY_ROWS", f"{where}: holds {rows} rows, at most {self._max_rows} are taken")

    def _check_each(self, rows: Sequence[Mapping[str, Any]], where: str) -> None:
        if any(name not in row for row in rows for name in self._required):
            raise bad_columns(
                f"{where}[{i}].{name}: is required"
                for i, row in enumerate(rows)
                for name in self._required
                if name not in row
            )

    def _plan_of(self, key: tuple[Any, ...]) -> Plan:
        try:
            plan = self._plans.get(key)
        except TypeError:
            raise bad_columns(["names: must be texts"]) from None
        if plan is None:
            plan = self._make_plan(key)
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _make_plan(self, names: tuple[Any, ...]) -> Plan:
        given = Counter(names)
        if not given.keys() <= self._kinds.keys():
            raise bad_columns(
                f"{shown(name, i)}: is no feature of this model; GET /metadata lists them"
                for i, name in enumerate(names)
                if name not in self._kinds
            )
        if len(given) < len(names):
            raise bad_columns(f"{name}: is named twice" for name, count in given.items() if count > 1)
        if absent := [name for name in self._required if name not in given]:
            raise bad_columns(f"{name}: is required" for name in absent)
        model = self._model
        places, end = {name: at for at, name in enumerate(names)}, len(names)
        return Plan(
            names=names,
            lacking=len(names) < len(self._kinds),
            pick=_picker([places.get(name, end) for name in model.numbers]),
            required=tuple(at for at, name in enumerate(model.numbers) if self._kinds[name].required),
            texts=tuple((places.get(name, end), self._kinds[name].required) for name in model.texts),
        )

    def _by_rows(self, plan: Plan, rows: Sequence[Row]) -> bytes:
        packed = [self._pack(*_filled(plan, plan.pick(row))) for row in rows]
        return packed[0] if len(packed) == 1 else b"".join(packed)

    def _by_columns(self, plan: Plan, rows: Sequence[Row]) -> bytes:
        """Take many rows at once, in half the time: what is unknown is so in few columns, but in most rows."""
        pack = struct.Struct(f"<{len(rows)}f").pack
        columns = plan.pick(list(zip(*rows, strict=True)))
        matrix = np.ndarray((len(columns), len(rows)), np.float32, b"".join([_packed(pack, one) for one in columns]))
        if np.isinf(matrix).any() or np.isnan(matrix[list(plan.required)]).any():
            raise _Unfit
        return matrix.T.tobytes()

    def _texts(self, plan: Plan, rows: Sequence[Row]) -> list[str]:
        missing, fine, texts = self._model.missing, self._fine, []
        for row in rows:
            for position, required in plan.texts:
                value = row[position]
                if type(value) is str and (value in fine or self._is_fine(value)):
                    texts.append(value)
                elif value is None and not required:
                    texts.append(missing)
                else:
                    raise _Unfit
        return texts

    def _is_fine(self, value: str) -> bool:
        if _text_fault(value) is not None:
            return False
        if len(self._fine) < _CODES:
            self._fine.add(value)
        return True

    def _faults(self, plan: Plan, rows: Sequence[Row], where: str) -> Iterator[str]:
        for i, row in enumerate(rows):
            if type(row) is not list:
                yield f"{where}[{i}]: must be a list of values"
            elif len(row) != len(plan.names):
                yield f"{where}[{i}]: holds {len(row)} values for {len(plan.names)} names"
            else:
                for name, value in zip(plan.names, row, strict=True):
                    if (fault := self._fault(name, value)) is not None:
                        yield f"{where}[{i}].{name}: {fault}"

    def _fault(self, name: str, value: object) -> str | None:
        """Say what is wrong with one value, never the value itself."""
        entry = self._kinds[name]
        if value is None:
            return "is required, null is not allowed" if entry.required else None
        if entry.kind == "categorical":
            return _text_fault(value) if isinstance(value, str) else f"must be a text, not {_kind(value)}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a number, not {_kind(value)}"
        try:
            finite = bool(np.isfinite(struct.unpack("f", struct.pack("f", value))[0]))
        except OverflowError:
            finite = False
        return None if finite else "is outside of what a 32-bit float holds"


def _filled(plan: Plan, values: Sequence[Any]) -> Sequence[float]:
    """Return a row's numbers with NaN for unknown ones; refuse what is no finite number, booleans too."""
    kinds = set(map(type, values))
    if kinds <= _NUMBERS:
        if not isfinite(sum(values)):
            raise _Unfit
        return values
    if not kinds <= _NULLABLE or not isfinite(sum(filter(None, values))):
        raise _Unfit
    if any(values[at] is None for at in plan.required):
        raise _Unfit
    return [NAN if value is None else value for value in values]


def _packed(pack: Callable[..., bytes], values: Sequence[Any]) -> bytes:
    """Return a column's numbers as bytes, with NaN for unknown ones."""
    try:
        return pack(*values)
    except struct.error:
        return pack(*[NAN if value is None else value for value in values])


def _picker(positions: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what takes these values out of a row."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: tuple(row[position] for position in positions)


def _text_fault(value: str) -> str | None:
    """Say why a text is no category; what ingestion would refuse cannot be one either."""
    if len(value) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    if not value.isprintable():
        return "holds a character that cannot be printed"
    return "looks like an address; send codes, no personal data" if "@" in value else None


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
    return "an object"
