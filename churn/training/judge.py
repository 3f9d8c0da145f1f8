"""The one look at the test cutoff."""

from collections.abc import Sequence

from churn.evaluation.report import EvaluationReport, Predictions, evaluate
from churn.features.catalogue import Feature
from churn.training.frames import SplitFrames
from churn.training.settings import TrainingSettings
from churn.training.train import TrainedCandidate, train_recency_only


def judge(
    candidates: Sequence[TrainedCandidate],
    frames: SplitFrames,
    catalogue: Sequence[Feature],
    settings: TrainingSettings,
    incumbent: Predictions | None = None,
) -> EvaluationReport:
    """Score the test rows with every candidate and the recency baseline, and compare them.

    Args:
        candidates: what `train_candidates` returned; nothing about them may change afterwards.
        frames: the frames they were trained on.
        catalogue: the features, of which the baseline needs recency.
        settings: costs, rounds and segments.
        incumbent: what the model in production says about the same rows.

    Raises:
        UnfitData: the catalogue has no recency.
    """
    recency = train_recency_only(frames, catalogue, settings)

    def predictions(candidate: TrainedCandidate) -> Predictions:
        return Predictions(candidate.name, candidate.score(frames.test), candidate.threshold)

    return evaluate(
        frames.test,
        [predictions(candidate) for candidate in candidates],
        recency=predictions(recency),
        incumbent=incumbent,
        costs=settings.costs,
        settings=settings.evaluation,
        seed=settings.seed,
    )
