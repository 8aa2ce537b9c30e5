"""The disk is full while the engine runs: every client understands why it is refused."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.parsers import create_parser

from labelctl.local import error_answers
from labelctl.local.gateway import Gateway, Message, Receive, Send
from labelctl.local.generations import Generations

MiB = 1024 * 1024


def signed_for(service: str) -> dict[str, str]:
    scope = f"AKIA/20260101/us-east-1/{service}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}


FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("protocol", "headers"),
    [
        ("rest-xml", signed_for("s3")),
        ("query", signed_for("cloudformation") | FORM),
        ("json", signed_for("dynamodb") | {"x-amz-target": "DynamoDB_20120810.PutItem"}),
        ("rest-json", signed_for("lambda")),
    ],
)
def test_each_protocol_has_errors_of_its_own(protocol: str, headers: Mapping[str, str]) -> None:
    kind, body = error_answers.body(headers, "", "InternalFailure", "a < b & c")
    parser = create_parser(protocol)
    answer = {"status_code": 500, "headers": {"content-type": kind}, "body": body}
    parsed = parser.parse(answer, None)
    assert parsed["Error"]["Message"] == "a < b & c"
    assert parsed["Error"]["Code"] == "InternalFailure"


class FullDisk(Generations):
    def write(self, captured: Mapping[str, bytes]) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Usage(NamedTuple):
    free: int


async def answer_of(
    gateway: Gateway, method: str, path: str, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """What a gateway whose emulator is up answers."""
    starting: asyncio.Queue[Message] = asyncio.Queue()
    up = asyncio.Event()
    starting.put_nowait({"type": "lifespan.startup"})

    async def hear(message: Message) -> None:
        up.set()

    life = asyncio.create_task(gateway({"type": "lifespan"}, starting.get, hear))
    await up.wait()
    said: list[Any] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    pairs = [(b"host", b"127.0.0.1")]
    pairs += [(name.encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": pairs}
    await gateway(scope, receive, send)
    life.cancel()
    return said[0]["status"], b"".join(each.get("body", b"") for each in said)


async def emulator(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def gateway(generations: Generations, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway(emulator, generations, "token")
    monkeypatch.setattr(made, "_captured", lambda everything: {})
    return made


def test_a_change_that_cannot_be_saved_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = gateway(FullDisk(tmp_path / "state"), monkeypatch)
    headers = signed_for("cloudformation") | FORM
    status, body = asyncio.run(answer_of(full, "POST", "/", headers))
    assert status == 500
    assert b"<Message>The disk that holds the local cloud is full." in body


@pytest.mark.parametrize(
    ("free", "method", "status"),
    [
        (17 * MiB, "PUT", 200),
        (15 * MiB, "PUT", 500),
        (15 * MiB, "DELETE", 200),  # which is how to make room
        (15 * MiB, "GET", 200),
    ],
)
def test_photos_leave_room_for_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, method: str, status: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    nearly = gateway(Generations(tmp_path / "state"), monkeypatch)
    headers = signed_for("s3") | {"content-length": "1000"}
    found, body = asyncio.run(answer_of(nearly, method, "/photos/a.jpg", headers))
    assert found == status
    assert (b"is full" in body) == (status == 500)
