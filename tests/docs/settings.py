"""Tables of settings, from the models that check them."""

import re
import types
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_json, to_jsonable_python
from zenml.model_deployers.base_model_deployer import BaseModelDeployerConfig

from churn.settings import Environment, SecretReference, Settings
from seldon.gateway.settings import GatewaySettings

_WORDS = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true, false",
    timedelta: "duration",
    Path: "file",
    type(None): "null",
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


class Key(NamedTuple):
    """One setting.

    Attributes:
        name: with dots, as `training.costs.contact`.
        kind: what it may be.
        default: in YAML's flow form; none where it is required.
        meaning: its description.
    """

    name: str
    kind: str
    default: str | None
    meaning: str


def keys(model: type[BaseModel], prefix: str = "", default: object = PydanticUndefined) -> Iterator[Key]:
    """Yield every key below a model, whose values are those of `default` where it has any."""
    for name, field in model.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        value = getattr(default, name) if isinstance(default, BaseModel) else _default(field)
        inner = _model(field.annotation)
        if inner is not None and get_origin(field.annotation) is None:
            yield from keys(inner, key, value)
        elif inner is not None:
            for part, one in inner.model_fields.items():
                columns = [getattr(row, part) for row in value] if isinstance(value, tuple) else value
                yield _key(f"{key}[].{part}", one, columns)
        else:
            yield _key(key, field, value)


def table(every: Iterable[Key]) -> str:
    """Return the table of some keys."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in every:
        default = "required" if key.default is None else f"`{key.default}`"
        lines.append(f"| `{key.name}` | {key.kind} | {default} | {key.meaning} |")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Return the keys without a section, then each section of the settings under a heading."""
    sections = {name: _model(field.annotation) for name, field in Settings.model_fields.items()}
    blocks = [table(key for key in keys(Settings) if "." not in key.name)]
    for name, model in sections.items():
        if model is not None:
            why = re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", (model.__doc__ or "").partition("\n")[0])
            blocks.append(f"### {name}\n\n{why}\n\n{table(keys(model, name))}")
    return "\n".join(blocks)


def deployer(config: type[BaseModel], meant: type[BaseModel] | None = None) -> str:
    """Return the table of a model deployer's configuration; `meant` describes keys that it hands over."""
    told = {name: field.description for name, field in (meant.model_fields if meant else {}).items()}
    own = {
        name: field for name, field in config.model_fields.items() if name not in BaseModelDeployerConfig.model_fields
    }
    return table(_key(name, field, _default(field), told.get(name)) for name, field in own.items())


def gateway() -> str:
    """Return the table of a local gateway's settings."""
    return table(keys(GatewaySettings))


def environments(root: Path) -> str:
    """Return what `configs/*.yaml` set, beside each other and beside the defaults."""
    files = {name: dict(_flat(_document(root, name))) for name in get_args(Environment)}
    every = {key.name: key.default for key in keys(Settings)}
    lines = [f"| key | default | {' | '.join(files)} |", "|---|---|" + "---|" * len(files)]
    for name in dict.fromkeys(name for file in files.values() for name in file):
        default = every.get(name, every.get(f"{name}[]", ""))
        cells = [f"`{_yaml(file[name])}`" if name in file else "" for file in files.values()]
        lines.append(f"| `{name}` | {'required' if default is None else f'`{default}`'} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _document(root: Path, environment: str) -> dict[str, Any]:
    read = yaml.safe_load((root / "configs" / f"{environment}.yaml").read_text(encoding="utf-8"))
    assert isinstance(read, dict)
    return read


def _flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield keys with dots; of a list of mappings one key for each of their keys, as `keys` does."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for part in value[0]:
                yield f"{prefix}{name}[].{part}", [row[part] for row in value]
        else:
            yield f"{prefix}{name}", value


def _key(name: str, field: FieldInfo, value: object, otherwise: str | None = None) -> Key:
    meaning = field.description or otherwise
    assert meaning, f"{name}: says nowhere what it means"
    default = None if value is PydanticUndefined else _yaml(to_jsonable_python(value))
    return Key(name, _kind(field), default, meaning.replace("|", "\\|"))


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


def _model(annotation: object) -> type[BaseModel] | None:
    """Return the model that an annotation names, alone or as what a tuple holds."""
    for part in (annotation, *get_args(annotation)[:1]):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _kind(field: FieldInfo) -> str:
    bounds = []
    for constraint in field.metadata:
        for name, sign in _BOUNDS.items():
            limit = getattr(constraint, name, None)
            if limit is not None and limit != timedelta():
                bounds.append(f"{sign} {limit:,}" if isinstance(limit, int) else f"{sign} {_yaml(limit)}")
    words = [_words(part) for part in _parts(field.annotation)]
    return " or ".join([" ".join(filter(None, [words[0], ", ".join(bounds)])), *words[1:]])


def _parts(annotation: object) -> tuple[object, ...]:
    union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if union else (annotation,)


def _words(annotation: object) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation == SecretReference:
        return "reference"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"{_words(inner[1])} by {_words(inner[0])}"
    if hasattr(annotation, "__metadata__"):
        return _words(inner[0])
    assert annotation in _WORDS, f"{annotation}: has no word yet"
    return _WORDS[annotation]  # type: ignore[index]


def _yaml(value: object) -> str:
    """Write a value as it stands in a settings file, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, str) and value and yaml.safe_load(value) == value:
        return value
    return to_json(value).decode()
