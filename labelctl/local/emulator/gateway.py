"""The local cloud's engine: ministack behind a gateway, in one process.

    python -m labelctl.local.emulator.gateway        (started by labelctl.local.engine only)

The gateway filters each request and checks its signature before ministack handles it. A response that
confirms a change, or shows items or messages that have just changed, is delayed until the change is
saved, so that killing this process at any moment loses nothing that was confirmed. Writes of a Lambda
function are not delayed: it deletes its message after them, and queues are saved before tables. The
gateway has two routes of its own:

    GET  /_labelctl/health       a health check with mutual authentication
    POST /_labelctl/authorize    checks, for the recogniser, the signature of a request and its signer's
                                 permissions; must be signed by root

IAM is always enforced (AUTH=true), as on AWS. All settings are environment variables set by
labelctl.local.engine. The state is loaded from state/current, which the engine has already verified.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from labelctl.local import credentials, health
from labelctl.local.credentials import Credentials
from labelctl.local.emulator import (
    admission,
    asgi,
    callbacks,
    error_responses,
    hooks,
    iam,
    patches,
    refusals,
    signature,
)
from labelctl.local.emulator.admission import Effect, Request
from labelctl.local.emulator.asgi import App, Message, Receive, Send
from labelctl.local.persistence.group_commit import Captured, GroupCommit
from labelctl.local.persistence.journal import Journal
from labelctl.local.persistence.snapshots import CURRENT, SnapshotStore
from labelctl.local.persistence.state import Capture

_HEALTH = "/_labelctl/health"
_AUTHORIZE = "/_labelctl/authorize"
_RESERVED_SPACE = 16 * 1024 * 1024  # bytes of disk kept free of objects, so the state can be saved

_MAX_UNVERIFIED_BODY = 72 * 1024 * 1024
"""Maximum bytes of a body that must be read before its signature can be checked. The largest is a
function's zip of 50 MB in base64. S3 signs the hash of the body, so objects of any size are read after
the check."""

_MAX_UNVERIFIED_TOTAL = 256 * 1024 * 1024
"""Maximum bytes of memory for all such bodies. Their requests must name an existing access key, but
keys are not secret: presigned URLs contain them."""

_UNCOUNTED_BYTES = 1024 * 1024  # of each body
_BODY_TIMEOUT = 60.0  # seconds for the whole body, so that slow clients do not hold connections


class Gateway:
    """The ASGI application around `inner` (ministack's)."""

    def __init__(self, inner: App, snapshots: SnapshotStore, root: Credentials) -> None:
        self.inner, self.snapshots, self.root = inner, snapshots, root
        self.journal = Journal(snapshots.folder / "journal")
        self._captured = Capture()
        self._oldest_journal = 0
        self._commit: GroupCommit | None = None
        self._changed_by_loading = False
        self._arriving = 0  # bytes of objects that are being stored
        self._unverified = asgi.BodyBudget(_MAX_UNVERIFIED_TOTAL, _UNCOUNTED_BYTES, _BODY_TIMEOUT)

    def mark(self, *, rest: bool = False) -> None:
        """Note a change without a request, or one whose response need not wait for it."""
        if self._commit:
            self._commit.mark(rest=rest)
        else:  # the state is still being loaded
            self._changed_by_loading = True

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            with contextlib.suppress(asgi.IncompleteBodyError):  # the client has gone
                await self._answer(scope, receive, send)

    async def _run_lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        """Start saving when the emulator is up, and save a last time before it shuts down."""
        saving: asyncio.Task[None] | None = None

        async def send_started(message: Message) -> None:
            nonlocal saving
            # Not earlier: if the state failed to load, the intact one must not be overwritten.
            if message["type"] == "lifespan.startup.complete":
                self._commit = GroupCommit(self._capture, self._save)
                saving = asyncio.create_task(self._commit.run())
                if self._changed_by_loading:
                    self._commit.mark(rest=True)
            await send(message)

        async def receive_saved() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._commit and saving:
                with contextlib.suppress(Exception):  # it is logged; the older snapshot stays
                    await self._commit.commit(rest=True)
                saving.cancel()
            return message

        await self.inner(scope, receive_saved, send_started)

    def _capture(self, everything: bool) -> Captured:
        number = self.journal.rotate()  # before the capture: better sent twice than lost
        return {**self._captured(everything), hooks.JOURNAL: b"%d" % number}

    def _save(self, captured: Captured) -> None:
        self.snapshots.write(captured)
        self.journal.forget(self._oldest_journal)  # files of a deleted snapshot
        self._oldest_journal = int(captured[hooks.JOURNAL])
        if "lambda.json" in captured:
            self.snapshots.prune_blobs()

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        request = asgi.head(scope)
        refused = admission.refusal(request)
        if refused:
            await asgi.reply(send, 403, {"message": refused})
        elif request.path == _HEALTH:
            await self._answer_health(request, send)
        elif admission.is_callback(request):
            await self._answer_callback(request, scope, receive, send)
        else:
            await self._answer_signed(request, scope, receive, send)

    async def _answer_callback(
        self, request: Request, scope: Message, receive: Receive, send: Send
    ) -> None:
        if callbacks.is_awaited(request.path):
            body = await asgi.read(receive, callbacks.MAX_BODY)
            await self._pass_on(request, scope, body, receive, send)
        else:
            await asgi.reply(send, 403, {"message": "No stack is waiting for this call."})

    async def _answer_signed(
        self, request: Request, scope: Message, receive: Receive, send: Send
    ) -> None:
        try:
            body = await self._authenticated(request, receive)
        except signature.RefusedError as error:
            code, message = refusals.code_and_message(error.problem, request)
            await asgi.reply_error(send, refusals.STATUS, request, code, message)
        except asgi.BudgetError:
            message = "Too many large requests are arriving. Please try again."
            await asgi.reply_error(send, 503, request, "ServiceUnavailable", message)
        else:
            await self._pass_on(request, scope, body, receive, send)

    async def _authenticated(self, request: Request, receive: Receive) -> bytes:
        """The body of a request with a valid signature. Raises signature.RefusedError."""
        claim = signature.read(request)
        secret = iam.secret_of(claim, self.root)
        body = (
            await self._unverified.read(receive, _MAX_UNVERIFIED_BODY) if claim.needs_body else b""
        )
        body_sha256 = hashlib.sha256(body).hexdigest()
        signature.check(request, claim, secret, body_sha256, datetime.now(UTC))
        if not claim.needs_body:
            body = await asgi.read(receive)
            signature.check_body(claim, secret, body)
        return body

    async def _pass_on(
        self, request: Request, scope: Message, body: bytes, receive: Receive, send: Send
    ) -> None:
        if request.path == _AUTHORIZE:
            await self._authorize(request, body, send)
            return
        receive = asgi.received(body, receive)
        effect = admission.effect(request, body)
        if effect is Effect.OBJECT and request.method == "PUT":
            await self._store(request, scope, receive, send, len(body))
        elif effect is Effect.READ:
            await self.inner(scope, receive, send)
        elif effect is Effect.OBJECT or iam.is_worker(admission.access_key(request.headers)):
            await self.inner(scope, receive, send)
            if effect is not Effect.SEEN:
                self.mark()
        else:
            await self._answer_when_saved(request, scope, receive, send, effect)

    async def _store(
        self, request: Request, scope: Message, receive: Receive, send: Send, size: int
    ) -> None:
        """Handle a request that stores an object, if the disk has room for it and for the state.

        The emulator ignores a full disk, and the object would be missing after a restart.
        """
        free = shutil.disk_usage(self.snapshots.folder.parent).free
        if free < _RESERVED_SPACE + self._arriving + size:
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            await self._reply_not_saved(send, request, error)
            return
        self._arriving += size
        try:
            await self.inner(scope, receive, send)
        finally:
            self._arriving -= size
        self.mark()

    async def _reply_not_saved(self, send: Send, request: Request, error: Exception) -> None:
        message = error_responses.not_saved(error)
        await asgi.reply_error(send, 500, request, "InternalFailure", message)

    async def _answer_when_saved(
        self, request: Request, scope: Message, receive: Receive, send: Send, effect: Effect
    ) -> None:
        commit = self._commit
        assert commit is not None
        rest = effect is Effect.REST
        failed = False

        async def send_saved(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start":
                if message["status"] >= 400:
                    commit.mark(rest=rest)
                elif effect is not Effect.SEEN or commit.unsaved:
                    try:
                        await commit.commit(rest=rest)
                    except Exception as error:
                        failed = True
                        await self._reply_not_saved(send, request, error)
            if not failed:
                await send(message)

        await self.inner(scope, receive, send_saved)

    async def _answer_health(self, request: Request, send: Send) -> None:
        proof = health.answer(self.root, health.ENGINE, request.query)
        if proof is None:
            await asgi.reply(send, 403, {"message": "Only labelctl may call this."})
        else:
            await asgi.reply(send, 200, {"proof": proof})

    async def _authorize(self, request: Request, body: bytes, send: Send) -> None:
        """Check the signature of a request to the recogniser and the permissions of its signer.

        Takes {"method", "path", "headers", "body_sha256", "needs": [[action, resource], …]} and
        responds with {"principal", "denied": the first action that is not allowed, or null}, or
        {"refused": {"code", "message"}} for an invalid signature.
        """
        if admission.access_key(request.headers) != self.root.access_key_id:
            await asgi.reply(send, 403, {"message": "Only the recogniser may call this."})
            return
        try:
            asked = json.loads(body)
            headers = {str(name): str(value) for name, value in asked["headers"].items()}
            signed = Request(str(asked["method"]), str(asked["path"]), "", headers)
            body_sha256 = str(asked["body_sha256"])
            needs = [(str(action), str(resource)) for action, resource in asked["needs"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            await asgi.reply(
                send, 400, {"message": "Expected a request and the permissions it needs."}
            )
            return
        try:
            claim = signature.read(signed)
            secret = iam.secret_of(claim, self.root)
            signature.check(signed, claim, secret, body_sha256, datetime.now(UTC))
        except signature.RefusedError as error:
            code, message = refusals.code_and_message(error.problem, signed)
            await asgi.reply(send, 200, {"refused": {"code": code, "message": message}})
            return
        principal, denied = "", None
        for action, resource in needs:
            allowed, principal = iam.may(claim.access_key, action, resource)
            if not allowed:
                denied = action
                break
        await asgi.reply(send, 200, {"principal": principal, "denied": denied})


def main() -> None:
    """Serve until SIGTERM, with the environment set by labelctl.local.engine."""
    home = Path(os.environ["LABELCTL_ENGINE_HOME"])
    lock = (home / "engine.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"Another engine is using {home}.")

    import ministack.app
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    from labelctl.local.emulator import connections

    connections.install()
    snapshots = SnapshotStore(home / "state")
    root = credentials.load(home)
    if root is None:
        sys.exit(f"There are no credentials in {home}.")
    gateway = Gateway(ministack.app.app, snapshots, root)
    patches.apply(root)
    notifications = hooks.Notifications(gateway.journal)
    hooks.install(snapshots.folder / CURRENT, snapshots.blobs, notifications, gateway.mark)
    config = Config()
    config.bind = [f"127.0.0.1:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = 75  # longer than botocore keeps an idle connection
    config.graceful_timeout = 1  # seconds for requests in progress at shutdown
    config.backlog = connections.BACKLOG
    config.loglevel = "WARNING"
    asyncio.run(serve(connections.with_body_timeout(gateway), config))


if __name__ == "__main__":
    main()
