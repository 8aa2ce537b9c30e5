"""The memory limit for request bodies whose signature is not verified yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from labelctl.local.emulator import asgi
from labelctl.local.emulator.asgi import BodyBudget, Message, Receive


class Body:
    """A body that arrives one byte at a time and ends when `whole` is set."""

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


async def begun(budget: BodyBudget, receive: Receive) -> asyncio.Task[bytes]:
    task = asyncio.create_task(budget.read(receive, 100))
    for _ in range(20):
        await asyncio.sleep(0)
    return task


def test_large_bodies_share_a_budget_and_small_ones_are_free() -> None:
    async def scene() -> None:
        budget = BodyBudget(total=10, free=4, seconds=10)
        first, second, third, small = Body(10), Body(9), Body(5), Body(4)
        reading = await begun(budget, first.receive)
        with pytest.raises(asgi.BudgetError):
            await budget.read(second.receive, 100)
        assert budget.used == 6
        small.whole.set()
        assert await budget.read(small.receive, 100) == b"xxxx"
        first.whole.set()
        assert await reading == b"x" * 10
        third.whole.set()
        assert await budget.read(third.receive, 100) == b"x" * 5
        assert budget.used == 0

    play(scene)


def test_an_aborted_body_frees_its_memory() -> None:
    async def scene() -> None:
        budget = BodyBudget(total=10, free=4, seconds=10)
        reading = await begun(budget, Body(12).receive)
        assert budget.used == 8
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert budget.used == 0
        with pytest.raises(asgi.IncompleteBodyError):
            await budget.read(Body(101).receive, 8)
        assert budget.used == 0

    play(scene)


def test_a_body_that_never_ends_times_out() -> None:
    async def scene() -> None:
        budget = BodyBudget(total=10, free=4, seconds=0.01)
        with pytest.raises(asgi.IncompleteBodyError):
            await budget.read(Body(8).receive, 100)
        assert budget.used == 0

    play(scene)
