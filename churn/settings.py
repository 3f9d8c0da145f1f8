"""Frozen settings, one YAML file per environment; unknown keys are refused and secrets are references."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from churn.errors import SettingsError
from churn.features.settings import FeatureSettings
from churn.frozen import Frozen
from churn.monitoring.settings import MonitoringSettings
from churn.promotion.settings import PromotionSettings
from churn.rollout.deploying import DeploymentSettings
from churn.rollout.settings import RolloutSettings
from churn.scoring.settings import ScoringSettings
from churn.training.settings import TrainingSettings, TriggerSettings

Environment = Literal["dev", "staging", "prod"]
Stream = Literal["activity", "customers", "subscriptions", "predictions"]
STREAMS: tuple[Stream, ...] = ("activity", "customers", "subscriptions", "predictions")

SecretReference = Annotated[str, StringConstraints(pattern=r"^(env|file):.+$")]
"""Where a secret is found, never the secret: `env:NAME` or `file:PATH`."""


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is no IANA time zone, such as Europe/Berlin")
    return name


def known_place(url: str) -> str:
    """Return `url` when it is a path or names a storage that comes with the platform.

    Raises:
        ValueError: it does not; the message says what would, and quotes no more than the scheme.
    """
    scheme, separator, rest = url.partition("://")
    choice = "a folder, or a URL that begins with file://, s3:// or gs://"
    if not url.strip() or (separator and not rest):
        raise ValueError(f"names no place; give {choice}")
    if separator and scheme not in ("file", "s3", "gs"):
        raise ValueError(f"{scheme}:// is not supported; give {choice}")
    return url


Place = Annotated[str, AfterValidator(known_place)]


class LandingSettings(Frozen):
    """The object store that uploaders write to."""

    url: Place = Field(description="folder, or file, s3 or gs URL; a relative path counts from the project root")
    max_object_bytes: int = Field(
        default=512 * 2**20,
        gt=0,
        description="largest object after decompression, in bytes; a larger one goes to quarantine whole",
    )
    max_line_bytes: int = Field(
        default=1 * 2**20, gt=0, description="longest line in bytes; an object with a longer one is read line by line"
    )


class LakeSettings(Frozen):
    """The Delta tables."""

    url: Place = Field(description="folder, or file, s3 or gs URL; a relative path counts from the project root")


class IngestionSettings(Frozen):
    """How landing objects become rows."""

    batch_rows: int = Field(
        default=400_000,
        gt=0,
        description="rows after which a batch is committed; while it is made, a row takes 1 to 2 kB of memory",
    )
    batch_objects: int = Field(default=1_000, gt=0, description="objects after which a batch is committed")
    max_bad_share: float = Field(
        default=0.5, ge=0, le=1, description="share of quarantined rows in a batch above which the run fails closed"
    )
    min_rows_for_share: int = Field(
        default=20, ge=1, description="rows a batch must hold before max_bad_share is judged"
    )
    allowed_skew: timedelta = Field(
        default=timedelta(minutes=5), description="how far event_time may lie after available_at"
    )
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="IANA zone of times that come without one"
    )
    contracts: dict[Stream, Path] = Field(
        default_factory=dict, description="contract files that replace the built-in ones, by stream"
    )


class AlertSettings(Frozen):
    """When ingestion calls for a person."""

    bad_share: float = Field(default=0.05, ge=0, le=1, description="share of quarantined rows in a run that alerts")
    quiet: timedelta = Field(
        default=timedelta(hours=1), description="time without any landing object after which an empty hour alerts"
    )
    late: timedelta = Field(
        default=timedelta(hours=26), description="age of the newest event, at the end of the run, that alerts"
    )
    history: timedelta | None = Field(
        default=None,
        gt=timedelta(),
        description="silence after which what has landed counts as a replayed set from the past, which is said once "
        "and neither quiet nor late; none: silence alerts however long it lasts",
    )


class UpkeepSettings(Frozen):
    """Compaction and vacuum."""

    compact_min_files: int = Field(
        default=4, ge=2, description="small files in a partition that make it worth compacting"
    )
    vacuum_after: timedelta = Field(
        default=timedelta(days=7), description="age of unreferenced files before a vacuum may remove them"
    )
    runs_after: timedelta | None = Field(
        default=timedelta(days=30),
        gt=timedelta(),
        description="age of runs of the hourly pipelines (ingestion, monitoring) before they are removed from ZenML "
        "and MLflow with their pages; null: never",
    )
    audit_bytes: int = Field(
        default=16 * 2**20, gt=0, description="after that the audit log of the embedded vault is rolled"
    )
    audit_files: int = Field(default=12, gt=0, description="rolled audit logs of the embedded vault that are kept")


class VaultSettings(Frozen):
    """Where the data key is unwrapped (Vault API); VAULT_ADDR overrides the address."""

    address: str | None = Field(default=None, description="Vault address; none starts the embedded OpenBao on loopback")
    auth: Literal["token", "approle", "kubernetes"] = Field(default="token", description="how to log in")
    token: SecretReference | None = Field(default=None, description="token for auth: token")
    role: str = Field(default="churn-ingest", description="Vault role for approle and kubernetes auth")
    role_id: SecretReference | None = Field(default=None, description="AppRole role id")
    secret_id: SecretReference | None = Field(default=None, description="AppRole secret id")
    transit_mount: str = Field(default="transit", description="mount of the transit engine")
    transit_key: str = Field(default="churn-data", description="transit key that wraps the data key")
    kv_mount: str = Field(default="secret", description="mount of the KV v2 engine")
    kv_path: str = Field(default="churn/data-key", description="KV path of the wrapped data key")
    timeout: timedelta = Field(default=timedelta(seconds=5), description="longest wait for one answer")


class Settings(Frozen):
    """Everything that differs between environments."""

    environment: Environment = Field(description="which environment these settings belong to")
    model_name: str = Field(
        default="churn",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="registered model in ZenML and MLflow; environments on one server need names of their own",
    )
    landing: LandingSettings
    lake: LakeSettings
    ingestion: IngestionSettings = Field(default_factory=IngestionSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    upkeep: UpkeepSettings = Field(default_factory=UpkeepSettings)
    vault: VaultSettings = Field(default_factory=VaultSettings)
    features: FeatureSettings = Field(default_factory=FeatureSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    triggers: TriggerSettings = Field(default_factory=TriggerSettings)
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)
    rollout: RolloutSettings = Field(default_factory=RolloutSettings)
    monitoring: MonitoringSettings = Field(default_factory=MonitoringSettings)
    deployment: DeploymentSettings = Field(default_factory=DeploymentSettings)
    scoring: ScoringSettings = Field(default_factory=ScoringSettings)


def load_settings(environment: str, root: Path) -> Settings:
    """Read `configs/<environment>.yaml` below the project root.

    Relative landing and lake URLs and contract paths are made absolute against `root`.

    Raises:
        SettingsError: the file is missing, is not valid YAML, or breaks the settings model.
    """
    path = root / "configs" / f"{environment}.yaml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise SettingsError(f"{path}: no such settings file; known environments: {known}") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); give this process access") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid YAML in UTF-8 ({_yaml_fault(error)}); mend the file") from None
    if not isinstance(document, dict):
        what = "is empty" if document is None else "holds no settings"
        raise SettingsError(f"{path}: {what}; it must give at least environment, landing.url and lake.url")
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {_FAULTS.get(e['type'], e['msg'].removeprefix('Value error, '))}"
            for e in error.errors()
        )
        raise SettingsError(f"{path}: {faults}") from None
    if settings.environment != environment:
        raise SettingsError(f"{path}: environment is {settings.environment}, expected {environment}")
    contracts = {stream: root / contract for stream, contract in settings.ingestion.contracts.items()}
    return settings.model_copy(
        update={
            "landing": settings.landing.model_copy(update={"url": absolute_url(settings.landing.url, root)}),
            "lake": settings.lake.model_copy(update={"url": absolute_url(settings.lake.url, root)}),
            "ingestion": settings.ingestion.model_copy(update={"contracts": contracts}),
        }
    )


_FAULTS = {"missing": "is missing", "extra_forbidden": "no such setting"}
"""What pydantic calls otherwise than a person would."""


def _yaml_fault(error: Exception) -> str:
    """Say in one line what is wrong and where, without the text that stands there."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return where + (getattr(error, "problem", None) or type(error).__name__)


def absolute_url(url: str, root: Path) -> str:
    """Return `url` unchanged when it names a scheme, otherwise as a path below `root`."""
    return url if "://" in url else str((root / url).resolve())
