"""Bring ZenML's stacks in line with the stack files, as often as you like."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stacks.spec import ComponentSpec, StackError, StackSpec, load_stack

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.models import ComponentResponse

Change = Literal["created", "updated", "unchanged", "left out"]
FLAVORS = {
    "churn_log": "stacks.alerter.LogAlerterFlavor",
    "churn_slack": "stacks.slack.OfflineSlackAlerterFlavor",
    "churn_local": "stacks.local_deployer.LocalDeployerFlavor",
    "churn_cluster": "stacks.cluster_deployer.ClusterDeployerFlavor",
}
"""Our own flavors by name; the paths are importable from the ZenML source root."""


@dataclass(frozen=True)
class StackChange:
    """What registering a stack did.

    Attributes:
        stack: its name.
        components: type and name → what happened to it, in the order of the file.
        itself: what happened to the stack.
        missing_secrets: `secret.key` references nobody can resolve yet; a run on the stack fails until they exist.
    """

    stack: str
    components: dict[str, Change]
    itself: Change
    missing_secrets: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether anything in ZenML is different from before."""
        return bool({"created", "updated"} & {self.itself, *self.components.values()})


def register_stack(name: str, client: "Client | None" = None, *, folder: Path | None = None) -> StackChange:
    """Create or update the stack described by `<name>.yaml`, its components and their flavors.

    Needs no network beyond the ZenML server. Values that a person added to a component by hand and the file does
    not name are removed again: the file is the truth.

    Raises:
        StackError: the file is wrong, or a component of that name exists with another flavor.
    """
    from zenml.client import Client as ZenClient

    client = client or ZenClient()
    spec = load_stack(name, folder)
    changes: dict[str, Change] = {}
    unresolved: dict[str, None] = {}
    kept = []
    for component in spec.components:
        missing = _missing_secrets(client, component)
        unresolved.update(dict.fromkeys(missing))
        if component.optional and missing:
            changes[f"{component.type} {component.name}"] = "left out"
        else:
            changes[f"{component.type} {component.name}"] = _register_component(client, component)
            kept.append(component)
    return StackChange(name, changes, _register(client, spec, kept), tuple(unresolved))


def _register(client: "Client", spec: StackSpec, components: list[ComponentSpec]) -> Change:
    from zenml.enums import StackComponentType

    wanted = {StackComponentType(item.type): [item.name] for item in components}
    labels: dict[str, str] = {"environment": spec.labels["environment"]}
    found = client.list_stacks(name=spec.name, hydrate=True)
    if not found.items:
        client.create_stack(name=spec.name, components=wanted, labels=labels)
        return "created"
    stack = found.items[0]
    present = {kind: [item.name for item in items] for kind, items in stack.components.items() if items}
    if present == wanted and (stack.labels or {}) == labels:
        return "unchanged"
    gone: dict[StackComponentType, list[str]] = {kind: [] for kind in present if kind not in wanted}
    dropped = dict.fromkeys(set(stack.labels or {}) - set(labels))
    client.update_stack(stack.id, labels={**labels, **dropped}, component_updates={**wanted, **gone})
    return "updated"


def _register_component(client: "Client", spec: ComponentSpec) -> Change:
    from zenml.enums import StackComponentType
    from zenml.stack.utils import validate_stack_component_config

    kind = StackComponentType(spec.type)
    _register_flavor(client, spec.flavor, kind)
    found = client.list_stack_components(name=spec.name, type=kind, hydrate=True)
    if not found.items:
        client.create_stack_component(spec.name, spec.flavor, kind, dict(spec.configuration))  # type: ignore[arg-type]
        return "created"
    component: ComponentResponse = found.items[0]
    if component.flavor_name != spec.flavor:
        raise StackError(
            f"the {spec.type} {spec.name} exists with flavor {component.flavor_name}, not {spec.flavor}; "
            f"rename it in the file or remove the old one: zenml {spec.type.replace('_', '-')} delete {spec.name}"
        )
    checked = validate_stack_component_config(dict(spec.configuration), spec.flavor, kind)
    wanted = {} if checked is None else checked.model_dump(mode="json", exclude_unset=True)
    if component.configuration == wanted:
        return "unchanged"
    dropped = {key: None for key in component.configuration if key not in wanted}
    client.update_stack_component(component.id, kind, configuration={**wanted, **dropped})
    return "updated"


def _register_flavor(client: "Client", name: str, kind: "StackComponentType") -> None:
    source = FLAVORS.get(name)
    if source and not client.list_flavors(name=name, type=kind).items:
        client.create_flavor(source=source, component_type=kind)


def _missing_secrets(client: "Client", spec: ComponentSpec) -> tuple[str, ...]:
    missing = []
    for secret, key in spec.references:
        try:
            keys = client.get_secret_by_name_and_private_status(secret, hydrate=True).values
        except KeyError:
            keys = {}
        if key not in keys:
            missing.append(f"{secret}.{key}")
    return tuple(missing)
