"""Limits the gateway's open connections, and the time that it waits for the rest of a request.

A process may only have a limited number of open files and connections (256 on macOS), and clients keep
idle connections open. Without a limit, the emulator could reach a point where it can neither accept
requests nor open files. So when the limit is reached, an idle connection is closed for each new one, as
is usual: clients reconnect when they need to. If none is idle, a few new connections wait; the others
get S3's SlowDown error, and clients retry.

Only HTTP/1.1 is supported, as on AWS without TLS: one HTTP/2 connection could carry a hundred requests.

`install` replaces hypercorn's connection class and its protocol upgrade, which are private parts of
hypercorn 0.18.
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
"""The number of connections that hypercorn may accept before they are counted here."""

_MAX_CONNECTIONS = 1000
_MIN_CONNECTIONS = 16
_MAX_WAITING = 16
_RESERVED_FILES = BACKLOG + _MAX_WAITING + 60  # 60: the emulator's files and Lambda's pipes
_WAIT = 5.0  # seconds
_BODY_TIMEOUT = 20.0  # seconds without data in the middle of a body

_BUSY = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Type: application/xml\r\n"
_BUSY_BODY = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Connection(TCPServer):  # type: ignore[misc]
    """One connection to the gateway. All connections share the class attributes."""

    most = _MAX_CONNECTIONS
    _open: set[Connection] = set()  # noqa: RUF012
    _idle: dict[Connection, None] = {}  # noqa: RUF012  (longest idle first)
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
        """Make room for this connection, waiting if necessary. False if there is no room in time."""
        try:
            async with asyncio.timeout(_WAIT):
                while len(self._open) >= self.most:
                    if self._idle:
                        oldest = next(iter(self._idle))
                        oldest._forget()
                        await oldest._initiate_server_close()
                    elif len(self._waiting) < _MAX_WAITING:
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
            if not turn.done():  # it has not timed out
                turn.set_result(None)
                return


def install() -> None:
    """Limit this process's connections according to its limit of open files, and to HTTP/1.1."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        Connection.most = max(_MIN_CONNECTIONS, min(_MAX_CONNECTIONS, files - _RESERVED_FILES))
    hypercorn_run.TCPServer = Connection
    H11Protocol._check_protocol = _ignore_upgrade


async def _ignore_upgrade(_: H11Protocol, __: object) -> None:
    """Stay with HTTP/1.1; a server may ignore `Upgrade`. [RFC 9110, 7.8]"""


class SlowRequestError(Exception):
    """The rest of a request's body did not arrive in time."""


def with_body_timeout(app: App, timeout: float = _BODY_TIMEOUT) -> App:
    """Wrap the ASGI application to limit the wait for the next part of a body to `timeout` seconds.

    On a timeout, the response is S3's RequestTimeout, and the connection is closed. [S3 API, Error
    responses]
    """

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        complete = started = False

        async def receive_with_timeout() -> Message:
            nonlocal complete
            try:
                async with asyncio.timeout(None if complete else timeout):
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
            await app(scope, receive_with_timeout, send_noting)
        except SlowRequestError:
            if not started:
                await _reply_too_slow(scope, send)

    return answer


async def _reply_too_slow(scope: Message, send: Send) -> None:
    message = "Your socket connection to the server was not read from or written to in time."
    await asgi.reply_error(send, 400, asgi.head(scope), "RequestTimeout", message)
