"""The thorough look by Evidently: data drift and classification presets with their tests, as text and as pages."""

import os
import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from churn.features.catalogue import Feature
from churn.frozen import Frozen
from churn.monitoring.settings import ExaminationSettings
from churn.training.frames import LABEL, MISSING

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

SCORE, PREDICTED = "score", "predicted"
_DECIDES = ("Share of Drifted Columns", "Accuracy", "RocAuc", "LogLoss")
"""Tests of the model as a whole, each of another side of it; the rest allow 20 % of what may be a very small share."""


class ExaminedTest(Frozen):
    """One of Evidently's tests.

    Attributes:
        decides: it speaks about the model as a whole; others are only shown.
    """

    name: str
    status: str
    says: str
    decides: bool

    @property
    def failed(self) -> bool:
        """Whether it speaks against the model; a test that could not run does as well."""
        return self.status != "SUCCESS"


class Examination(Frozen):
    """What Evidently said.

    Attributes:
        at: when; none where it was not asked.
        window_end: end of the newest window that was looked at.
        why_not: why it was not asked, or not about everything.
        customers: of the windows.
        labelled: customers with a known outcome.
        tests: how many ran.
        told: those that decide, and those that failed.
    """

    at: datetime | None = None
    window_end: datetime | None = None
    why_not: str | None = None
    customers: int = 0
    labelled: int = 0
    tests: int = 0
    told: tuple[ExaminedTest, ...] = ()

    @property
    def deciding(self) -> tuple[ExaminedTest, ...]:
        """The failed tests that speak against the model as a whole."""
        return tuple(test for test in self.told if test.failed and test.decides)

    @property
    def shown(self) -> tuple[ExaminedTest, ...]:
        """The failed tests that decide nothing, such as those of single columns."""
        return tuple(test for test in self.told if test.failed and not test.decides)


class Examined(NamedTuple):
    """An examination, and Evidently's own pages; empty where there is none."""

    examination: Examination
    drift_page: str
    classification_page: str


class Sides(NamedTuple):
    """Two frames to compare: features, `score`, and for classification `churned` and `predicted`."""

    current: pl.DataFrame
    reference: pl.DataFrame


def is_due(
    last: Examination | None, *, alarmed: bool, window_end: datetime | None, at: datetime, settings: ExaminationSettings
) -> str | None:
    """Return why there is no need to examine now; None when there is.

    Args:
        last: the last examination of this version.
        alarmed: whether something else speaks against the model's inputs or answers.
        window_end: end of the newest complete window.
        at: the time.
        settings: how often.
    """
    if window_end is None:
        return "no window is complete yet"
    alarmed = alarmed and settings.on_alarm
    if last is None or last.at is None:
        return None if alarmed or settings.hours is not None else "nothing called for it"
    if last.window_end == window_end:
        return "the newest window was examined before"
    old = settings.hours is not None and (at - last.at).total_seconds() >= settings.hours * 3600
    return None if alarmed or old else f"the last examination, of {last.at:%Y-%m-%d %H:%M} UTC, is recent"


def examine(
    drift: Sides,
    classification: Sides | None,
    catalogue: Sequence[Feature],
    *,
    at: datetime,
    window_end: datetime,
    settings: ExaminationSettings,
) -> Examined:
    """Let Evidently look; what goes wrong there speaks against the model, as a test that could not run.

    Args:
        drift: customers of the windows, and the bundle's reference.
        classification: customers with a known outcome, and those of the promotion's test; none while none is known.
        catalogue: the features.
        at: the time.
        window_end: end of the newest window in `drift`.
        settings: rows and thresholds.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently would send usage statistics
    tests: list[ExaminedTest] = []
    pages = ["", ""]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Evidently imports announces removals
        looks = [_drift, _classification]
        for place, sides in enumerate((drift, classification)):
            if sides is None:
                continue
            try:
                snapshot = looks[place](_sampled(sides, settings), catalogue, settings)
                tests += _tests(snapshot)
                pages[place] = str(snapshot.get_html_str(as_iframe=False))
            except Exception as error:  # whatever a foreign library cannot do with live data
                says = f"Evidently failed with {type(error).__name__}"
                tests.append(ExaminedTest(name="examination", status="ERROR", says=says, decides=True))
    return Examined(
        Examination(
            at=at,
            window_end=window_end,
            why_not=None if classification else "no outcomes are known, so the classification was not examined",
            customers=drift.current.height,
            labelled=classification.current.height if classification else 0,
            tests=len(tests),
            told=tuple(test for test in tests if test.failed or test.decides),
        ),
        pages[0],
        pages[1],
    )


def _drift(sides: Sides, catalogue: Sequence[Feature], settings: ExaminationSettings) -> "Snapshot":
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    # Evidently cannot compare a column that has no value on one side; the light statistics tell of those.
    known = [feature for feature in catalogue if _has_values(feature, *_typed(sides, [feature]))]
    numbers = [*(feature.name for feature in known if feature.kind == "numeric"), SCORE]
    codes = [feature.name for feature in known if feature.kind == "categorical"]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=codes)
    current, reference = (
        Dataset.from_pandas(side.select(*numbers, *codes).to_pandas(), data_definition=definition)
        for side in _typed(sides, known)
    )
    preset = DataDriftPreset(
        columns=[*numbers, *codes],
        drift_share=settings.drift_share,
        num_method="wasserstein",
        num_threshold=settings.drift_distance,
        cat_method="jensenshannon",
        cat_threshold=settings.drift_distance,
    )
    return Report([preset], include_tests=True).run(current, reference)


def _classification(sides: Sides, catalogue: Sequence[Feature], settings: ExaminationSettings) -> "Snapshot":
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.presets import ClassificationPreset

    kind = BinaryClassification(target=LABEL, prediction_labels=PREDICTED, prediction_probas=SCORE, pos_label=1)
    definition = DataDefinition(classification=[kind])
    columns = [pl.col(LABEL, PREDICTED).cast(pl.Int64), pl.col(SCORE).cast(pl.Float64)]
    current, reference = (
        Dataset.from_pandas(side.select(columns).to_pandas(), data_definition=definition) for side in sides
    )
    return Report([ClassificationPreset()], include_tests=True).run(current, reference)


def _typed(sides: Sides, catalogue: Sequence[Feature]) -> tuple[pl.DataFrame, pl.DataFrame]:
    def typed(side: pl.DataFrame) -> pl.DataFrame:
        columns = [
            pl.col(feature.name).cast(pl.Float64)
            if feature.kind == "numeric"
            else pl.col(feature.name).cast(pl.String).fill_null(MISSING)
            for feature in catalogue
        ]
        return side.select(*columns, pl.col(SCORE).cast(pl.Float64))

    return typed(sides.current), typed(sides.reference)


def _has_values(feature: Feature, *sides: pl.DataFrame) -> bool:
    """Tell whether a column has a value on each side; nan is none."""
    return feature.kind == "categorical" or all(side[feature.name].is_not_nan().any() for side in sides)


def _sampled(sides: Sides, settings: ExaminationSettings) -> Sides:
    return Sides(*(_some(side, settings.rows, settings.seed) for side in sides))


def _some(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    if frame.height <= rows:
        return frame
    return frame[np.sort(np.random.default_rng(seed).permutation(frame.height)[:rows])]


def _tests(snapshot: "Snapshot") -> list[ExaminedTest]:
    return [
        ExaminedTest(
            name=test["name"],
            status=getattr(test["status"], "value", str(test["status"])),
            says=test["description"],
            decides=test["name"].startswith(_DECIDES),
        )
        for test in snapshot.dict()["tests"]
    ]
