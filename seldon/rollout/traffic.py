"""What bundles say to the inputs that were logged, and what a canary cost its customers."""

from collections.abc import Mapping

import orjson
import polars as pl

from churn.bundle.bundle import Bundle
from churn.bundle.manifest import Manifest
from seldon.rollout.outcome import Cost


def scores_of(bundles: Mapping[str, Bundle], digest: str, records: pl.DataFrame) -> pl.Series:
    """Return the scores that the bundle with this digest has for logged inputs, none where the bundle is not known.

    Args:
        bundles: by digest.
        digest: of the bundle that answered.
        records: column `features` holds a JSON object a row.
    """
    bundle = bundles.get(digest)
    if bundle is None or records.is_empty():
        return pl.Series("expected_score", [None] * records.height, pl.Float64())
    return pl.Series("expected_score", bundle.predict(inputs_from(records["features"], bundle.manifest)), pl.Float64())


def inputs_from(features: pl.Series, manifest: Manifest) -> pl.DataFrame:
    """Return the inputs of a model from logged JSON objects; what a caller left out is null."""
    rows = [orjson.loads(text) for text in features]
    schema = {feature.name: feature.dtype for feature in manifest.catalogue}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema, strict=False)


def cost_of(as_stable: pl.DataFrame, threshold: float) -> Cost:
    """Return what the canary's customers met with.

    Args:
        as_stable: the requests of the rollout, with the score that stable would have given as `expected_score`.
        threshold: from which on stable contacts a customer.
    """
    canary = as_stable.filter(pl.col("canary"), pl.col("weight") > 0)
    differs = pl.col("contacted") != (pl.col("expected_score") >= threshold)
    return Cost(
        requests=canary.height,
        customers=canary["customer"].drop_nulls().n_unique(),
        failed=int(canary["failed"].fill_null(True).sum()),
        decisions=canary.filter(differs)["customer"].n_unique(),
    )
