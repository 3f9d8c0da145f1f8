"""At which days customers are looked at, and which of them train, choose, calibrate and judge a model."""

from datetime import date, datetime, timedelta

from churn.errors import ChurnError
from churn.features.settings import FeatureSettings
from churn.frozen import Frozen


class Cutoffs(Frozen):
    """UTC dates whose midnight is a cutoff; label windows of different splits never overlap.

    `latest` is the newest day that has any features: it is scored, has no label and never trains.
    """

    train: tuple[date, ...]
    selection: date
    calibration: date
    test: date
    latest: date
    shared_validation: bool
    """Selection and calibration share one cutoff, because the history is too short for four windows."""

    @property
    def labelled(self) -> tuple[date, ...]:
        """Every cutoff with a label, oldest first."""
        return tuple(sorted({*self.train, self.selection, self.calibration, self.test}))

    @property
    def all(self) -> tuple[date, ...]:
        """Every cutoff, oldest first."""
        return tuple(sorted({*self.labelled, self.latest}))


def shortest_history(settings: FeatureSettings) -> timedelta:
    """Return how long customers must have been watched before a model can be trained and judged."""
    return timedelta(days=settings.min_history_days + 3 * settings.horizon_days + settings.allowed_lateness_days)


def plan_cutoffs(first_day: date, watermark: datetime, settings: FeatureSettings) -> Cutoffs:
    """Place the cutoffs as late as the labels allow, going back from the end of the data.

    Args:
        first_day: day of the oldest event.
        watermark: until when the data is known (UTC).
        settings: horizon, steps and the shortest history.

    Raises:
        ChurnError: the data is too short for three label windows.
    """
    horizon = timedelta(days=settings.horizon_days)
    earliest = first_day + timedelta(days=settings.min_history_days)
    test = (watermark - horizon - timedelta(days=settings.allowed_lateness_days)).date()
    shared = test - 3 * horizon < earliest
    calibration = test - horizon
    selection = calibration if shared else calibration - horizon
    newest = selection - horizon
    if newest < earliest:
        raise ChurnError(
            f"features: the data covers {(watermark.date() - first_day).days} days ({first_day} to "
            f"{watermark.date()}), and features.horizon_days = {settings.horizon_days} needs "
            f"{shortest_history(settings).days}; ingest older data, or lower horizon_days or min_history_days"
        )
    steps = range(min(settings.max_train_cutoffs, (newest - earliest).days // settings.cutoff_step_days + 1))
    return Cutoffs(
        train=tuple(sorted(newest - step * timedelta(days=settings.cutoff_step_days) for step in steps)),
        selection=selection,
        calibration=calibration,
        test=test,
        latest=watermark.date(),
        shared_validation=shared,
    )
