"""The gateway's connections: their limit, waiting connections, and incomplete requests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("hypercorn")
from hypercorn.asyncio import run, serve
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol

from labelctl.local import processes
from labelctl.local.emulator import connections
from labelctl.local.emulator.asgi import App, Message, Receive, Send
from labelctl.local.emulator.connections import Connection

REQUEST = b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF = b"PUT /photo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nhalf"


class Server:
    """Responds with "hello"; for /slow, only after `go_on` is set."""

    def __init__(self, port: int) -> None:
        self.port, self.go_on, self.busy = port, asyncio.Event(), 0
        self.writers: list[asyncio.StreamWriter] = []

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/slow":
            self.busy += 1
            await self.go_on.wait()
        length = (b"content-length", b"5")
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": b"hello"})

    async def ask(self, path: bytes = b"") -> tuple[bytes, asyncio.StreamReader]:
        """The status of the response, and the connection, which stays open."""
        reader = await self.send(REQUEST % path)
        return (await status_of(reader)), reader

    async def send(self, content: bytes) -> asyncio.StreamReader:
        """Send `content` on a new connection; returns the reader of its response."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write(content)
        return reader

    async def are_busy(self, count: int) -> None:
        while self.busy < count:
            await asyncio.sleep(0.001)


async def status_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return head.split(b" ")[1]


@asynccontextmanager
async def serving(wrap: Callable[[App], App] = lambda app: app) -> AsyncIterator[Server]:
    (port,) = processes.choose_ports(1)
    server, config, over = Server(port), Config(), asyncio.Event()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = 0.01
    config.loglevel = "ERROR"
    served = asyncio.create_task(
        serve(wrap(server.app), config, shutdown_trigger=over.wait)  # type: ignore[arg-type]
    )
    while processes.free_port(port):
        await asyncio.sleep(0.001)
    yield server
    server.go_on.set()
    for writer in server.writers:
        writer.close()
    over.set()
    await served


@pytest.fixture
def at_most_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TCPServer", Connection)
    monkeypatch.setattr(Connection, "most", 2)
    monkeypatch.setattr(Connection, "_open", set())
    monkeypatch.setattr(Connection, "_idle", {})


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await asyncio.wait_for(scene(), 20)

    asyncio.run(run())


@pytest.mark.usefixtures("at_most_two")
def test_the_longest_idle_connection_is_closed_for_a_new_one() -> None:
    async def scene() -> None:
        async with serving() as server:
            _, first = await server.ask()
            _, second = await server.ask()
            status, _ = await server.ask()
            assert status == b"200"
            assert await first.read() == b""  # closed
            assert not second.at_eof()

    play(scene)


@pytest.mark.usefixtures("at_most_two")
def test_a_new_connection_waits_while_all_are_busy() -> None:
    async def scene() -> None:
        async with serving() as server:
            busy = [asyncio.create_task(server.ask(b"slow")) for _ in range(2)]
            await server.are_busy(2)
            waiting = asyncio.create_task(server.ask())
            while not Connection._waiting:
                await asyncio.sleep(0.001)
            server.go_on.set()
            answers = [await each for each in (*busy, waiting)]
            assert [status for status, _ in answers] == [b"200"] * 3

    play(scene)


@pytest.mark.usefixtures("at_most_two")
def test_a_connection_that_cannot_wait_gets_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_WAIT", 0.01)

    async def scene() -> None:
        async with serving() as server:
            busy = [asyncio.create_task(server.ask(b"slow")) for _ in range(2)]
            await server.are_busy(2)
            status, reader = await server.ask()
            assert status == b"503"
            assert await reader.read() == b""
            server.go_on.set()
            assert [(await each)[0] for each in busy] == [b"200"] * 2

    play(scene)


def test_an_incomplete_request_is_dropped() -> None:
    async def scene() -> None:
        async with serving(lambda app: connections.with_body_timeout(app, timeout=0.05)) as server:
            reader = await server.send(HALF)
            answer = await reader.read()  # until it is closed
            assert answer.startswith(b"HTTP/1.1 400")
            assert b"RequestTimeout" in answer

    play(scene)


def test_a_complete_request_has_no_timeout() -> None:
    """Waiting for the client's disconnect must not time out."""
    received: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        received.append((await receive())["type"])
        received.append((await receive())["type"])

    async def scene() -> None:
        messages: asyncio.Queue[Message] = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": b"all of it"})
        later = {"type": "http.disconnect"}
        asyncio.get_running_loop().call_later(0.05, messages.put_nowait, later)
        limited = connections.with_body_timeout(app, timeout=0.01)
        await limited({"type": "http"}, messages.get, messages.put)

    play(scene)
    assert received == ["http.request", "http.disconnect"]


LIMITS = """
import resource
from labelctl.local import processes
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
processes.allow_open_files(100)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
processes.allow_open_files(80)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 90))
processes.allow_open_files(100)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_the_number_of_connections_follows_the_file_limit() -> None:
    command = [sys.executable, "-c", LIMITS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100", "100", "90"]


@pytest.mark.parametrize(
    "request_",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    ],
    ids=["prior knowledge", "upgrade"],
)
def test_http_2_is_not_supported(request_: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TCPServer", run.TCPServer)
    monkeypatch.setattr(Connection, "most", Connection.most)
    monkeypatch.setattr(H11Protocol, "_check_protocol", H11Protocol._check_protocol)
    connections.install()

    async def scene() -> None:
        async with serving() as server:
            reader = await server.send(request_)
            assert await reader.readexactly(13) == b"HTTP/1.1 200 "

    play(scene)
