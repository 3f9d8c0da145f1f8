"""From a feature table to judged bundles: all candidates on the same rows."""

from dataclasses import dataclass
from pathlib import Path

from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Lineage, RunIds
from churn.bundle.write import write_bundle
from churn.errors import ChurnError
from churn.evaluation.report import EvaluationReport, Predictions
from churn.features.catalogue import load_catalogue
from churn.features.feature_set import FeatureSet
from churn.log import get_logger
from churn.training.frames import SplitFrames
from churn.training.incumbent import Incumbent
from churn.training.judge import judge
from churn.training.settings import TrainingSettings
from churn.training.train import train_candidates

log = get_logger(__name__)


@dataclass(frozen=True)
class Experiment:
    """What one training made.

    Attributes:
        report: every candidate on the test cutoff.
        bundles: one per candidate, in the order of the settings.
    """

    report: EvaluationReport
    bundles: tuple[Bundle, ...]


def split_frames(features: FeatureSet) -> SplitFrames:
    """Read the rows of every split.

    Raises:
        SnapshotError: the version of the feature table is gone or was changed.
    """
    cutoffs = features.cutoffs
    return SplitFrames(
        train=features.frame(cutoffs.train),
        selection=features.frame([cutoffs.selection]),
        calibration=features.frame([cutoffs.calibration]),
        test=features.frame([cutoffs.test]),
    )


def run_experiment(
    features: FeatureSet,
    settings: TrainingSettings,
    *,
    dbt_dir: Path,
    lineage: Lineage,
    out: Path,
    ids: RunIds | None = None,
    incumbent: Incumbent | None = None,
) -> Experiment:
    """Train, judge and write every candidate of the settings.

    Args:
        features: the version of the feature table to learn from.
        settings: candidates, costs and seed.
        dbt_dir: the dbt project, which describes the features.
        lineage: where data and program came from.
        out: folder for the bundles, one folder each, named after its candidate.
        ids: who made them and when.
        incumbent: the model in production, judged on the same rows; the report says so where that cannot be.

    Raises:
        UnfitData: the rows cannot make an honest model.
        LeakSuspected: a feature tells the label alone.
        BundleRefused: an ONNX model does not answer like its pipeline; no bundle of the experiment is kept.
    """
    catalogue = load_catalogue(dbt_dir)
    frames = split_frames(features)
    candidates = train_candidates(frames, catalogue, settings)
    beside, left_out = _beside(incumbent, features, frames)
    report = judge(candidates, frames, catalogue, settings, beside).model_copy(update={"incumbent_left_out": left_out})
    bundles = tuple(
        write_bundle(out / candidate.name, candidate, frames, report, settings, lineage, ids)
        for candidate in candidates
    )
    return Experiment(report, bundles)


def _beside(
    incumbent: Incumbent | None, features: FeatureSet, frames: SplitFrames
) -> tuple[Predictions | None, str | None]:
    """Return what the model in production says, or why it says nothing: a new model must not wait for a broken one."""
    if incumbent is None:
        return None, None
    try:
        return incumbent.predictions(features, frames), None
    except ChurnError as error:
        log.warning("incumbent_left_out", incumbent=incumbent.name, reason=str(error))
        return None, f"{incumbent.name}: {error}"
