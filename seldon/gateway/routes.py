"""Envoy's routes for a split.

Two facts carry them. A header is hashed after a rewrite, so a salt in the rewrite gives each rollout its own
assignment of customers, and equal salts give equal ones. And Envoy takes the hash modulo the sum of the weights, with
stable first: a customer who is on the canary at 5 % stays there at 25 %.

Only predictions are split. Everything else (metadata, health, feedback) goes to stable, and is tried again only when it
cannot have arrived: a feedback must not count twice.
"""

import json
import math
import re
from typing import Final

from seldon.gateway.bootstrap import CUSTOMER, ROUTES
from seldon.gateway.clusters import with_fallback
from seldon.gateway.route_messages import (
    BackOff,
    ClusterWeight,
    DataSource,
    DirectResponse,
    FractionalPercent,
    HashPolicy,
    HeaderHash,
    HeaderMatcher,
    Metadata,
    MirrorPolicy,
    PreviousPriorities,
    Regex,
    RegexSubstitution,
    RetryPolicy,
    RetryPriority,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    Routes,
    RuntimeFraction,
    StringMatcher,
    VirtualHost,
    WeightedClusters,
)
from seldon.gateway.settings import GatewaySettings
from seldon.gateway.split import Slot, Split
from seldon.gateway.state import Desired
from seldon.gateway.versioned import version_of

PREDICTION: Final = r"(api/v[0-9.]+/predictions|predict|v2/models/[^/]+(/versions/[^/]+)?/infer)"
"""Below the prefix: Seldon's path for a prediction, its older ones, and the Open Inference Protocol's."""

_METADATA: Final = "churn"
_NO_MODEL: Final = {
    "status": {"code": 503, "status": "FAILURE", "reason": "NO_MODEL", "info": "no model is deployed here yet"}
}
_BACK_OFF: Final = BackOff(base_interval=0.025, max_interval=0.5)


def prefix(desired: Desired) -> str:
    """Return the external path of a deployment, as Seldon has it."""
    return f"/seldon/{desired.namespace}/{desired.deployment}/"


def routes(split: Split, path: str, settings: GatewaySettings) -> Routes:
    """Return the routes for requests below `path`."""
    asked, other = (_metadata(split, prediction=prediction) for prediction in (True, False))
    anything = RouteMatch(prefix=path)
    prediction = Regex(regex=re.escape(path) + PREDICTION)
    rewrite = RegexSubstitution(pattern=Regex(regex=f"^{re.escape(path)}"), substitution="/")
    found: list[Route] = []
    if split.stable is None:
        nobody = DirectResponse(status=503, body=DataSource(inline_string=json.dumps(_NO_MODEL)))
        found.append(Route(match=anything, metadata=other, direct_response=nobody))
    elif split.canary is None or not split.weight:
        action = _alone(split.stable, split, rewrite, settings)
        found.append(Route(match=RouteMatch(safe_regex=prediction), metadata=asked, route=action))
    else:
        named = HeaderMatcher(name=CUSTOMER, string_match=StringMatcher(safe_regex=Regex(regex=".+")))
        for headers in ((named,), None):
            match = RouteMatch(safe_regex=prediction, headers=headers)
            action = _weighted(split.stable, split.canary, split, rewrite, settings, sticky=headers is not None)
            found.append(Route(match=match, metadata=asked, route=action))
    if split.stable is not None:
        found.append(Route(match=anything, metadata=other, route=_other(split.stable, rewrite, settings)))
    resources = (RouteConfiguration(name=ROUTES, virtual_hosts=(VirtualHost(name=ROUTES, routes=tuple(found)),)),)
    return Routes(version_info=version_of(resources), resources=resources)


def _metadata(split: Split, *, prediction: bool) -> Metadata:
    told = {
        "prediction": prediction,
        "generation": split.generation,
        "weight": split.weight,
        "mirror": split.mirror,
        "rollout": split.rollout,
    }
    return Metadata(filter_metadata={_METADATA: told | {"split": split.model_dump_json()}})


def live_split(content: bytes) -> Split:
    """Return the split that a routes file was made for.

    Raises:
        ValueError: the file was not written by `routes`.
    """
    try:
        first = json.loads(content)["resources"][0]["virtual_hosts"][0]["routes"][0]
        return Split.model_validate_json(first["metadata"]["filter_metadata"][_METADATA]["split"])
    except (LookupError, TypeError) as error:
        raise ValueError(f"the route tells no split: {error}") from None


def kill_switch(split: Split) -> dict[str, str]:
    """Return the runtime values that take every request, and every copy of one, from the canary of this split."""
    if split.stable is None or split.canary is None:
        return {}
    key = _runtime_key(split)
    return {
        f"{key}.{with_fallback(split.stable, split.canary)}": "100",
        f"{key}.{with_fallback(split.canary, split.stable)}": "0",
        f"{key}.mirror": "0",
    }


def _runtime_key(split: Split) -> str:
    """A rollout that was killed stays so until Envoy ends, and the next one has another salt or another canary."""
    return f"routing.{split.salt}.{split.canary.name if split.canary else ''}"


def _other(stable: Slot, rewrite: RegexSubstitution, settings: GatewaySettings) -> RouteAction:
    """What is no prediction, to stable."""
    return RouteAction(
        regex_rewrite=rewrite,
        cluster=stable.name,
        timeout=settings.request_seconds,
        retry_policy=RetryPolicy(
            retry_on="connect-failure,refused-stream", num_retries=settings.retries, retry_back_off=_BACK_OFF
        ),
    )


def _alone(stable: Slot, split: Split, rewrite: RegexSubstitution, settings: GatewaySettings) -> RouteAction:
    """Every prediction to stable; its attempts wait for its return, and what it answers itself is the answer."""
    mirrors = None
    if split.mirror and split.canary is not None:
        every = RuntimeFraction(
            default_value=FractionalPercent(numerator=100), runtime_key=f"{_runtime_key(split)}.mirror"
        )
        mirrors = (MirrorPolicy(cluster=split.canary.name, runtime_fraction=every),)
    return RouteAction(
        regex_rewrite=rewrite,
        cluster=stable.name,
        timeout=settings.request_seconds,
        # As many as the request's time allows: a wait is half of its bound on average, but may be short.
        retry_policy=RetryPolicy(
            retry_on="connect-failure,refused-stream,reset",
            num_retries=math.ceil(4 * settings.request_seconds / _BACK_OFF.max_interval),
            retry_back_off=_BACK_OFF,
        ),
        request_mirror_policies=mirrors,
    )


def _weighted(
    stable: Slot, canary: Slot, split: Split, rewrite: RegexSubstitution, settings: GatewaySettings, *, sticky: bool
) -> RouteAction:
    """A share to each; whom one fails, the other answers."""
    salted = RegexSubstitution(pattern=Regex(regex="^.*$"), substitution=f"{split.salt}:\\0")
    return RouteAction(
        regex_rewrite=rewrite,
        weighted_clusters=WeightedClusters(
            runtime_key_prefix=_runtime_key(split),
            use_hash_policy=sticky or None,
            clusters=(
                ClusterWeight(name=with_fallback(stable, canary), weight=100 - split.weight),
                ClusterWeight(name=with_fallback(canary, stable), weight=split.weight),
            ),
        ),
        hash_policy=(HashPolicy(header=HeaderHash(header_name=CUSTOMER, regex_rewrite=salted)),) if sticky else None,
        timeout=settings.request_seconds,
        retry_policy=RetryPolicy(
            retry_on="connect-failure,refused-stream,reset,5xx",
            num_retries=settings.retries,
            per_try_timeout=settings.try_seconds,
            retry_back_off=_BACK_OFF,
            retry_priority=RetryPriority(typed_config=PreviousPriorities()),
        ),
    )
