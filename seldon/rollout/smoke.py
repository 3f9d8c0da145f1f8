"""The first requests to a new server, before any customer's: is it up, is it the model, is it quick?"""

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from churn.bundle.checked import GOLDEN_TOLERANCE
from churn.bundle.manifest import GoldenRow
from churn.errors import ChurnError
from seldon.gateway.state import Server

_TRIES = 3
"""The quickest counts: the first answer of a process pays for what it loads late."""


_DIGITS = 12
"""Of a digest, in answers that shorten it."""


class SmokeTestFailed(ChurnError):
    """A new server does not do what its bundle says."""


class SmokeTestSlow(ChurnError):
    """A new server does what its bundle says, but not in time; a busy machine is no fault of the model."""


def smoke_test(url: str, server: Server, golden: Sequence[GoldenRow], longest: float) -> float:
    """Ask a server for its health and for scores that are known.

    Args:
        url: where the server answers, up to the Seldon paths.
        server: what it should serve.
        golden: inputs and the scores the bundle recorded for them.
        longest: seconds an answer may take.

    Returns:
        Seconds of the quickest prediction.

    Raises:
        SmokeTestFailed: names what is wrong with it.
        SmokeTestSlow: nothing but the time it takes.
    """
    name = f"version {server.version} at {url}"
    status, _, _ = _ask("GET", f"{url}/health/status", None, longest, name)
    if status != 200:
        raise SmokeTestFailed(f"{name}: its health check answers {status}")
    body = json.dumps({"jsonData": [row.inputs for row in golden]}).encode()
    seconds = []
    for _ in range(_TRIES):
        status, answer, took = _ask("POST", f"{url}/api/v1.0/predictions", body, longest, name)
        if status != 200:
            raise SmokeTestFailed(f"{name}: known inputs are answered with {status}")
        _check(name, answer, server, golden)
        seconds.append(took)
    if min(seconds) > longest:
        raise SmokeTestSlow(f"{name}: took {min(seconds):.2f} s for {len(golden)} rows, {longest:.2f} s are allowed")
    return min(seconds)


def _check(name: str, answer: object, server: Server, golden: Sequence[GoldenRow]) -> None:
    try:
        tags, rows = answer["meta"]["tags"], answer["data"]["ndarray"]  # type: ignore[index]
        scores = [float(row[1]) for row in rows]
        served = str(tags["digest"])
    except (KeyError, IndexError, TypeError, ValueError):
        raise SmokeTestFailed(f"{name}: its answer is no Seldon prediction") from None
    if len(served) < _DIGITS or not server.digest.startswith(served):
        raise SmokeTestFailed(f"{name}: serves the bundle {served[:_DIGITS]}, not {server.digest[:_DIGITS]}")
    if len(scores) != len(golden):
        raise SmokeTestFailed(f"{name}: answers {len(golden)} known inputs with {len(scores)} scores")
    off = [abs(row.score - score) for row, score in zip(golden, scores, strict=True)]
    wrong = [distance for distance in off if not distance <= GOLDEN_TOLERANCE]  # not a number is wrong as well
    if wrong:
        raise SmokeTestFailed(
            f"{name}: {len(wrong)} of {len(off)} scores for known inputs differ from the recorded ones, the first by "
            f"{wrong[0]:.2g}"
        )


def _ask(
    method: str, url: str, body: bytes | None, longest: float, name: str
) -> tuple[int, Mapping[str, object] | None, float]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=max(longest * 10, 1.0))
    began = time.perf_counter()
    try:
        connection.request(method, place.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise SmokeTestFailed(f"{name}: does not answer ({type(error).__name__})") from None
    finally:
        connection.close()
    took = time.perf_counter() - began
    try:
        return response.status, json.loads(content), took
    except ValueError:
        return response.status, None, took
