"""From split frames to calibrated candidates, each with the threshold that earns most."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from churn.evaluation.metrics import Floats, roc_auc
from churn.evaluation.profit import best_threshold
from churn.features.catalogue import Feature
from churn.log import get_logger
from churn.training.calibrate import calibrate
from churn.training.candidates import Fit, Found, Parameters, Problem, load_candidate
from churn.training.errors import UnfitCandidate, UnfitData
from churn.training.estimators import Matrix, Transformer, scores_of
from churn.training.frames import SplitFrames, check, features_of, labels_of
from churn.training.leaks import refuse_leaks
from churn.training.settings import BASELINE, TrainingSettings

log = get_logger(__name__)

RECENCY_ONLY = "recency_only"


@dataclass(frozen=True)
class TrainedCandidate:
    """A fitted, calibrated pipeline from raw features to the probability of churn, and where to act.

    `selection_auc` steered the search; `calibration_auc` did not, and decides between candidates. `known` holds
    frames with their scores, so that large ones are scored once.
    """

    name: str
    pipeline: Pipeline
    catalogue: tuple[Feature, ...]
    threshold: float
    parameters: Parameters
    selection_auc: float
    calibration_auc: float
    fit_seconds: float
    known: tuple[tuple[pl.DataFrame, Floats], ...] = field(default=(), compare=False, repr=False)

    def score(self, frame: pl.DataFrame) -> Floats:
        """Return the probability of churn of each row."""
        for scored, scores in self.known:
            if scored is frame:
                return scores
        with threadpool_limits(limits=1):
            return scores_of(self.pipeline, features_of(frame, self.catalogue))


def train_candidates(
    frames: SplitFrames,
    catalogue: Sequence[Feature],
    settings: TrainingSettings,
    timer: Callable[[], float] = time.process_time,
) -> tuple[TrainedCandidate, ...]:
    """Fit every candidate of the settings, in their order; `frames.test` is checked, but never learned from.

    Equal frames and settings give equal bits on the same machine with the same packages: everything runs on one
    thread.

    Raises:
        UnfitData: the frames cannot make an honest model.
        LeakSuspected: a feature tells the label alone.
        UnknownCandidate: the settings name a candidate that does not exist.
    """
    fits = {name: load_candidate(name) for name in settings.candidates}
    check(frames, catalogue, settings.quality.min_class_rows)
    refuse_leaks(frames.train, catalogue, settings.quality.max_feature_auc)
    return tuple(_train(name, fit, frames, catalogue, settings, timer) for name, fit in fits.items())


def train_recency_only(
    frames: SplitFrames,
    catalogue: Sequence[Feature],
    settings: TrainingSettings,
    timer: Callable[[], float] = time.process_time,
) -> TrainedCandidate:
    """Fit the baseline that knows nothing but how long ago a customer was last seen.

    Raises:
        UnfitData: the catalogue has no such feature.
    """
    column = settings.evaluation.recency_column
    recency = tuple(feature for feature in catalogue if feature.name == column)
    if not recency:
        raise UnfitData(f"{column}: no such feature; name one in training.evaluation.recency_column")
    return _train(RECENCY_ONLY, load_candidate(BASELINE), frames, recency, settings, timer)


def best_candidate(candidates: Sequence[TrainedCandidate], tie: float) -> TrainedCandidate:
    """Return the candidate that ranks the calibration cutoff best; earlier ones win when the lead is below `tie`."""
    best = candidates[0]
    for candidate in candidates[1:]:
        if candidate.calibration_auc > best.calibration_auc + tie:
            best = candidate
    return best


def _train(
    name: str,
    fit: Fit,
    frames: SplitFrames,
    catalogue: Sequence[Feature],
    settings: TrainingSettings,
    timer: Callable[[], float],
) -> TrainedCandidate:
    started = timer()
    problem = Problem(
        catalogue,
        features_of(frames.train, catalogue),
        labels_of(frames.train),
        features_of(frames.selection, catalogue),
        labels_of(frames.selection),
        settings.seed,
    )
    with threadpool_limits(limits=1):
        found = _fit(fit, problem, settings)
        *before, (last, model) = found.steps
        calibration, churned = features_of(frames.calibration, catalogue), labels_of(frames.calibration)
        pipeline = Pipeline([*before, (last, calibrate(model, _through(before, calibration), churned))])
        scores = scores_of(pipeline, calibration)
        others = [scores_of(pipeline, rows) for rows in (problem.train, problem.selection)]
    if not np.isfinite(np.concatenate([scores, *others])).all():
        raise UnfitCandidate(f"{name}: gives scores that are no numbers; look at how its estimator divides")
    threshold = best_threshold(churned, scores, settings.costs, np.concatenate(others))
    trained = TrainedCandidate(
        name=name,
        pipeline=pipeline,
        catalogue=tuple(catalogue),
        threshold=threshold,
        parameters=found.parameters,
        selection_auc=found.selection_auc,
        calibration_auc=roc_auc(churned, scores),
        fit_seconds=timer() - started,
        known=tuple(zip((frames.calibration, frames.train, frames.selection), (scores, *others), strict=True)),
    )
    log.info("candidate_trained", candidate=name, calibration_auc=round(trained.calibration_auc, 4))
    return trained


def _fit(fit: Fit, problem: Problem, settings: TrainingSettings) -> Found:
    if all(problem.train[feature.name].nunique(dropna=False) == 1 for feature in problem.catalogue):
        raise UnfitData(f"train: none of the {len(problem.catalogue)} features varies; look at how they were built")
    return fit(problem, settings)


def _through(steps: Sequence[tuple[str, Transformer]], rows: object) -> Matrix:
    matrix = steps[0][1].transform(rows)
    for _, step in steps[1:]:
        matrix = step.transform(matrix)
    return matrix
