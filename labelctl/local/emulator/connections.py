"""How many connections the gateway holds open, and how long it waits for half a request.

A process may hold few files and connections open (256 on macOS), and clients keep theirs for later.
Without a bound, the emulator could at some point neither accept a request nor open a file, for good.
So an idle connection is closed for a new one, as servers do: clients open another when they need it.
While none is idle, a few new ones wait; the rest hear what S3 says then, and clients try again later.

Only HTTP/1.1 is spoken, as AWS does without TLS: one HTTP/2 connection could carry a hundred requests.

`install` replaces hypercorn's class of a connection, and its change of protocol, which are private
workings of hypercorn 0.18.
"""

from __future__ import annotations

import asyncio
import resource
from collections import deque

from hypercorn.asyncio import run as hypercorn_run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, Updated
from hypercorn.protocol.h11 import H11Protocol

from labelctl.local.emulator import asgi
from labelctl.local.emulator.asgi import App, Message, Receive, Send

BACKLOG = 100
"""How many connections hypercorn may accept at once, before any of them has been counted here."""

_MOST = 1000
_LEAST = 16
_MOST_WAITING = 16
_RESERVED = BACKLOG + _MOST_WAITING + 60  # the rest: the emulator's files and Lambda's pipes
_WAIT = 5.0  # seconds
_PATIENCE = 20.0  # seconds without a byte of a body that has begun

_BUSY = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Type: application/xml\r\n"
_BUSY_BODY = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Connection(TCPServer):  # type: ignore[misc]
    """One connection to the gateway; all of them know of each other."""

    most = _MOST
    _open: set[Connection] = set()  # noqa: RUF012
    _idle: dict[Connection, None] = {}  # noqa: RUF012  (the longest idle first)
    _waiting: deque[asyncio.Future[None]] = deque()  # noqa: RUF012

    async def run(self) -> None:
        if not await self._has_room():
            length = b"Content-Length: %d\r\n\r\n" % len(_BUSY_BODY)
            self.writer.write(_BUSY + length + _BUSY_BODY)
            await self._close()
            return
        self._open.add(self)
        self._idle[self] = None
        try:
            await super().run()
        finally:
            self._forget()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            self._idle.pop(self, None)
            if event.idle and self in self._open:
                self._idle[self] = None
                self._wake()
        await super().protocol_send(event)

    async def _has_room(self) -> bool:
        """Whether there is room for this one, after waiting for a while if need be."""
        try:
            async with asyncio.timeout(_WAIT):
                while len(self._open) >= self.most:
                    if self._idle:
                        oldest = next(iter(self._idle))
                        oldest._forget()
                        await oldest._initiate_server_close()
                    elif len(self._waiting) < _MOST_WAITING:
                        turn: asyncio.Future[None] = self.loop.create_future()
                        self._waiting.append(turn)
                        await turn
                    else:
                        return False
        except TimeoutError:
            return False
        return True

    def _forget(self) -> None:
        self._open.discard(self)
        self._idle.pop(self, None)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # it has waited too long
                turn.set_result(None)
                return


def install() -> None:
    """Bound the connections of this process by the files that it may open, and their protocol."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        Connection.most = max(_LEAST, min(_MOST, files - _RESERVED))
    hypercorn_run.TCPServer = Connection
    H11Protocol._check_protocol = _stay


async def _stay(_: H11Protocol, __: object) -> None:
    """Change to no other protocol than HTTP/1.1; a server may ignore `Upgrade`. [RFC 9110, 7.8]"""


class SlowRequestError(Exception):
    """The rest of a request's body did not come."""


def in_time(app: App, patience: float = _PATIENCE) -> App:
    """The ASGI application with a limit to how long it waits for the next piece of a body.

    What comes too late is answered as S3 does, and its connection closed. [S3 API, Error responses]
    """

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        complete = started = False

        async def receive_in_time() -> Message:
            nonlocal complete
            try:
                async with asyncio.timeout(None if complete else patience):
                    message = await receive()
            except TimeoutError:
                raise SlowRequestError from None
            complete = not message.get("more_body", False)
            return message

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive_in_time, send_noting)
        except SlowRequestError:
            if not started:
                await _reply_too_slow(scope, send)

    return answer


async def _reply_too_slow(scope: Message, send: Send) -> None:
    message = "Your socket connection to the server was not read from or written to in time."
    await asgi.reply_error(send, 400, asgi.head(scope), "RequestTimeout", message)
