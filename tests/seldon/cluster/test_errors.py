from typing import Any

import pytest

from seldon.cluster.api import Api
from seldon.cluster.errors import AccessDenied, ClusterUnavailable, Conflict, ManifestRefused, refusal
from seldon.deployment import DeploymentNotReady
from tests.seldon.cluster.test_layout import SETTINGS

PLACE = "deployment churn/churn"


@pytest.mark.parametrize(
    ("status", "answer", "kind", "says"),
    [
        (409, {"message": "the object has been modified"}, Conflict, "modified"),
        (403, {"message": 'User "x" cannot update'}, AccessDenied, r'may not do it: User "x".*deploy/rbac\.yaml'),
        (401, {"reason": "Unauthorized"}, AccessDenied, "Unauthorized"),
        (404, {"message": "the server could not find"}, ManifestRefused, "Seldon Core v1 is not installed"),
        (422, {"message": "spec.predictors: Required"}, ManifestRefused, "Required"),
        (429, {}, ClusterUnavailable, "429"),
        (503, {}, ClusterUnavailable, "503"),
    ],
)
def test_each_answer_is_named_with_a_way_out(status: int, answer: Any, kind: type[Exception], says: str) -> None:
    error = refusal(PLACE, "do it", status, answer)

    with pytest.raises(kind, match=says):
        raise error
    assert isinstance(error, Conflict) or str(error).startswith(PLACE)


def test_what_a_rollout_catches_is_one_kind() -> None:
    assert all(issubclass(kind, DeploymentNotReady) for kind in (AccessDenied, ClusterUnavailable, ManifestRefused))


def test_a_question_is_repeated_with_longer_pauses_until_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    def nobody(*_: Any) -> Any:
        now[0] += 1.0
        raise ClusterUnavailable(f"{PLACE}: nobody there")

    monkeypatch.setattr(Api, "_ask_once", nobody)
    api = Api("churn", "churn", SETTINGS.model_copy(update={"api_seconds": 10.0}), sleep, lambda: now[0])

    with pytest.raises(ClusterUnavailable, match="nobody there; given up after 10 s"):
        api.deployment()

    assert pauses == [0.2, 0.4, 0.8, 1.6]
    assert now[0] <= 11.0


def test_a_refusal_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def denied(*question: Any) -> Any:
        asked.append(question)
        raise AccessDenied("no")

    monkeypatch.setattr(Api, "_ask_once", denied)

    with pytest.raises(AccessDenied):
        Api("churn", "churn", SETTINGS).deployment()
    assert len(asked) == 1


def test_without_a_way_to_the_cluster_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    settings = SETTINGS.model_copy(update={"kubeconfig": str(tmp_path / "none")})

    with pytest.raises(ManifestRefused, match="no way to the cluster"):
        Api("churn", "churn", settings).deployment()
