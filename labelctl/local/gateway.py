"""The program of the local cloud's engine: ministack behind a gateway, in one process.

    python -m labelctl.local.gateway        (started by labelctl.local.engine, never by hand)

A request passes the guard, then ministack answers it; an answer that tells a client of a change, or
of rows and messages that changed just now, is held back until they are saved, so that killing this
process at any moment loses nothing that anybody was told of. A Lambda function's own writes are not
held back: its message leaves the queue only after them, and the queue is saved before the tables.
Three routes are the gateway's own:

    GET  /_labelctl/health       {"pid", "token"}: that this is the engine its owner started
    POST /_labelctl/authorize    {"access_key", "action", "resource"} → {"allowed", "principal"}
    anything else under it       404

IAM is always enforced (AUTH=true), as AWS does. All settings come from the environment that the
engine made; state/current is what to start from, already found whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from labelctl.local import corrections, error_answers, guard, hooks, rights
from labelctl.local.commit import Captured, GroupCommit
from labelctl.local.generations import CURRENT, Generations
from labelctl.local.guard import Effect
from labelctl.local.journal import Journal
from labelctl.local.state import Capture

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_OWN = "/_labelctl/"
_ROOM = 16 * 1024 * 1024  # bytes that objects leave free, so that the state can still be saved


class Gateway:
    """The ASGI application around `inner` (ministack's)."""

    def __init__(self, inner: App, generations: Generations, token: str) -> None:
        self.inner, self.generations, self.token = inner, generations, token
        self.journal = Journal(generations.folder / "journal")
        self._captured = Capture()
        self._oldest_journal = 0
        self._commit: GroupCommit | None = None
        self._changed_by_loading = False
        self._arriving = 0  # bytes of the objects that are being stored

    def mark(self, *, rest: bool = False) -> None:
        """Something changed without a request, or by one that nobody waits for."""
        if self._commit:
            self._commit.mark(rest=rest)
        else:  # while the state is loaded
            self._changed_by_loading = True

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, send)

    async def _live(self, scope: Message, receive: Receive, send: Send) -> None:
        """Start saving when the emulator is up; save a last time before it goes down."""
        saving: asyncio.Task[None] | None = None

        async def send_started(message: Message) -> None:
            nonlocal saving
            # Not before: a state that failed to load must never be saved over the good one.
            if message["type"] == "lifespan.startup.complete":
                self._commit = GroupCommit(self._capture, self._save)
                saving = asyncio.create_task(self._commit.run())
                if self._changed_by_loading:
                    self._commit.mark(rest=True)
            await send(message)

        async def receive_saved() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._commit and saving:
                with contextlib.suppress(Exception):  # it is in the log; the older state stands
                    await self._commit.commit(rest=True)
                saving.cancel()
            return message

        await self.inner(scope, receive_saved, send_started)

    def _capture(self, everything: bool) -> Captured:
        number = self.journal.rotate()  # before capturing: rather twice than not at all
        return {**self._captured(everything), hooks.JOURNAL: b"%d" % number}

    def _save(self, captured: Captured) -> None:
        self.generations.write(captured)
        self.journal.forget(self._oldest_journal)  # of the generation that has just gone
        self._oldest_journal = int(captured[hooks.JOURNAL])
        if "lambda.json" in captured:
            self.generations.prune_blobs()

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        path, method = scope["path"], scope["method"]
        refused = guard.refusal(path, headers)
        if refused:
            await _reply(send, 403, {"message": refused})
            return
        if path.startswith(_OWN):
            await self._own(method, path, receive, send)
            return
        start = b""
        if guard.is_form(headers):
            start, receive = await _peek(receive)
        query = scope["query_string"].decode("latin-1")
        effect = guard.effect(method, path, query, headers, start)
        if effect is Effect.OBJECT and method == "PUT":
            await self._store(scope, receive, send, headers)
        elif effect is Effect.READ:
            await self.inner(scope, receive, send)
        elif effect is Effect.OBJECT or rights.is_worker(guard.access_key(headers)):
            await self.inner(scope, receive, send)
            if effect is not Effect.SEEN:
                self.mark()
        else:
            await self._answer_when_saved(scope, receive, send, effect, headers)

    async def _store(
        self, scope: Message, receive: Receive, send: Send, headers: Mapping[str, str]
    ) -> None:
        """Answer a request that stores an object, if the disk has room for it and for the state.

        The emulator would not notice a full disk: the object would be gone after a restart.
        """
        length = headers.get("content-length", "")
        size = int(length) if length.isdecimal() else 0
        free = shutil.disk_usage(self.generations.folder.parent).free
        if free < _ROOM + self._arriving + size:
            problem = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            await _reply_not_saved(send, headers, scope["query_string"].decode("latin-1"), problem)
            return
        self._arriving += size
        try:
            await self.inner(scope, receive, send)
        finally:
            self._arriving -= size
        self.mark()

    async def _answer_when_saved(
        self,
        scope: Message,
        receive: Receive,
        send: Send,
        effect: Effect,
        headers: Mapping[str, str],
    ) -> None:
        commit = self._commit
        assert commit is not None
        rest = effect is Effect.REST
        lost = False

        async def send_saved(message: Message) -> None:
            nonlocal lost
            if message["type"] == "http.response.start":
                if message["status"] >= 400:
                    commit.mark(rest=rest)
                elif effect is not Effect.SEEN or commit.unsaved:
                    try:
                        await commit.commit(rest=rest)
                    except Exception as problem:
                        lost = True
                        query = scope["query_string"].decode("latin-1")
                        await _reply_not_saved(send, headers, query, problem)
            if not lost:
                await send(message)

        await self.inner(scope, receive, send_saved)

    async def _own(self, method: str, path: str, receive: Receive, send: Send) -> None:
        if (method, path) == ("GET", f"{_OWN}health"):
            await _reply(send, 200, {"pid": os.getpid(), "token": self.token})
        elif (method, path) == ("POST", f"{_OWN}authorize"):
            try:
                asked = json.loads(await _body(receive))
                access_key, action = str(asked["access_key"]), str(asked["action"])
                resource = str(asked["resource"])
            except (ValueError, KeyError, TypeError):
                await _reply(send, 400, {"message": "Wants access_key, action and resource."})
                return
            allowed, principal = rights.may(access_key, action, resource)
            await _reply(send, 200, {"allowed": allowed, "principal": principal})
        else:
            await _reply(send, 404, {"message": "No such route."})


async def _reply_not_saved(
    send: Send, headers: Mapping[str, str], query: str, problem: Exception
) -> None:
    message = error_answers.not_saved(problem)
    kind, body = error_answers.body(headers, query, "InternalFailure", message)
    await _send(send, 500, kind, body)


async def _reply(send: Send, status: int, value: object) -> None:
    await _send(send, status, "application/json", json.dumps(value).encode())


async def _send(send: Send, status: int, kind: str, body: bytes) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _peek(receive: Receive) -> tuple[bytes, Receive]:
    """The first piece of the body, and a `receive` that still delivers it."""
    first = await receive()
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return first.get("body", b""), again


def main() -> None:
    """Serve until SIGTERM. The environment is the engine's (`labelctl.local.engine`)."""
    home = Path(os.environ["LABELCTL_ENGINE_HOME"])
    lock = (home / "engine.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"another engine is using {home}")

    import ministack.app
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    from labelctl.local import connections

    connections.install()
    generations = Generations(home / "state")
    gateway = Gateway(ministack.app.app, generations, os.environ["LABELCTL_ENGINE_TOKEN"])
    corrections.apply()
    notifications = hooks.Notifications(gateway.journal)
    hooks.install(generations.folder / CURRENT, generations.blobs, notifications, gateway.mark)
    config = Config()
    config.bind = [f"127.0.0.1:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = 75  # longer than botocore keeps an idle connection
    config.graceful_timeout = 1  # seconds for requests under way at a stop
    config.backlog = connections.BACKLOG
    config.loglevel = "WARNING"
    asyncio.run(serve(connections.in_time(gateway), config))


if __name__ == "__main__":
    main()
