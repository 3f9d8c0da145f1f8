"""Why a score is high, asked of the model that is served.

A group of features is put to what is typical of the reference rows that stayed, and the customer is scored again by the
same graph: what the score loses is what the group added (occlusion, Zeiler & Fergus 2014). Those who stayed, because
where most customers leave, the typical customer does, and nothing would speak for it. Groups and not single features,
because features that tell the same thing stand in for each other: without one, its neighbours keep the score where it
is. Where groups do that too, and none alone takes enough away, it is asked the other way round: what a typical customer
who stays scores when given this customer's values of one group.

Which feature names its group is told by what each alone does to the model's mean score (partial dependence, Friedman
2001): the one whose value raises it most. A feature that the model does not look at is flat, and never named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.bundle.bundle import Bundle, inputs_of
from churn.evaluation.metrics import Floats
from churn.features.catalogue import Feature
from churn.features.words import GROUPS, Group, Wording, wording
from churn.training.frames import LABEL, MISSING

Columns = Mapping[str, NDArray[np.generic]]

_SAMPLE = 128
"""Reference rows that a feature's own effect is averaged over."""
_POINTS = 9
_CATEGORIES = 12
_UNIT = 1e-9


@dataclass(frozen=True)
class Effect:
    """What a feature alone does to the model's mean score.

    Attributes:
        points: ascending values of a number; nothing for a category.
        scores: at these points.
        others: at categories, by name; at `MISSING`, or NaN, under the key `MISSING`.
        typical: at the typical value.
    """

    points: Floats
    scores: Floats
    others: Mapping[str, float]
    typical: float

    def raised(self, values: NDArray[np.generic]) -> Floats:
        """Return how far each value raises the mean score over what is typical."""
        if not len(self.points):
            found = [self.others.get(str(value), self.typical) for value in values.tolist()]
            return np.asarray(found, dtype=np.float64) - self.typical
        numbers = values.astype(np.float64)
        gaps = np.isnan(numbers)
        scores = np.interp(np.where(gaps, self.points[0], numbers), self.points, self.scores)
        return np.where(gaps, self.others[MISSING], scores) - self.typical


@dataclass(frozen=True)
class Explained:
    """What speaks most for leaving, a customer each.

    Attributes:
        topics: title of the group that adds most; None where none adds enough.
        sentences: reasons × customers, the strongest first; None where there are no more.
    """

    topics: NDArray[np.object_]
    sentences: NDArray[np.object_]


@dataclass(frozen=True)
class Explainer:
    """Explains the scores of one bundle."""

    bundle: Bundle
    reference: pl.DataFrame

    @cached_property
    def typical(self) -> dict[str, float | str]:
        """What is usual of who stayed: a number's median, a category's most frequent value; NaN and `MISSING` too."""
        stayed = self.reference.filter(~pl.col(LABEL))
        rows = stayed if stayed.height else self.reference
        return {feature.name: _typical(rows[feature.name], feature) for feature in self._catalogue}

    @cached_property
    def effects(self) -> dict[str, Effect]:
        """What each feature alone does to the mean score."""
        step = max(self.reference.height // _SAMPLE, 1)
        sample = inputs_of(self.reference.gather_every(step).head(_SAMPLE), self._catalogue)
        return {feature.name: self._effect(feature, sample) for feature in self._catalogue}

    @cached_property
    def groups(self) -> dict[Group, tuple[str, ...]]:
        """The features of each group that the model looks at."""
        found: dict[Group, tuple[str, ...]] = {}
        for feature in self._catalogue:
            if _is_looked_at(self.effects[feature.name]):
                group = wording(feature.name).group
                found[group] = (*found.get(group, ()), feature.name)
        return found

    def added(self, columns: Columns, scores: Floats) -> dict[Group, Floats]:
        """Return what the scores lose without each group: above nought it speaks for leaving."""
        rows = len(scores)
        return {
            group: scores - self.bundle.score({**columns, **{name: self._usual(name, rows) for name in names}})
            for group, names in self.groups.items()
        }

    def given(self, columns: Columns, rows: int) -> dict[Group, Floats]:
        """Return what a typical customer who stays gains by the values of each group alone."""
        usual = {name: self._usual(name, rows) for name in columns}
        before = self.bundle.score({name: values[:1] for name, values in usual.items()})[0]
        return {
            group: self.bundle.score({**usual, **{name: columns[name] for name in names}}) - before
            for group, names in self.groups.items()
        }

    def explain(self, columns: Columns, scores: Floats, most: int, least: float) -> "Explained":
        """Say what speaks most for leaving.

        Args:
            columns: the rows, as the model takes them.
            scores: theirs.
            most: reasons of a score.
            least: probability that a group must add to be one.

        """
        added = self.added(columns, scores)
        texts = np.full((most, len(scores)), None, dtype=object)
        if not added or not len(scores):
            return Explained(np.full(len(scores), None, dtype=object), texts)
        groups, sizes = list(added), np.stack(list(added.values()))
        hidden = np.flatnonzero(sizes.max(axis=0) < least)
        if len(hidden):
            alone = self.given({name: values[hidden] for name, values in columns.items()}, len(hidden))
            sizes[:, hidden] = np.stack(list(alone.values()))
        ranked = np.argsort(-sizes, axis=0, kind="stable")[:most]
        enough = np.take_along_axis(sizes, ranked, axis=0) >= least
        for at, group in enumerate(groups):
            places, rows = np.nonzero((ranked == at) & enough)
            if len(rows):
                texts[places, rows] = self._sentences(self.groups[group], columns, rows)
        titles = np.array([GROUPS[group] for group in groups], dtype=object)
        topics = titles[ranked[0]]
        topics[~enough[0]] = None
        return Explained(topics, texts)

    @property
    def _catalogue(self) -> Sequence[Feature]:
        return self.bundle.manifest.catalogue

    def _usual(self, name: str, rows: int) -> NDArray[np.generic]:
        value = self.typical[name]
        return np.full(rows, value, dtype=object if isinstance(value, str) else np.float32)

    def _effect(self, feature: Feature, sample: Columns) -> Effect:
        known = self.reference[feature.name].drop_nulls()
        if feature.kind == "numeric":
            points = _quantiles(known)
            asked: list[float | str] = [*points.tolist(), float("nan"), self.typical[feature.name]]
            scores = self._mean_scores(feature.name, asked, sample)
            if not len(points):
                points, scores = np.zeros(1), np.concatenate([scores[-1:], scores])
            return Effect(points, scores[: len(points)], {MISSING: float(scores[-2])}, float(scores[-1]))
        categories = known.value_counts(sort=True)[feature.name][:_CATEGORIES].to_list()
        scores = self._mean_scores(feature.name, [*categories, MISSING, self.typical[feature.name]], sample)
        by_name = dict(zip([*categories, MISSING], map(float, scores), strict=False))
        return Effect(np.empty(0), np.empty(0), by_name, float(scores[-1]))

    def _mean_scores(self, name: str, values: Sequence[float | str], sample: Columns) -> Floats:
        rows = len(sample[name])
        columns = {column: np.tile(known, len(values)) for column, known in sample.items()}
        columns[name] = np.repeat(np.asarray(values, dtype=sample[name].dtype), rows)
        return np.asarray(self.bundle.score(columns).reshape(len(values), rows).mean(axis=1))

    def _sentences(self, names: Sequence[str], columns: Columns, rows: NDArray[np.intp]) -> NDArray[np.object_]:
        """Name the feature of a group that speaks most for leaving, for each of some rows."""
        raised = np.stack([self.effects[name].raised(columns[name][rows]) for name in names])
        chosen = raised.argmax(axis=0)
        texts = np.empty(len(rows), dtype=object)
        for at, name in enumerate(names):
            mine = np.flatnonzero(chosen == at)
            if len(mine):
                values = columns[name][rows[mine]]
                typical = np.asarray([self.typical[name]], dtype=values.dtype)
                texts[mine] = _beside(spoken(values, wording(name)), typical, wording(name)).to_numpy()
        return texts


def explainer_of(bundle: Bundle) -> Explainer:
    """Return the explainer of a bundle, by the reference that it carries."""
    return Explainer(bundle, pl.read_parquet(bundle.path / "reference.parquet", glob=False))


def spoken(values: NDArray[np.generic], words: Wording, *, bare: bool = False) -> pl.Series:
    """Put values into words; `bare` gives the value alone."""
    before, after = ("", "") if bare else words.phrase.split("{}")
    without = pl.lit("none" if bare else words.without)
    value = pl.col("value")
    if values.dtype == object:
        known, shown = value != MISSING, value
        frame = pl.Series("value", values, dtype=pl.String).to_frame()
    else:
        known, shown = value.is_not_nan(), _percent(value) if words.form == "share" else _short(value)
        frame = pl.Series("value", values).cast(pl.Float64).to_frame()
    said = pl.concat_str(pl.lit(before), shown, pl.lit(after))
    return frame.select(value=pl.when(known).then(said).otherwise(without))["value"]


def _short(number: pl.Expr) -> pl.Expr:
    rounded = number.fill_nan(0).round().cast(pl.Int64, strict=False)
    whole = pl.coalesce(rounded.cast(pl.String), number.cast(pl.String))  # beyond an Int64 as it is
    return pl.when((number.abs() >= 100) | (number == number.round())).then(whole).otherwise(_decimals(number))


def _decimals(number: pl.Expr) -> pl.Expr:
    return pl.when(number.abs() < 0.1).then(number.round(3)).otherwise(number.round(1)).cast(pl.String)


def _percent(number: pl.Expr) -> pl.Expr:
    return _short((number * 100).round(1)) + " %"


def _typical(known: pl.Series, feature: Feature) -> float | str:
    if feature.kind == "numeric":
        numbers = known.cast(pl.Float64).fill_nan(None)
        median = numbers.median() if numbers.null_count() * 2 <= len(numbers) else None
        return float(np.float32(median)) if isinstance(median, float) else float("nan")
    # The first in order where two are as frequent, so that the same bundle says the same.
    counted = known.fill_null(MISSING).value_counts().sort("count", known.name, descending=[True, False])
    return str(counted[known.name][0]) if counted.height else MISSING


def _quantiles(known: pl.Series) -> Floats:
    numbers = known.cast(pl.Float32).to_numpy().astype(np.float64)
    return np.unique(np.quantile(numbers, np.linspace(0.01, 0.99, _POINTS))) if len(numbers) else np.empty(0)


def _is_looked_at(effect: Effect) -> bool:
    reached: list[float] = [*effect.scores.tolist(), *effect.others.values(), effect.typical]
    return max(reached) - min(reached) > _UNIT


def _beside(said: pl.Series, typical: NDArray[np.generic], words: Wording) -> pl.Series:
    """Add the typical value to sentences; beside one that holds no value itself, it needs its words."""
    alone, in_words = (f" (typical of who stays: {spoken(typical, words, bare=bare)[0]})" for bare in (True, False))
    usual = pl.when(pl.col("said") == words.without).then(pl.lit(in_words)).otherwise(pl.lit(alone))
    return said.to_frame("said").select(pl.col("said") + usual)["said"]
