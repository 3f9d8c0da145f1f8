"""The `world` and `event` fixtures of the ingestion's tests."""

from tests.world import START, FixedKey, World, event, world

__all__ = ["START", "FixedKey", "World", "event", "world"]
