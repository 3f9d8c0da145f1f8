"""The stack files: a short declarative form, checked before ZenML sees it."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from churn.errors import ChurnError
from churn.settings import Environment

ComponentType = Literal[
    "orchestrator", "artifact_store", "container_registry", "alerter", "experiment_tracker", "model_deployer"
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
_REFERENCE = re.compile(r"^\{\{\s*([\w-]+)\.([\w-]+)\s*\}\}$")


class StackError(ChurnError):
    """A stack file is wrong, or the active stack cannot do what is asked of it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ComponentSpec(_Frozen):
    """One component of a stack."""

    type: ComponentType
    name: Name
    flavor: str = Field(min_length=1)
    configuration: dict[str, str | int | bool] = Field(
        default_factory=dict, description="flavor settings; a secret is written as {{secret.key}}"
    )
    optional: bool = Field(
        default=False, description="leave the component out while a secret it refers to does not exist"
    )

    @property
    def references(self) -> tuple[tuple[str, str], ...]:
        """The (secret, key) pairs the configuration refers to."""
        found = (_REFERENCE.match(value) for value in self.configuration.values() if isinstance(value, str))
        return tuple((match[1], match[2]) for match in found if match)


class StackSpec(_Frozen):
    """A stack: at most one component of each type, and the environment it serves."""

    name: Name
    labels: dict[Literal["environment"], Environment]
    components: tuple[ComponentSpec, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        types = [component.type for component in self.components]
        twice = sorted({kind for kind in types if types.count(kind) > 1})
        if twice:
            raise ValueError(f"more than one component of type {', '.join(twice)}")
        lacking = sorted({"orchestrator", "artifact_store"} - set(types))
        if lacking:
            raise ValueError(f"no component of type {', '.join(lacking)}")
        if "environment" not in self.labels:
            raise ValueError("labels.environment is missing")
        return self


def load_stack(name: str, folder: Path | None = None) -> StackSpec:
    """Read `<folder>/<name>.yaml`, by default from the stacks that come with the platform.

    Raises:
        StackError: there is no such file, or it breaks the stack model.
    """
    base = folder or Path(__file__).parent
    path = base / f"{name}.yaml"
    known = sorted(file.stem for file in base.glob("*.yaml"))
    if name not in known:
        raise StackError(f"{path}: no such stack file; known stacks: {', '.join(known) or 'none'}")
    try:
        spec = StackSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise StackError(f"{path}: not valid YAML ({error}); mend the file") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise StackError(f"{path}: {faults}") from None
    if spec.name != name:
        raise StackError(f"{path}: the stack is called {spec.name}; call it {name} like its file")
    return spec
