"""Tables of the documentation that follow from the program: `python -m tests.docs.generated` writes them again."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from churn.features.catalogue import load_catalogue
from churn.features.settings import FeatureSettings
from churn.monitoring.settings import MonitoringSettings
from churn.promotion.settings import PromotionSettings
from churn.rollout.deploying import DeploymentSettings
from churn.rollout.settings import RolloutSettings
from churn.scoring.settings import ScoringSettings
from churn.training.settings import TrainingSettings, TriggerSettings
from tests import telemetry

ROOT = Path(__file__).parents[2]


def between(page: str, name: str) -> tuple[str, str, str]:
    """Split a page at the markers of a block."""
    before, begin, rest = page.partition(f"<!-- {name}: begin -->\n")
    block, end, after = rest.partition(f"<!-- {name}: end -->")
    assert begin, f"{name}: the page has no such block"
    assert end, f"{name}: the block has no end"
    return before + begin, block, end + after


def features(dbt_dir: Path = ROOT / "dbt") -> str:
    """Return the table of all features."""
    catalogue = load_catalogue(dbt_dir)
    numeric = sum(feature.kind == "numeric" for feature in catalogue)
    lines = [f"{len(catalogue)} features, {numeric} numeric and {len(catalogue) - numeric} categorical.", ""]
    lines += ["| feature | kind | meaning |", "|---|---|---|"]
    lines += [f"| `{feature.name}` | {feature.kind} | {feature.description} |" for feature in catalogue]
    return "\n".join(lines) + "\n"


def settings(**sections: type[BaseModel]) -> str:
    """Return the table of every key of some sections."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for prefix, model in sections.items():
        lines += [f"| `{key}` | `{default}` | {meaning} |" for key, default, meaning in _keys(prefix, model)]
    return "\n".join(lines) + "\n"


def metrics(families: Callable[[], list[telemetry.Family]]) -> str:
    """Return the table of a page of metrics."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for family in families():
        labels = ", ".join(f"`{name}`" for name in family.labels)
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.meaning} |")
    return "\n".join(lines) + "\n"


def alerts() -> str:
    """Return the table of the alerts."""
    lines = ["| alert | severity | lasting | summary |", "|---|---|---|---|"]
    for rule in telemetry.alerts():
        name, severity, lasting = rule["alert"], rule["labels"]["severity"], rule.get("for", "at once")
        summary = re.sub(r"{{ \$labels\.(\w+) }}", r"*\1*", rule["annotations"]["summary"])
        summary = re.sub(r"{{ \$value[^}]*}}", "*value*", summary)
        lines.append(f"| [{name}](#{name.lower()}) | {severity} | {lasting} | {summary} |")
    return "\n".join(lines) + "\n"


BLOCKS: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/features.md", "features"): features,
    ("docs/training.md", "settings"): partial(settings, features=FeatureSettings, training=TrainingSettings),
    ("docs/promotion.md", "settings"): partial(settings, promotion=PromotionSettings, triggers=TriggerSettings),
    ("docs/scoring.md", "settings"): partial(settings, scoring=ScoringSettings),
    ("docs/monitoring.md", "settings"): partial(settings, monitoring=MonitoringSettings),
    ("docs/rollout.md", "settings"): partial(settings, rollout=RolloutSettings, deployment=DeploymentSettings),
    ("docs/telemetry.md", "platform-metrics"): partial(metrics, telemetry.platform),
    ("docs/telemetry.md", "serving-metrics"): partial(metrics, telemetry.serving),
    ("docs/telemetry.md", "alerts"): alerts,
}


def _keys(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        key, default = f"{prefix}.{name}", field.get_default(call_default_factory=True)
        assert default is not PydanticUndefined, f"{key}: needs a default, or a table that can say it is required"
        if isinstance(default, BaseModel):
            yield from _keys(key, type(default))
        elif isinstance(default, tuple) and default and isinstance(default[0], BaseModel):
            for part, inner in type(default[0]).model_fields.items():
                yield f"{key}[].{part}", json.dumps([getattr(one, part) for one in default]), inner.description or ""
        else:
            yield key, json.dumps(default), field.description or ""


def main() -> None:
    """Write every block into its page."""
    for (page, name), table in BLOCKS.items():
        file = ROOT / page
        before, _, after = between(file.read_text(encoding="utf-8"), name)
        file.write_text(before + table() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
