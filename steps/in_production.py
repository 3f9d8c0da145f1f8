"""The version of the model that customers are scored with."""

from zenml.client import Client
from zenml.models import ModelVersionResponse

from churn.bundle.bundle import Bundle
from churn.bundle.errors import BundleInvalid
from churn.ledger.standing import standing
from churn.training.incumbent import Incumbent
from steps.registry import active_ledger, active_registry


def in_production() -> Incumbent | None:
    """Return the model that the ledger has in production; None while there is none."""
    version = standing(active_ledger().entries()).holder("production")
    if version is None:
        return None
    return Incumbent(f"version {version}", lambda: bundle_of(active_registry().version(version)))


def bundle_of(version: ModelVersionResponse) -> Bundle:
    """Open the bundle a version was registered with.

    Raises:
        BundleInvalid: it has none, or the bundle is gone or was altered.
    """
    recorded = version.run_metadata.get("bundle_artifact")
    if recorded is None:
        raise BundleInvalid("names no bundle; it was not registered by a training")
    try:
        bundle = Client().get_artifact_version(str(recorded)).load()
    except (KeyError, OSError) as error:
        raise BundleInvalid(f"its bundle {recorded} cannot be read ({type(error).__name__})") from None
    if not isinstance(bundle, Bundle):
        raise BundleInvalid(f"its artifact {recorded} is no bundle")
    return bundle
