"""What the codes of validation mean, for reports and for the person who mends a source."""

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "a required field is null or blank",
        "wrong_type": "the value is not of the field's type and cannot be cast without loss",
        "too_long": "the code is longer than the field allows",
        "control_character": "the code holds a NUL, a line break or another control character",
        "looks_personal": "the code looks like an e-mail address",
        "out_of_range": "the amount does not fit DECIMAL(18,4)",
        "precision_loss": "the amount has more than four decimals that count",
        "ambiguous_local_time": "the local time happened twice, as clocks were put back",
        "nonexistent_local_time": "the local time never happened, as clocks were put forward",
        "before_floor": "the time lies before the contract's floor",
        "in_the_future": "the time lies after the row was available, plus the allowed skew",
        "ambiguous_alias": "the field and one of its aliases hold different values",
    }
)
"""Reason code → meaning, for rows that validation refuses."""

REPAIRS: Mapping[str, str] = MappingProxyType(
    {
        "alias": "the value was found under a declared alias, which follows the colon",
        "default": "the row brought no value and got the contract's default",
        "trimmed": "white space around the value was removed",
        "float_id": "an id written as a float, such as 13995.0, became the whole number",
        "rounded": "the noise of a floating-point sum was removed from an amount",
        "truncated_time": "digits beyond microseconds were cut",
        "date_only": "a date was read as its midnight in the configured time zone",
        "naive_time": "a time without a zone was read in the configured time zone",
        "attribute_dropped": "an attribute that is undeclared, or not of its declared type, was left out",
    }
)
"""Repair kind, without what follows its colon → meaning."""
