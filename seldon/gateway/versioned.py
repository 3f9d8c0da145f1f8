"""A resource's version is its content, so that Envoy's answer tells which one it uses."""

import hashlib
from collections.abc import Sequence

from seldon.gateway.messages import Message


def version_of(resources: Sequence[Message]) -> str:
    """Return the digest of what Envoy will read."""
    content = "\n".join(resource.model_dump_json() for resource in resources)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
