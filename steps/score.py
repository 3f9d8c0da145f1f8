"""Every active customer scored by the version in production, and the list of whom to contact."""

from datetime import date
from typing import Annotated

from zenml import get_step_context, log_metadata, step

from churn.errors import ChurnError
from churn.features.feature_set import FeatureSet
from churn.ledger.standing import standing
from churn.scoring.export import export_contacts
from churn.scoring.report import ScoreReport, report_of
from churn.scoring.score import score_rows
from churn.scoring.table import ScoreLineage, ranked, write_scores
from churn.settings import absolute_url
from materializers.scoring import ScoreReportMaterializer
from stacks.environment import active_settings, project_clock, project_root
from steps.guard import failing_closed
from steps.plan_rollout import opened
from steps.registry import active_ledger


class NothingToScoreWith(ChurnError):
    """No version is in production."""


@step(enable_cache=False, output_materializers=ScoreReportMaterializer)
def score(feature_set: FeatureSet, at: str | None = None) -> Annotated[ScoreReport, "scores"]:
    """Score the customers of the newest cutoff, or of another one that was built.

    Raises:
        NothingToScoreWith: no version is in production.
        BundleInvalid: its bundle is missing, or is not the one that the ledger names.
        ChurnError: there are no rows for that day.
    """
    with failing_closed(f"{get_step_context().pipeline_run.name} score", "scoring_failed"):
        settings = active_settings()
        version, digest = to_score_with()
        bundle = opened(version, digest)
        day = _day(at) if at else feature_set.cutoffs.latest
        scored = ranked(score_rows(bundle, feature_set.frame([day]), settings.scoring))
        lineage = ScoreLineage(
            scoring_date=day,
            model_version=version,
            bundle_digest=bundle.digest,
            features_version=feature_set.features.version,
            features_digest=feature_set.digest,
            rows_digest=feature_set.digests[str(day)],
            snapshot=feature_set.snapshot.digest,
            settings=settings.scoring.digest,
        )
        written = write_scores(settings.lake.url, scored, lineage, project_clock().now())
        place = absolute_url(settings.scoring.exports or f"{settings.lake.url}/exports", project_root())
        report = report_of(scored, bundle, lineage, written, export_contacts(scored, place, day, version))
    log_metadata(
        {
            "version": version,
            "scoring_date": str(day),
            "customers": report.customers,
            "contacts": report.contacts.customers,
            "expected_profit": report.expected_profit,
            "scores_version": written.version,
            "changed": written.changed,
        }
    )
    return report


def to_score_with() -> tuple[str, str | None]:
    """Return the version in production and its bundle's digest, as the ledger has them.

    Raises:
        NothingToScoreWith: there is none.
    """
    now = standing(active_ledger().entries())
    version = now.holder("production")
    if version is None:
        raise NothingToScoreWith("no version is in production; churn deploy VERSION brings one there")
    return version, now.digests.get(version)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ChurnError(f"at: {text!r} is no ISO 8601 date, such as 2026-03-01") from None
