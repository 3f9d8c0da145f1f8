"""Tables of the documentation that follow from the program: `python -m tests.docs.generated` writes them again."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from churn.features.catalogue import load_catalogue
from seldon.cluster.settings import ClusterSettings
from stacks.cluster_deployer import ClusterDeployerConfig
from stacks.local_deployer import LocalDeployerConfig
from tests import telemetry
from tests.docs import settings

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
    ("docs/configuration.md", "environments"): partial(settings.environments, ROOT),
    ("docs/configuration.md", "settings"): settings.reference,
    ("docs/configuration.md", "churn_local"): partial(settings.deployer, LocalDeployerConfig),
    ("docs/configuration.md", "churn_cluster"): partial(settings.deployer, ClusterDeployerConfig, ClusterSettings),
    ("docs/configuration.md", "gateway"): settings.gateway,
    ("docs/telemetry.md", "platform-metrics"): partial(metrics, telemetry.platform),
    ("docs/telemetry.md", "serving-metrics"): partial(metrics, telemetry.serving),
    ("docs/telemetry.md", "alerts"): alerts,
}


def main() -> None:
    """Write every block into its page."""
    for (page, name), table in BLOCKS.items():
        file = ROOT / page
        before, _, after = between(file.read_text(encoding="utf-8"), name)
        file.write_text(before + table() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
