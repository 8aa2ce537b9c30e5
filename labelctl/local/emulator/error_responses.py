"""The gateway's own errors, in the protocol of the service that was called.

A client cannot parse an error in another protocol and would show a parser's error instead of ours.
[Smithy: awsJson1_0, awsJson1_1, restJson1, awsQuery, restXml; S3 API, Error responses]
"""

from __future__ import annotations

import enum
import errno
import json
from uuid import uuid4
from xml.sax.saxutils import escape

from labelctl.local.emulator import admission
from labelctl.local.emulator.admission import Request

FULL = (errno.ENOSPC, errno.EDQUOT)


class Protocol(enum.Enum):
    """How a service writes its errors."""

    S3 = "S3's own XML"
    FORM = "XML, for services with form requests: IAM, STS, SNS, CloudFormation"
    JSON = "JSON, for all others"


def protocol(request: Request) -> Protocol:
    """The protocol of the service that the request is for."""
    service = admission.service(request)
    if "x-amz-target" in request.headers:
        return Protocol.JSON
    if service != "s3" and (admission.is_form(request.headers) or "Action=" in request.query):
        return Protocol.FORM
    return Protocol.S3 if service in ("", "s3") else Protocol.JSON


def write(request: Request, code: str, message: str) -> tuple[str, bytes]:
    """The content type and the body of an error response."""
    kind = protocol(request)
    if kind is Protocol.JSON:
        value = {"__type": code, "message": message}
        return "application/x-amz-json-1.0", json.dumps(value).encode()
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    request_id = f"<RequestId>{uuid4()}</RequestId>"
    if kind is Protocol.FORM:
        return (
            "text/xml",
            f"<ErrorResponse><Error>{inner}</Error>{request_id}</ErrorResponse>".encode(),
        )
    return "application/xml", f"<Error>{inner}{request_id}</Error>".encode()


def not_saved(error: Exception) -> str:
    """The message for a change that could not be saved."""
    if isinstance(error, OSError) and error.errno in FULL:
        return (
            "The disk that holds the local cloud is full. Nothing that was confirmed is lost. "
            "Free some space, then run the same command again."
        )
    return f"The local cloud could not save its state: {error}"
