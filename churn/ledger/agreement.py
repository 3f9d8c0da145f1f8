"""Where ZenML and MLflow do not say what the ledger says."""

from collections.abc import Iterator

from churn.frozen import Frozen
from churn.ledger.entry import Stage
from churn.ledger.standing import Standing

ALIASES: dict[Stage, str] = {"staging": "staging", "production": "champion"}
"""MLflow's alias for the version in a stage."""


class ObservedVersion(Frozen):
    """A version as ZenML and MLflow have it.

    Attributes:
        tracked: its number in MLflow, none where it is missing there.
    """

    stage: Stage
    bundle_digest: str | None
    tracked: str | None


class Observed(Frozen):
    """What ZenML and MLflow say.

    Attributes:
        versions: by number.
        aliases: versions by alias; an alias on something else has the name `MLflow N`.
    """

    versions: dict[str, ObservedVersion]
    aliases: dict[str, str]


def agrees(wanted: Stage, observed: Stage) -> bool:
    """Tell whether a version is where it should be.

    ZenML takes no second version back to `none`; one that a person put into a stage ends as `archived` instead, and
    is live in neither case.
    """
    return observed == wanted or (wanted == "none" and observed == "archived")


def disagreements(standing: Standing, observed: Observed) -> tuple[str, ...]:
    """Return what does not agree, each as a sentence; none when everything does."""
    return tuple(_disagreements(standing, observed))


def _disagreements(standing: Standing, observed: Observed) -> Iterator[str]:
    for intent in standing.unfinished:
        what = f"version {intent.version} to {intent.stage}" if intent.version else intent.facts.get("run", "")
        yield f"entry {intent.sequence}: {intent.decision} {what} was begun by {intent.actor} and not finished"
    for version, stage in standing.stages.items():
        found = observed.versions.get(version)
        if found is None:
            yield f"version {version}: {stage} in the ledger, missing in ZenML"
            continue
        if not agrees(stage, found.stage):
            yield f"version {version}: {stage} in the ledger, {found.stage} in ZenML"
        if found.bundle_digest != standing.digests.get(version):
            yield f"version {version}: ZenML names another bundle than the ledger"
        if found.tracked is None:
            yield f"version {version}: missing in MLflow"
    for version in observed.versions.keys() - standing.stages.keys():
        yield f"version {version}: in ZenML, and never registered in the ledger"
    for stage, alias in ALIASES.items():
        wanted, holder = standing.holder(stage), observed.aliases.get(alias)
        if wanted != holder:
            yield f"alias {alias}: {_named(wanted)} in the ledger, {_named(holder)} in MLflow"


def _named(version: str | None) -> str:
    return "on no version" if version is None else f"on version {version}"
