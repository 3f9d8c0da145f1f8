"""What can be wrong with a cluster, in words a person can act on."""

from collections.abc import Mapping

from seldon.deployment import DeploymentNotReady


class ClusterUnavailable(DeploymentNotReady):
    """The API server does not answer; what serves goes on serving."""


class AccessDenied(DeploymentNotReady):
    """The account may not do what has to be done."""


class ManifestRefused(DeploymentNotReady):
    """The API server does not take what it is given."""


class Conflict(Exception):
    """Somebody else has changed or made the object since; look again."""


def refusal(place: str, doing: str, status: int, answer: Mapping[str, object]) -> Exception:
    """Return what an answer of the API server other than success means.

    Args:
        place: the deployment.
        doing: what was asked for, such as `create its lease`.
        status: of HTTP.
        answer: the Status object that came along.
    """
    says = str(answer.get("message") or answer.get("reason") or f"status {status}")
    if status == 409:
        return Conflict(says)
    if status in (401, 403):
        return AccessDenied(f"{place}: may not {doing}: {says}; bind the account to the Role in deploy/rbac.yaml")
    if status == 404:
        return ManifestRefused(
            f"{place}: cannot {doing}: {says}; the namespace is missing, or Seldon Core v1 is not installed there"
        )
    if status in (408, 429) or status >= 500:
        return ClusterUnavailable(f"{place}: cannot {doing}: the API server answers {status} ({says})")
    return ManifestRefused(f"{place}: cannot {doing}: {says}")
