"""A small proxy server between the function and a service that injects faults.

    with FaultProxy(target="http://127.0.0.1:4566", seed=7) as dynamodb:
        dynamodb.faults = Faults(error=0.05, unprocessed=0.2)     # at any time
        …AWS_ENDPOINT_URL_DYNAMODB=dynamodb.url…
        print(dynamodb.record.outcomes())

With a target, it forwards calls with unchanged headers, so that signatures stay valid. Without a
target, it answers DetectLabels itself, after `latency` seconds, with labels that depend only on the
photo's key and version. The function needs no changes to use it. It listens on a free port of
127.0.0.1 and runs an event loop in its own thread; connections are kept alive on both sides. See also
tests.fault_proxy.faults and tests.fault_proxy.wire (HTTP messages).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fault_proxy import wire
from tests.fault_proxy.faults import ChosenFault, Faults, Quota, decide
from tests.fault_proxy.record import THROTTLED, Call, Record
from tests.fault_proxy.wire import Message

LABELS = 10
"""The number of labels of each photo, without a target."""

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_GONE = (OSError, asyncio.IncompleteReadError)


class FaultProxy:
    """A context manager. `faults` can be set and `record` read at any time."""

    def __init__(
        self,
        target: str | None = None,
        *,
        faults: Faults | None = None,
        latency: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.faults = faults or Faults()
        self.record = Record()
        self.url = ""
        self._target = urlsplit(target) if target else None
        self._latency, self._seed = latency, seed
        self._quota = Quota()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._idle: list[_Connection] = []
        self._serving: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._released = asyncio.Event()

    def __enter__(self) -> Self:
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=256)
        self._server = self._loop.run_until_complete(listening)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def release(self) -> None:
        """Close the connections of all hanging calls."""

        def release() -> None:
            self._released.set()
            self._released = asyncio.Event()

        self._loop.call_soon_threadsafe(release)

    async def _close(self) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for _, writer in self._idle:
            await _end(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            keep = True
            while keep:
                request = await wire.read_request(reader)
                reply, keep = await self._reply(request)
                if reply:
                    writer.write(reply.raw)
                    await writer.drain()
                    keep = keep and request.keeps_alive and reply.keeps_alive
        except (*_GONE, asyncio.CancelledError):
            pass
        finally:
            self._serving.discard(task)
            await _end(writer)

    async def _reply(self, request: Message) -> tuple[Message | None, bool]:
        """The response, if any, and whether the connection stays open."""
        about = request.operation, request.subject
        self._attempts[about] += 1
        now, faults, calls = time.monotonic(), self.faults, self.record.calls
        fate = decide(faults, self._seed, *about, self._attempts[about])
        limit, counting = faults.quota, faults.counting
        if limit is not None and not self._quota.admits(limit, now, counting):
            calls.append(Call(now, *about, THROTTLED))
            return wire.throttled(request, fate.die), True
        number = len(calls)
        calls.append(Call(now, *about, fate.fault or "answered"))
        await asyncio.sleep(fate.delay)
        if fate.fault == "hang":
            await self._released.wait()
        if fate.fault in ("hang", "drop"):
            return None, False
        if fate.fault == "error" and fate.die.random() < 0.5:
            return wire.internal_error(request), True
        try:
            done = await self._forward_part(request, fate)
        except _GONE:
            calls[number] = Call(now, *about, "unreachable")
            return None, False
        if fate.fault == "error":
            return wire.internal_error(request), True
        if fate.fault == "malformed":
            return wire.malformed(fate), True
        if fate.fault == "cut":
            return Message(done.head, done.body[: len(done.body) // 2]), False
        return done, True

    async def _forward_part(self, request: Message, fate: ChosenFault) -> Message:
        """The service's response. For `unprocessed`, only a part of the batch is forwarded."""
        if fate.fault != "unprocessed":
            return await self._forward(request)
        (table, items), *others = json.loads(request.body)["RequestItems"].items()
        if others or len(items) < 2:
            return await self._forward(request)
        count = fate.die.randrange(1, len(items))
        part = json.dumps({"RequestItems": {table: items[:count]}}).encode()
        answer = await self._forward(request.with_body(part))
        parsed = json.loads(answer.body or b"{}")
        if "UnprocessedItems" not in parsed:
            return answer  # an error
        rest = parsed["UnprocessedItems"]
        rest[table] = rest.get(table, []) + items[count:]
        return answer.with_body(json.dumps(parsed).encode())

    async def _forward(self, request: Message) -> Message:
        if self._target is None:
            await asyncio.sleep(self._latency)
            return wire.answer(200, json.dumps(labels_of(request.subject)).encode())
        while self._idle:
            connection = self._idle.pop()
            # The service may have closed an idle connection; then use a new one.
            with contextlib.suppress(*_GONE):
                return await self._exchange(connection, request)
        return await self._exchange(await self._connect(), request)

    async def _connect(self) -> _Connection:
        assert self._target
        return await asyncio.open_connection(self._target.hostname, self._target.port)

    async def _exchange(self, connection: _Connection, request: Message) -> Message:
        reader, writer = connection
        try:
            writer.write(request.raw)
            await writer.drain()
            answer = await wire.read_answer(reader, request.method)
        except BaseException:
            await _end(writer)
            raise
        if answer.keeps_alive:
            self._idle.append(connection)
        else:
            await _end(writer)
        return answer


def labels_of(subject: str) -> dict[str, Any]:
    """A DetectLabels response in the format of the real service, with random labels."""
    die = Random(subject)
    confidences = sorted((die.uniform(55, 100) for _ in range(LABELS)), reverse=True)
    numbers = die.sample(range(1000), LABELS)
    return {
        "Labels": [
            {
                "Name": f"Thing {number}",
                "Confidence": confidence,
                "Instances": [],
                "Parents": [],
                "Aliases": [],
                "Categories": [{"Name": "Everyday Objects"}],
            }
            for number, confidence in zip(numbers, confidences, strict=True)
        ],
        "LabelModelVersion": "3.0",
    }


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
