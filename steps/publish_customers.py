"""From a version of the feature table to the snapshot that the prediction API answers customers from."""

from datetime import UTC, datetime
from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.features.catalogue import load_catalogue
from churn.features.feature_set import FeatureSet
from churn.online.publish import PublishedCustomers
from churn.online.publish import publish_customers as publish
from materializers.scoring import PublishedCustomersMaterializer
from stacks.customers_store import customers_url, store_customers
from stacks.environment import customers_folder, dbt_project
from steps.guard import failing_closed


@step(enable_cache=False, output_materializers=PublishedCustomersMaterializer)
def publish_customers(feature_set: FeatureSet) -> Annotated[PublishedCustomers, "customers"]:
    """Publish the customers of the newest cutoff; servers take them within seconds.

    Where the artifact store is not of this machine the snapshot is put there too, for servers in a cluster.
    """
    with failing_closed(f"{get_step_context().pipeline_run.name} publish_customers", "scoring_failed"):
        catalogue = [one for one in load_catalogue(dbt_project()) if one.name in feature_set.recipe.columns]
        published = publish(feature_set, catalogue, customers_folder())
        url = customers_url()
        if url is not None:
            store_customers(published, url, datetime.now(UTC))
    log_metadata({"customers": published.customers, "version": published.version, "changed": published.changed})
    return published
