"""One run of the monitoring: what was measured, what was said about it and what was done."""

from churn.frozen import Frozen
from churn.monitoring.action import Deed
from churn.monitoring.measurement import Measurement
from churn.monitoring.verdict import MonitorVerdict


class Watched(Frozen):
    """A whole run."""

    measurement: Measurement
    verdict: MonitorVerdict
    deed: Deed
