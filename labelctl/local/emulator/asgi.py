"""The gateway's HTTP, as ASGI has it: heads of requests, whole bodies, answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from labelctl.local.emulator import error_answers
from labelctl.local.emulator.admission import Request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class IncompleteBodyError(Exception):
    """The client hung up before the end of its body, or the body is larger than it may be."""


class RoomError(Exception):
    """Too many large bodies are being read."""


def head(scope: Message) -> Request:
    """The head of a request. Values of a header that was sent several times are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return Request(scope["method"], path, query, headers)


async def read(receive: Receive, limit: int | None = None) -> bytes:
    """The whole body, of `limit` bytes at most. Raises IncompleteBodyError."""
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


class Room:
    """Bounds what the bodies that are read at the same time take of the memory, in bytes.

    The first `free` bytes of each are not counted: small requests go on when the room is full. Each
    has to be complete within `seconds`.
    """

    def __init__(self, total: int, free: int, seconds: float) -> None:
        self.total, self.free, self.seconds, self.taken = total, free, seconds, 0

    async def read(self, receive: Receive, limit: int) -> bytes:
        """The whole body, as `read` does. Raises RoomError when there is no room for it.

        A body that takes too long counts as incomplete.
        """
        size = counted = 0

        async def receive_counted() -> Message:
            nonlocal size, counted
            message = await receive()
            size += len(message.get("body", b""))
            more = max(0, size - self.free) - counted
            if self.taken + more > self.total:
                raise RoomError
            counted += more
            self.taken += more
            return message

        try:
            async with asyncio.timeout(self.seconds):
                return await read(receive_counted, limit)
        except TimeoutError:
            raise IncompleteBodyError from None
        finally:
            self.taken -= counted


def received(body: bytes, receive: Receive) -> Receive:
    """A `receive` that delivers the body that was read already, and then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def reply(send: Send, status: int, value: object) -> None:
    """Answer with JSON."""
    await _send(send, status, "application/json", json.dumps(value).encode())


async def reply_error(send: Send, status: int, request: Request, code: str, message: str) -> None:
    """Answer with an error, as the service that the request is meant for writes it."""
    kind, body = error_answers.write(request, code, message)
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
