"""The Model Control Plane and MLflow's registry, which follow the ledger."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from churn.errors import ChurnError
from churn.ledger.agreement import ALIASES, Observed, ObservedVersion, agrees
from churn.ledger.entry import Entry, Stage
from churn.ledger.errors import VersionGone
from churn.ledger.ledger import Ledger
from churn.ledger.standing import Standing, standing
from stacks.environment import active_settings, project_clock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from zenml.models import ModelVersionResponse

LEDGER_KEY = "ledger"
"""Metadata of a version that notes entries of the ledger by sequence, so that a chain written anew is noticed."""
LEDGER_URI_KEY = "ledger_uri"
"""Metadata of a version that names its ledger: tests and copies of a lake may share one ZenML."""

RUN_TAG = "zenml_run"
"""Tag of a version in MLflow, and in ZenML the start of one, that names the run which registered it."""


class RegistryAway(ChurnError):
    """ZenML or MLflow does not answer."""


class Registry:
    """All versions of one model, as ZenML's active stack and its experiment tracker have them."""

    def __init__(self, model: str) -> None:
        """Bind to a model; nothing is read yet.

        Args:
            model: its name, in ZenML and in MLflow.
        """
        self.model = model

    def version(self, version: str) -> "ModelVersionResponse":
        """Return a version by its number.

        Raises:
            VersionGone: there is none.
            RegistryAway: ZenML does not answer.
        """
        from zenml.client import Client

        with _answering("ZenML"):
            try:
                return Client().get_model_version(self.model, int(version))
            except (KeyError, ValueError):
                raise VersionGone(
                    f"version {version}: the model {self.model} has none in ZenML; churn versions lists them"
                ) from None

    def check(self, version: str) -> None:
        """Raise an error unless ZenML and MLflow answer and hold the version."""
        tracked = _tracked_number(self.version(version))
        if tracked is None or not self._is_tracked(tracked):
            raise VersionGone(f"version {version}: the model {self.model} has none in MLflow; register it again")

    def follow(self, wanted: Standing) -> Collection[str]:
        """Set stages in ZenML, then aliases in MLflow; returns live versions that are missing in either."""
        from zenml.client import Client

        found = self._versions(with_facts=False)
        live = sorted(wanted.stages.items(), key=lambda item: item[1] not in ALIASES)
        for version, stage in live:
            if version in found and not agrees(stage, _stage(found[version])):
                # Force: ZenML then archives whoever has the stage, in the same transaction.
                with _answering("ZenML"):
                    Client().update_model_version(
                        self.model,
                        found[version].id,
                        stage="archived" if stage == "none" else stage,
                        force=True,
                    )
        gone = [self._point(alias, wanted.holder(stage)) for stage, alias in ALIASES.items()]
        return {version for version in gone if version is not None}

    def observe(self, ledger: Ledger) -> Observed:
        """Return what ZenML and MLflow say about every version that is, or should be, in the ledger."""
        found = self._of(ledger)
        with _answering("MLflow"):
            tracked = {str(one.version) for one in self._mlflow.search_model_versions(f"name='{self.model}'")}
        by_tracked = {number: at for at, version in found.items() if (number := _tracked_number(version)) is not None}
        return Observed(
            versions={
                number: ObservedVersion(
                    stage=_stage(version),
                    bundle_digest=_text(version.run_metadata.get("bundle_digest")),
                    tracked=_tracked_number(version) if _tracked_number(version) in tracked else None,
                )
                for number, version in found.items()
            },
            aliases={
                alias: by_tracked.get(target, f"MLflow {target}")
                for alias in ALIASES.values()
                if (target := self._target(alias))
            },
        )

    def facts(self, version: str) -> dict[str, object]:
        """Return what was recorded of a version when it was registered; nothing where it is gone."""
        try:
            return dict(self.version(version).run_metadata)
        except VersionGone:
            return {}

    def anchors(self, ledger: Ledger) -> dict[int, str]:
        """Return the hashes of entries that were noted at the versions, by sequence."""
        noted: dict[int, str] = {}
        for version in self._of(ledger).values():
            metadata = version.run_metadata.get(LEDGER_KEY)
            if isinstance(metadata, dict):
                noted |= {int(sequence): str(value) for sequence, value in metadata.items()}
        return noted

    def note(self, entry: Entry) -> None:
        """Keep an entry's hash at its version."""
        from zenml import log_metadata

        assert entry.version is not None
        version = self.version(entry.version)
        noted = version.run_metadata.get(LEDGER_KEY)
        with _answering("ZenML"):
            log_metadata(
                metadata={LEDGER_KEY: {**(noted if isinstance(noted, dict) else {}), str(entry.sequence): entry.hash}},
                model_version_id=version.id,
            )

    def discard(self, run: str) -> list[str]:
        """Delete every version that a run left in ZenML or MLflow; returns their numbers in ZenML."""
        from zenml.client import Client

        with _answering("MLflow"):
            left = self._mlflow.search_model_versions(f"name='{self.model}' and tags.`{RUN_TAG}`='{run}'")
            for tracked in left:
                self._mlflow.delete_model_version(self.model, str(tracked.version))
        found = {number: version for number, version in self._versions().items() if _made_by(version, run)}
        with _answering("ZenML"):
            for version in found.values():
                Client().delete_model_version(version.id)
        return list(found)

    def _of(self, ledger: Ledger) -> "dict[str, ModelVersionResponse]":
        """Return the versions a ledger names, and those that say they belong to it or to none."""
        named = standing(ledger.entries()).stages
        return {
            number: version
            for number, version in self._versions().items()
            if number in named or version.run_metadata.get(LEDGER_URI_KEY) in (None, ledger.uri)
        }

    def _versions(self, *, with_facts: bool = True) -> "dict[str, ModelVersionResponse]":
        from zenml.client import Client
        from zenml.utils.pagination_utils import depaginate

        with _answering("ZenML"):
            try:
                versions = depaginate(Client().list_model_versions, model=self.model, size=200, hydrate=with_facts)
            except KeyError:
                return {}
        return {str(version.number): version for version in versions}

    def _point(self, alias: str, version: str | None) -> str | None:
        """Put an alias on a version, or take it away; returns the version where it is missing."""
        tracked = None
        if version is not None:
            try:
                self.check(version)
            except VersionGone:
                return version
            tracked = _tracked_number(self.version(version))
        target = self._target(alias)
        while target != tracked:
            try:
                self._move(alias, tracked)
                break
            except RegistryAway:
                # MLflow refuses one of two processes that give a new alias in the same moment: look at what it has now.
                before, target = target, self._target(alias)
                if target == before:
                    raise
        return None

    def _move(self, alias: str, tracked: str | None) -> None:
        with _answering("MLflow"):
            if tracked is None:
                self._mlflow.delete_registered_model_alias(self.model, alias)
            else:
                self._mlflow.set_registered_model_alias(self.model, alias, tracked)

    def _target(self, alias: str) -> str | None:
        from mlflow.exceptions import MlflowException

        with _answering("MLflow"):
            try:
                return str(self._mlflow.get_model_version_by_alias(self.model, alias).version)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def _is_tracked(self, tracked: str) -> bool:
        from mlflow.exceptions import MlflowException

        with _answering("MLflow"):
            try:
                self._mlflow.get_model_version(self.model, tracked)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return False
                raise
        return True

    @cached_property
    def _mlflow(self) -> "MlflowClient":
        # Half a minute of retries instead of five: a person waits.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        from mlflow import MlflowClient
        from zenml.client import Client

        tracker = Client().active_stack.experiment_tracker
        if tracker is None or not hasattr(tracker, "configure_mlflow"):
            raise RegistryAway(
                f"the active stack {Client().active_stack_model.name} has no MLflow experiment tracker, whose aliases "
                "follow the ledger; register the stack again: churn stack register"
            )
        tracker.configure_mlflow()
        return MlflowClient()


def run_tag(run: str) -> str:
    """Return the tag of a ZenML version that names its run."""
    return f"{RUN_TAG}={run}"


def _made_by(version: "ModelVersionResponse", run: str) -> bool:
    return run_tag(run) in {tag.name for tag in version.tags}


def _stage(version: "ModelVersionResponse") -> Stage:
    stage = version.stage
    return "none" if stage not in ("staging", "production", "archived") else stage  # type: ignore[return-value]


def _tracked_number(version: "ModelVersionResponse") -> str | None:
    return _text(version.run_metadata.get("mlflow_version"))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@contextmanager
def _answering(system: str) -> Iterator[None]:
    """Say of a system that does not answer which one it is, and the way out.

    Raises:
        RegistryAway: the body could not reach it.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, _kinds_of_silence()):
            raise
        raise RegistryAway(
            f"{system} does not answer ({str(error).splitlines()[0][:200]}); start it, or check its address in the "
            "stack, and run the same command again: it goes on where this one stopped"
        ) from None


def _kinds_of_silence() -> tuple[type[Exception], ...]:
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, requests.RequestException, SQLAlchemyError, ConnectionError


def active_registry() -> Registry:
    """Return the registry of the active stack."""
    return Registry(active_settings().model_name)


def active_ledger() -> Ledger:
    """Return the ledger of the active stack's lake."""
    return Ledger(active_settings().lake.url, project_clock().now)
