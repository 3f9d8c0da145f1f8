"""The model in production, whose answers stand beside those of new models where that is fair."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from churn.bundle.bundle import Bundle
from churn.errors import ChurnError
from churn.evaluation.report import Predictions
from churn.features.feature_set import FeatureSet
from churn.training.frames import SplitFrames


class NotComparable(ChurnError):
    """The model in production cannot be judged on these rows."""


@dataclass(frozen=True)
class Incumbent:
    """The model in production.

    Attributes:
        name: what reports call it, such as `version 3`.
        load: opens its bundle, or raises a ChurnError that says why it cannot.
    """

    name: str
    load: Callable[[], Bundle]

    def predictions(self, features: FeatureSet, frames: SplitFrames) -> Predictions:
        """Score the test rows.

        Raises:
            NotComparable: it answers another question, or knows outcomes of the test cutoff.
            ChurnError: its bundle cannot be opened, or takes other columns than the frames have.
        """
        bundle = self.load()
        lineage, horizon = bundle.manifest.lineage, features.settings.horizon_days
        if (other := lineage.feature_settings.horizon_days) != horizon:
            raise NotComparable(f"it predicts churn within {other} days, the new models within {horizon}")
        knows_until = lineage.cutoffs.calibration + timedelta(days=horizon)
        if knows_until > (test := features.cutoffs.test):
            raise NotComparable(f"it learned from outcomes until {knows_until}, and the test cutoff is {test}")
        return Predictions(self.name, bundle.predict(frames.test), bundle.manifest.threshold)
