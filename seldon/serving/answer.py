"""A scored request, which each protocol writes in its own form and the log keeps."""

from dataclasses import dataclass
from typing import Final, Literal

from msgspec import Struct

from seldon.serving.columns import Rows

Track = Literal["stable", "canary"]
TRACKS: Final[tuple[Track, ...]] = ("stable", "canary")


@dataclass(frozen=True)
class Identity:
    """Who answers.

    Attributes:
        name: of the model in the Open Inference Protocol.
    """

    deployment: str
    namespace: str
    name: str
    version: str
    digest: str
    track: Track

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that say so."""
        return [
            (b"x-churn-version", self.version.encode("latin-1", "replace")),
            (b"x-churn-track", self.track.encode()),
            (b"x-churn-digest", self.digest[:12].encode()),
        ]


class Scored(Struct, frozen=True):
    """Rows with their scores.

    Attributes:
        scores: probability of churn of each row.
        contacted: whether it reaches the threshold.
        latency_ms: from the request's headers to the scores.
    """

    rows: Rows
    scores: list[float]
    contacted: list[bool]
    latency_ms: float
