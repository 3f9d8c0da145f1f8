import asyncio

import pytest

from seldon.serving.begun import begun


def test_what_is_there_is_had_at_once() -> None:
    async def there() -> str:
        return "body"

    assert begun(there()) == ("body", None)


def test_what_is_not_there_is_waited_for_and_let_go_when_time_is_up() -> None:
    ended = []

    async def slow(event: asyncio.Event, times: int) -> str:
        try:
            for _ in range(times):
                event.clear()
                await event.wait()
            return "body"
        finally:
            ended.append(times)

    async def run() -> None:
        event = asyncio.Event()
        _, rest = begun(slow(event, 2))
        assert rest is not None
        for delay in (0.01, 0.03):
            asyncio.get_running_loop().call_later(delay, event.set)
        async with asyncio.timeout(5):
            assert await rest == "body"

        _, rest = begun(slow(event, 1))
        assert rest is not None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await rest
        assert ended == [2, 1]

    asyncio.run(run())
