"""All customers of a cutoff, scored by one bundle as the prediction API would score them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.bundle.bundle import Bundle, inputs_of
from churn.features.tables import CUSTOMER
from churn.scoring.reasons import Columns, Explainer, explainer_of
from churn.scoring.settings import REASONS, ScoringSettings

BATCH = 10_000
"""Rows that are scored at a time; more of them leave the processor's cache."""


def score_rows(bundle: Bundle, rows: pl.DataFrame, settings: ScoringSettings) -> pl.DataFrame:
    """Score customers and say why.

    Args:
        bundle: opened.
        rows: one a customer, with the features.
        settings: whose scores get reasons, and how many.

    Returns:
        `customer_id`, `score`, `contacted`, `expected_profit` (what a contact brings on average, its cost paid),
        `topic` (what speaks most for leaving) and the reasons, in the order of `rows`.

    Raises:
        UnfitInput: a feature is missing, or has another type than in training.
    """
    explainer = explainer_of(bundle)
    parts = [_part(bundle, part, explainer, settings) for part in rows.iter_slices(BATCH)]
    scored = pl.concat(parts) if parts else _part(bundle, rows, explainer, settings)
    costs = bundle.manifest.settings.costs
    return scored.with_columns(expected_profit=pl.col("score") * costs.reward - costs.contact_cost).select(
        CUSTOMER, "score", "contacted", "expected_profit", "topic", *REASONS
    )


def _part(bundle: Bundle, rows: pl.DataFrame, explainer: Explainer, settings: ScoringSettings) -> pl.DataFrame:
    columns = inputs_of(rows, bundle.manifest.catalogue)
    scores = bundle.score(columns)
    contacted = scores >= bundle.manifest.threshold
    explained = contacted if settings.reasons_for == "contacted" else np.ones(len(scores), dtype=np.bool_)
    at = np.flatnonzero(explained)
    said = explainer.explain(_some(columns, at), scores[at], settings.reasons, settings.least_effect)
    texts = np.full((1 + len(REASONS), len(scores)), None, dtype=object)
    texts[: 1 + settings.reasons, at] = np.concatenate([said.topics[None], said.sentences])
    return pl.DataFrame(
        {
            CUSTOMER: rows[CUSTOMER],
            "score": scores,
            "contacted": contacted,
            **{
                name: pl.Series(text.tolist(), dtype=pl.String)
                for name, text in zip(("topic", *REASONS), texts, strict=True)
            },
        }
    )


def _some(columns: Columns, at: NDArray[np.intp]) -> Columns:
    return {name: values[at] for name, values in columns.items()}
