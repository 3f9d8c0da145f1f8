"""What each feature is called when a person has to understand a score, and which features say the same thing.

Every feature of the catalogue stands here; a test holds the two together.
"""

from dataclasses import dataclass
from typing import Final, Literal

Group = Literal[
    "silence",
    "activity",
    "rhythm",
    "trend",
    "purchases",
    "returns",
    "variety",
    "visits",
    "tenure",
    "hours",
    "plan",
    "profile",
    "other",
]
Form = Literal["number", "share"]

GROUPS: Final[dict[Group, str]] = {
    "silence": "How long they have been silent",
    "activity": "How much they do",
    "rhythm": "How regularly they come",
    "trend": "Whether they do less than before",
    "purchases": "What they buy",
    "returns": "What they send back",
    "variety": "How widely they look around",
    "visits": "How often they click and log in",
    "tenure": "How long they have been customers",
    "hours": "When they are active",
    "plan": "Their plan",
    "profile": "Who they are",
    "other": "Something else",
}
"""Features that are occluded together: they move together, so that one alone could be told by the others."""


@dataclass(frozen=True)
class Wording:
    """How to say a feature's value: `{}` is the value.

    Attributes:
        group: what it is a part of.
        phrase: the sentence.
        form: a share is shown as a percentage.
        absent: the sentence where the value is unknown.
    """

    group: Group
    phrase: str
    form: Form = "number"
    absent: str = ""

    @property
    def without(self) -> str:
        """The sentence where the value is unknown."""
        return self.absent or f"unknown: {self.phrase.format('…')}"


_WINDOWS = {
    "7d": "in the last 7 days",
    "30d": "in the last 30 days",
    "90d": "in the last 90 days",
    "180d": "in the last 180 days",
    "total": "ever",
}
_COUNTED: dict[str, tuple[Group, str]] = {
    "events": ("activity", "events"),
    "active_days": ("activity", "active days"),
    "purchases": ("purchases", "purchases"),
    "returns": ("returns", "returns"),
    "clicks": ("visits", "clicks"),
    "logins": ("visits", "logins"),
    "amount": ("purchases", "spent"),
    "quantity": ("purchases", "pieces bought"),
    "items": ("variety", "different items"),
    "channels": ("variety", "different channels"),
    "sessions": ("variety", "sessions"),
}
_ONE_DAY = "active on a single day only"
_NO_TREND = "no activity in the last 90 days"

WORDS: Final[dict[str, Wording]] = {
    **{
        f"{name}_{window}": Wording(group, f"{{}} {what} {when}")
        for name, (group, what) in _COUNTED.items()
        for window, when in _WINDOWS.items()
        if window != "180d" or name in ("active_days", "amount")
    },
    "returned_amount_total": Wording("returns", "returned goods worth {}"),
    "recency_days": Wording("silence", "last active {} days ago"),
    "purchase_recency_days": Wording("silence", "last purchase {} days ago", absent="never bought anything"),
    "overdue_ratio": Wording("silence", "silent for {} times their usual gap", absent=_ONE_DAY),
    "overdue_max_ratio": Wording("silence", "silent for {} times their longest gap so far", absent=_ONE_DAY),
    "overdue_deviations": Wording(
        "silence", "silent for {} standard deviations longer than usual", absent="no usual gap to compare with"
    ),
    "silent_days_expected": Wording("silence", "{} active days missed since they were last seen"),
    "tenure_days": Wording("tenure", "customer for {} days"),
    "gap_mean_days": Wording("rhythm", "usually {} days between active days", absent=_ONE_DAY),
    "gap_last_days": Wording("rhythm", "{} days between the last two active days", absent=_ONE_DAY),
    "gap_max_days": Wording("rhythm", "longest gap between active days {} days", absent=_ONE_DAY),
    "gap_deviation_days": Wording("rhythm", "gaps vary by {} days", absent="too few active days for a rhythm"),
    "gap_trend": Wording("trend", "recent gaps are {} times the usual ones", absent="no gap ended in the last 90 days"),
    "active_day_rate": Wording("activity", "active on {} of their days", "share"),
    "active_weeks_90d": Wording("rhythm", "active in {} of the last 13 weeks"),
    "active_months_total": Wording("rhythm", "active in {} months"),
    "return_share_90d": Wording(
        "returns", "{} of recent purchases sent back", "share", absent="neither purchase nor return in 90 days"
    ),
    "return_share_total": Wording(
        "returns", "{} of purchases sent back", "share", absent="neither purchase nor return so far"
    ),
    "weekend_share": Wording("hours", "{} of events at the weekend", "share"),
    "night_share": Wording("hours", "{} of events at night", "share"),
    "morning_share": Wording("hours", "{} of events in the morning", "share"),
    "afternoon_share": Wording("hours", "{} of events in the afternoon", "share"),
    "evening_share": Wording("hours", "{} of events in the evening", "share"),
    "amount_per_active_day_90d": Wording("purchases", "{} spent a day when active lately", absent=_NO_TREND),
    "amount_per_active_day_total": Wording("purchases", "{} spent a day when active"),
    "amount_per_purchase_total": Wording("purchases", "{} spent a purchase", absent="never bought anything"),
    "events_per_active_day_total": Wording("activity", "{} events a day when active"),
    "items_per_active_day_90d": Wording("variety", "{} different items a day when active lately", absent=_NO_TREND),
    "events_trend": Wording(
        "trend", "events of the last month at {} of the quarter's level", "share", absent=_NO_TREND
    ),
    "active_days_trend": Wording(
        "trend", "active days of the last month at {} of the quarter's level", "share", absent=_NO_TREND
    ),
    "amount_trend": Wording(
        "trend", "spending of the last month at {} of the quarter's level", "share", absent=_NO_TREND
    ),
    "subscription_price": Wording("plan", "pays {} for the subscription", absent="no subscription"),
    "subscription_age_days": Wording("plan", "subscription unchanged for {} days", absent="no subscription"),
    "subscription_changes_90d": Wording("plan", "{} changes of the subscription in the last 90 days"),
    "subscription_changes_total": Wording("plan", "{} changes of the subscription ever"),
    "plan": Wording("plan", "plan {}", absent="plan unknown"),
    "subscription_status": Wording("plan", "subscription {}", absent="no subscription"),
    "country": Wording("profile", "country {}", absent="country unknown"),
    "segment": Wording("profile", "segment {}", absent="segment unknown"),
    "age_band": Wording("profile", "age band {}", absent="age band unknown"),
    "income_band": Wording("profile", "income band {}", absent="income band unknown"),
    "household": Wording("profile", "household {}", absent="household unknown"),
}


def wording(feature: str) -> Wording:
    """Return a feature's words; one that a bundle knows and this program does not is called by its name."""
    return WORDS.get(feature) or Wording("other", f"{feature} {{}}", absent=f"{feature} unknown")
