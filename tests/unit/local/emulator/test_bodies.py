"""How much of requests that are not known to be signed yet the gateway keeps in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from labelctl.local.emulator import asgi
from labelctl.local.emulator.asgi import BodyBudget, Message, Receive


class Body:
    """A body that arrives in pieces of one byte, and ends when `whole` is set."""

    def __init__(self, size: int) -> None:
        self.left, self.whole = size, asyncio.Event()

    async def receive(self) -> Message:
        if self.left:
            self.left -= 1
            return {"type": "http.request", "body": b"x", "more_body": True}
        await self.whole.wait()
        return {"type": "http.request", "body": b"", "more_body": False}


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 10))  # type: ignore[arg-type]


async def begun(room: BodyBudget, receive: Receive) -> asyncio.Task[bytes]:
    task = asyncio.create_task(room.read(receive, 100))
    for _ in range(20):
        await asyncio.sleep(0)
    return task


def test_large_bodies_share_a_budget_and_small_ones_are_free() -> None:
    async def scene() -> None:
        room = BodyBudget(total=10, free=4, seconds=10)
        first, second, third, small = Body(10), Body(9), Body(5), Body(4)
        reading = await begun(room, first.receive)
        with pytest.raises(asgi.BudgetError):
            await room.read(second.receive, 100)
        assert room.used == 6
        small.whole.set()
        assert await room.read(small.receive, 100) == b"xxxx"
        first.whole.set()
        assert await reading == b"x" * 10
        third.whole.set()
        assert await room.read(third.receive, 100) == b"x" * 5
        assert room.used == 0

    play(scene)


def test_an_aborted_body_frees_its_memory() -> None:
    async def scene() -> None:
        room = BodyBudget(total=10, free=4, seconds=10)
        reading = await begun(room, Body(12).receive)
        assert room.used == 8
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert room.used == 0
        with pytest.raises(asgi.IncompleteBodyError):
            await room.read(Body(101).receive, 8)
        assert room.used == 0

    play(scene)


def test_a_body_that_never_ends_times_out() -> None:
    async def scene() -> None:
        room = BodyBudget(total=10, free=4, seconds=0.01)
        with pytest.raises(asgi.IncompleteBodyError):
            await room.read(Body(8).receive, 100)
        assert room.used == 0

    play(scene)
