"""HTTP over ASGI: request heads, complete bodies, responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from labelctl.local.emulator import error_responses
from labelctl.local.emulator.admission import Request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class IncompleteBodyError(Exception):
    """The client disconnected before the end of the body, or the body exceeds its limit."""


class BudgetError(Exception):
    """Large bodies use all of the memory that they may take."""


def head(scope: Message) -> Request:
    """The head of a request. The values of a repeated header are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return Request(scope["method"], path, query, headers)


async def read(receive: Receive, limit: int | None = None) -> bytes:
    """The whole body, at most `limit` bytes. Raises IncompleteBodyError."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise IncompleteBodyError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if limit is not None and size > limit:
            raise IncompleteBodyError
        if not message.get("more_body"):
            return b"".join(parts)


class BodyBudget:
    """Limits the memory of bodies that are read at the same time to `total` bytes.

    The first `free` bytes of each body are not counted, so that small requests still succeed when the
    budget is used up. Each body must be complete within `seconds`.
    """

    def __init__(self, total: int, free: int, seconds: float) -> None:
        self.total, self.free, self.seconds, self.used = total, free, seconds, 0

    async def read(self, receive: Receive, limit: int) -> bytes:
        """The whole body, as `read` returns it.

        Raises BudgetError if it exceeds the budget, IncompleteBodyError if it takes too long.
        """
        size = counted = 0

        async def receive_counted() -> Message:
            nonlocal size, counted
            message = await receive()
            size += len(message.get("body", b""))
            more = max(0, size - self.free) - counted
            if self.used + more > self.total:
                raise BudgetError
            counted += more
            self.used += more
            return message

        try:
            async with asyncio.timeout(self.seconds):
                return await read(receive_counted, limit)
        except TimeoutError:
            raise IncompleteBodyError from None
        finally:
            self.used -= counted


def received(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the `body` that was already read, and then further messages."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


async def reply(send: Send, status: int, value: object) -> None:
    """Send a JSON response."""
    await _send(send, status, "application/json", json.dumps(value).encode())


async def reply_error(send: Send, status: int, request: Request, code: str, message: str) -> None:
    """Send an error in the protocol of the service that the request is for."""
    kind, body = error_responses.write(request, code, message)
    await _send(send, status, kind, b"" if request.method == "HEAD" else body)


async def _send(send: Send, status: int, kind: str, body: bytes) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
