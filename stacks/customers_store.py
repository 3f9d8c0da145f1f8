"""Customer snapshots in the artifact store, for servers on other machines than the one that published them."""

import shutil
from datetime import datetime
from typing import TYPE_CHECKING

from zenml.client import Client
from zenml.io import fileio

from churn.online.stored import KEPT, Stored, all_stored, stored_as

if TYPE_CHECKING:
    from churn.online.publish import PublishedCustomers
    from churn.scoring.settings import ScoringSettings


def customers_url() -> str | None:
    """Return where the active stack's snapshots are for other machines; none where its artifact store is local."""
    store = Client().active_stack.artifact_store
    return f"{store.path.rstrip('/')}/serving/customers" if not store.config.is_local else None


def store_customers(published: "PublishedCustomers", url: str, at: datetime) -> bool:
    """Upload a snapshot, unless the store's present one is the same; returns whether it did.

    A server finds it whole or not at all. Older ones than the newest few are removed.
    """
    fileio.makedirs(url)
    if [one.digest for one in _stored(url)[:1]] == [published.digest]:
        return False
    stored = stored_as(published.cutoff, published.version, published.digest, at)
    with published.path.open("rb") as source, fileio.open(f"{url}/{stored.name}", "wb") as target:
        shutil.copyfileobj(source, target, 2**20)
    for old in _stored(url)[KEPT:]:
        fileio.remove(f"{url}/{old.name}")
    return True


def _stored(url: str) -> list[Stored]:
    return all_stored(map(str, fileio.listdir(url))) if fileio.exists(url) else []


def customers_options(place: str, settings: "ScoringSettings") -> tuple[str, ...]:
    """Return what a prediction server is told about customers."""
    age = settings.customers_max_age_hours
    limit = () if age is None else ("--customers-max-age", str(age))
    return ("--customers", place, "--customers-when-stale", settings.customers_when_stale, *limit)
