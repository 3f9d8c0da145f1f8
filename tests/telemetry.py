"""What the metric pages and the rules say, for tests of rules, dashboards and documentation."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from churn.telemetry.catalogue import METRICS
from seldon.serving.answer import Identity
from seldon.serving.metrics import Metrics

RULES = Path(__file__).parents[1] / "monitoring" / "prometheus" / "rules"
RULE_FILES = sorted(RULES.glob("*.yml"))


@dataclass(frozen=True)
class Family:
    """A metric as its page declares it; `series` are the names that can be asked for."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]
    series: frozenset[str]


def platform() -> list[Family]:
    return [Family(one.name, one.kind, one.meaning, one.labels, frozenset({one.name})) for one in METRICS]


@cache
def serving() -> list[Family]:
    """The prediction server's, after one of everything happened."""
    metrics = Metrics(Identity("churn", "churn", "churn", "7", "0" * 64, "stable"))
    metrics.watch(lambda: 0, 256, lambda: 0)
    metrics.tally.answered("predictions", 200, 0.001)
    metrics.feedback.labels("churned").inc()
    return [_family(family) for family in text_string_to_metric_families(metrics.text().decode())]


def _family(family: Any) -> Family:
    series = frozenset(sample.name for sample in family.samples)
    labels = {name: None for sample in family.samples for name in sample.labels if name != "le"}
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return Family(name, family.type, family.documentation, tuple(labels), series)


@cache
def rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in RULE_FILES]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "record" in rule]


def known_series() -> set[str]:
    declared = {name for family in (*platform(), *serving()) for name in family.series}
    return declared | {rule["record"] for rule in recorded()} | {"up"}


def series_in(expression: str) -> set[str]:
    """Return the names of the series that an expression reads."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\(|[a-zA-Z0-9_:])", bare)
    return {word for word in words if word not in ("and", "or", "unless")}
