"""A full disk while the engine runs: every client gets a clear error."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.parsers import create_parser

from labelctl.local.credentials import Credentials
from labelctl.local.emulator import error_responses
from labelctl.local.emulator.admission import Request
from labelctl.local.emulator.asgi import Message, Receive, Send
from labelctl.local.emulator.gateway import Gateway
from labelctl.local.persistence.snapshots import SnapshotStore
from tests.signing import KEY, SECRET, sign

MiB = 1024 * 1024


FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("protocol", "service", "headers"),
    [
        ("rest-xml", "s3", {}),
        ("query", "cloudformation", FORM),
        ("json", "dynamodb", {"x-amz-target": "DynamoDB_20120810.PutItem"}),
        ("rest-json", "lambda", {}),
    ],
)
def test_errors_have_the_format_of_each_protocol(
    protocol: str, service: str, headers: dict[str, str]
) -> None:
    request = sign(SigV4Auth, service, "POST", "/", headers=headers)
    kind, body = error_responses.write(request, "InternalFailure", "a < b & c")
    parser = create_parser(protocol)
    answer = {"status_code": 500, "headers": {"content-type": kind}, "body": body}
    parsed = parser.parse(answer, None)
    assert parsed["Error"]["Message"] == "a < b & c"
    assert parsed["Error"]["Code"] == "InternalFailure"


class FullDisk(SnapshotStore):
    def write(self, captured: Mapping[str, bytes]) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Usage(NamedTuple):
    free: int


async def answer_of(gateway: Gateway, request: Request, body: bytes = b"") -> tuple[int, bytes]:
    """The status and body of a response of a running gateway."""
    starting: asyncio.Queue[Message] = asyncio.Queue()
    up = asyncio.Event()
    starting.put_nowait({"type": "lifespan.startup"})

    async def on_started(message: Message) -> None:
        up.set()

    life = asyncio.create_task(gateway({"type": "lifespan"}, starting.get, on_started))
    await up.wait()
    messages: list[Any] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), text.encode()) for name, text in request.headers.items()],
    }
    await gateway(scope, receive, send)
    life.cancel()
    return messages[0]["status"], b"".join(each.get("body", b"") for each in messages)


async def emulator(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def gateway(snapshots: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway(emulator, snapshots, Credentials(KEY, SECRET))
    monkeypatch.setattr(made, "_captured", lambda everything: {})
    return made


def test_a_change_that_cannot_be_saved_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = gateway(FullDisk(tmp_path / "state"), monkeypatch)
    request = sign(SigV4Auth, "cloudformation", "POST", "/", headers=FORM)
    status, body = asyncio.run(answer_of(full, request))
    assert status == 500
    assert b"<Message>The disk that holds the local cloud is full." in body


@pytest.mark.parametrize(
    ("free", "method", "status"),
    [
        (17 * MiB, "PUT", 200),
        (15 * MiB, "PUT", 500),
        (15 * MiB, "DELETE", 200),  # deleting must stay possible
        (15 * MiB, "GET", 200),
    ],
)
def test_photos_leave_disk_space_for_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, method: str, status: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    nearly = gateway(SnapshotStore(tmp_path / "state"), monkeypatch)
    photo = bytes(1000) if method == "PUT" else b""
    request = sign(S3SigV4Auth, "s3", method, "/photos/a.jpg", photo)
    found, body = asyncio.run(answer_of(nearly, request, photo))
    assert found == status
    assert (b"is full" in body) == (status == 500)
