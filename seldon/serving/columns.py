"""Rows of named columns become the matrices a model takes; whatever does not fit is named by its field.

Good rows go through C loops only. Python looks at single values once something did not fit, to say what.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np

from seldon.serving.faults import Fault, bad_columns, bad_data, shown
from seldon.serving.model import Model, Numbers, Texts

NAN: Final = float("nan")
MAX_TEXT: Final = 128
"""Longest category in characters: the longest that ingestion takes in."""
_PLANS: Final = 256
"""Orders of columns that are remembered; callers have few."""

Row = Sequence[Any]


class Rows(NamedTuple):
    """Rows ready to be scored: `missing` stands for an unknown text, the plan says which columns were given.

    Attributes:
        customers: the tokens that were asked for, one a row; none where features were given.
        tags: what the answer says of where the features come from.
    """

    numbers: Numbers
    texts: Texts
    missing: str
    plan: "Plan"
    customers: Sequence[str] | None = None
    tags: Mapping[str, object] | None = None


class _Unfit(Exception):
    """Some value does not fit."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the columns of one order go.

    Attributes:
        pick: takes a row's numbers out, as a tuple.
        pack: makes float32 of them; refuses everything that is no number, booleans apart.
        place: where they belong among the model's numbers; none when they are all of them, in order.
        texts: position, place and whether it must be given, for each category.
    """

    names: tuple[str, ...]
    pick: Callable[[Row], tuple[Any, ...]]
    pack: Callable[..., bytes]
    place: list[int] | None
    texts: tuple[tuple[int, int, bool], ...]


class Columns:
    """Matches columns by name with a model's features."""

    def __init__(self, model: Model, max_rows: int) -> None:
        """Bind to a model; more than `max_rows` rows are refused."""
        self._model = model
        self._max_rows = max_rows
        self._kinds = {entry.name: entry for entry in model.inputs}
        self._required = tuple(entry.name for entry in model.inputs if entry.required)
        self._required_numbers = [i for i, name in enumerate(model.numbers) if self._kinds[name].required]
        self._plans: dict[tuple[Any, ...], Plan] = {}

    def read(self, names: Sequence[Any], rows: Sequence[Row], where: str, *, booleans: bool) -> Rows:
        """Read rows of values in the order of `names`.

        Args:
            names: the columns.
            rows: lists of as many values each: numbers, texts, and None for unknown.
            where: the field that holds the rows, for messages.
            booleans: whether some value may be true or false, which C takes for a number.

        Raises:
            Fault: names the first fields that do not fit.
        """
        self.check_count(len(rows), where)
        plan = self._plan(names)
        try:
            if booleans and bool in set(map(type, chain.from_iterable(rows))):
                raise _Unfit
            return Rows(self._numbers(plan, rows), self._texts(plan, rows), self._model.missing, plan)
        except (_Unfit, TypeError, struct.error, OverflowError):
            raise bad_columns(self._faults(plan, rows, where)) from None

    def read_objects(self, rows: Sequence[Any], where: str, *, booleans: bool) -> Rows:
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
            self._plan(names)
            self._check_each(rows, where)
            return self.read(names, [[row.get(name) for name in names] for row in rows], where, booleans=booleans)
        return self.read(names, [list(row.values()) for row in rows], where, booleans=booleans)

    def whole_plan(self) -> Plan:
        """Return the plan of rows that hold every column, in the model's order."""
        return self._plan((*self._model.numbers, *self._model.texts))

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

    def _plan(self, names: Sequence[Any]) -> Plan:
        try:
            key = tuple(names)
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
        numbers = [name for name in model.numbers if name in names]
        texts = [name for name in model.texts if name in names]
        place = [model.numbers.index(name) for name in numbers]
        return Plan(
            names=names,
            pick=_picker([names.index(name) for name in numbers]),
            pack=struct.Struct(f"{len(numbers)}f").pack,
            place=place if len(place) < len(model.numbers) else None,
            texts=tuple((names.index(name), model.texts.index(name), self._kinds[name].required) for name in texts),
        )

    def _numbers(self, plan: Plan, rows: Sequence[Row]) -> Numbers:
        pick, pack, width = plan.pick, plan.pack, len(plan.names)
        packed: list[bytes] = []
        gaps = False  # rows mostly have values unknown, or have none
        for row in rows:
            if type(row) is not list or len(row) != width:
                raise _Unfit
            given = pick(row)
            if not gaps:
                try:
                    packed.append(pack(*given))
                    continue
                except struct.error:
                    gaps = True
            packed.append(pack(*[NAN if value is None else value for value in given]))
        numbers = np.frombuffer(b"".join(packed), dtype=np.float32).reshape(len(rows), -1)
        if plan.place is not None:
            some, numbers = numbers, np.full((len(rows), len(self._model.numbers)), NAN, dtype=np.float32)
            numbers[:, plan.place] = some
        if np.isinf(numbers).any() or np.isnan(numbers[:, self._required_numbers]).any():
            raise _Unfit
        return numbers

    def _texts(self, plan: Plan, rows: Sequence[Row]) -> Texts:
        texts = np.full((len(rows), len(self._model.texts)), self._model.missing, dtype=object)
        for position, place, required in plan.texts:
            for i, row in enumerate(rows):
                value = row[position]
                if type(value) is str and _text_fault(value) is None:
                    texts[i, place] = value
                elif value is not None or required:
                    raise _Unfit
        return texts

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


def _picker(positions: list[int]) -> Callable[[Row], tuple[Any, ...]]:
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
