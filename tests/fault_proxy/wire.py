"""The HTTP messages that pass through a fault proxy, and how each service tells an error.

Requests are kept as the bytes that came, so that what is passed on is the same header for header.
AWS's JSON services tell errors as `__type`; S3 as XML.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from asyncio import StreamReader
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from tests.fault_proxy.faults import ChosenFault

_SERVICES = {"RekognitionService": "rekognition", "AmazonSQS": "sqs"}
_THROTTLED = {
    "rekognition": ("ThrottlingException", "ProvisionedThroughputExceededException"),
    "dynamodb": ("ProvisionedThroughputExceededException", "ThrottlingException"),
    "sqs": ("RequestThrottled", "RequestThrottled"),
    "s3": ("SlowDown", "SlowDown"),
}
_NAMESPACES = {"dynamodb": "com.amazonaws.dynamodb.v20120810#", "sqs": "com.amazonaws.sqs#"}
_REASONS = {200: "OK", 400: "Bad Request", 500: "Internal Server Error", 503: "Slow Down"}
_WRONG_SHAPE = json.dumps(
    {name: [7] for name in ("Labels", "Item", "Items", "Attributes", "UnprocessedItems", "Count")}
)


@dataclass(frozen=True)
class Message:
    """A request or a response: its first line and headers as received, and its body."""

    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, "" if it is missing."""
        found = re.search(rb"(?im)^" + name.encode() + rb":[ \t]*(.*?)[ \t]*\r?$", self.head)
        return found[1].decode("latin-1") if found else ""

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()

    @property
    def keeps_alive(self) -> bool:
        return self.header("connection").lower() != "close"

    @cached_property
    def operation(self) -> str:
        """`DetectLabels`, `PutItem`…; for S3, the HTTP method."""
        return self.header("x-amz-target").rpartition(".")[2] or self.method

    @property
    def service(self) -> str:
        """rekognition, dynamodb, sqs or s3."""
        api = self.header("x-amz-target").rpartition(".")[0]
        return _SERVICES.get(api, "dynamodb" if api.startswith("DynamoDB") else "s3")

    @cached_property
    def subject(self) -> str:
        """The subject: `key` or `key@version` of a photo, a path, or the body's hash."""
        if self.service == "s3":
            return self.head.split(b" ", 2)[1].decode("latin-1")
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if isinstance(value, dict) and self.operation == "DetectLabels":
            photo = value.get("Image", {}).get("S3Object", {})
            return (
                f"{photo.get('Name')}@{photo['Version']}"
                if "Version" in photo
                else str(photo.get("Name"))
            )
        return _image(value) or hashlib.sha256(self.body).hexdigest()

    def with_body(self, body: bytes) -> Message:
        """The message with another body, without the checksum of the old one."""
        head = re.sub(rb"(?im)^x-amz-crc32:.*?\r\n", b"", self.head)
        length = b"\r\nContent-Length: %d\r\n" % len(body)
        return Message(re.sub(rb"(?i)\r\ncontent-length:.*?\r\n", length, head), body)


def _image(value: Any) -> str | None:
    """The first photo's key in a DynamoDB request, found by the attribute's name."""
    if isinstance(value, dict):
        for name in ("image", ":image"):
            if isinstance(value.get(name), dict) and "S" in value[name]:
                return str(value[name]["S"])
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := _image(item))), None)
    return None


async def read_request(reader: StreamReader) -> Message:
    """The next request. Raises IncompleteReadError at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = Message(head, b"").header("content-length")
    return Message(head, await reader.readexactly(int(length or 0)))


async def read_answer(reader: StreamReader, method: str) -> Message:
    """A service's response to a request with this method."""
    head = await reader.readuntil(b"\r\n\r\n")
    message = Message(head, b"")
    status = int(head.split(b" ", 2)[1])
    if method == "HEAD" or status in (204, 304):
        return message
    if message.header("transfer-encoding").lower() == "chunked":
        body, size = b"", -1
        while size != 0:  # services send no trailers
            line = await reader.readuntil(b"\r\n")
            size = int(line, 16)
            body += line + await reader.readexactly(size + 2)
        return Message(head, body)
    return Message(head, await reader.readexactly(int(message.header("content-length") or 0)))


def answer(status: int, body: bytes, kind: str = "application/x-amz-json-1.1") -> Message:
    """A response created by the fault proxy."""
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nx-amzn-RequestId: {uuid.uuid4()}\r\n\r\n"
    )
    return Message(head.encode(), body)


def throttled(request: Message, die: Random) -> Message:
    """The service's error for a call over its quota: one of two codes, chosen at random."""
    text = "Rate exceeded" if request.service == "rekognition" else "The rate was exceeded."
    return _error(request, die.choice(_THROTTLED[request.service]), text, 400)


def internal_error(request: Message) -> Message:
    code = "InternalError" if request.service in ("s3", "sqs") else "InternalServerError"
    return _error(request, code, "Internal server error", 500)


def _error(request: Message, code: str, text: str, status: int) -> Message:
    if request.service == "s3":
        status = 503 if code == "SlowDown" else status
        xml = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
        return answer(status, b"" if request.method == "HEAD" else xml.encode(), "application/xml")
    kind = _NAMESPACES.get(request.service, "") + code
    return answer(status, json.dumps({"__type": kind, "Message": text, "message": text}).encode())


def malformed(fate: ChosenFault) -> Message:
    """A malformed response with status 200: a web page, a truncated one, or one of another shape."""
    bodies = ("<html>It works!</html>", '{"Labels": [{"Name": "Per', _WRONG_SHAPE)
    return answer(200, fate.die.choice(bodies).encode())
