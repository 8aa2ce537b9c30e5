"""The gateway's own errors, each in the form that the caller's protocol has for one.

A client cannot read an error in another protocol's form: it fails with a parser's words instead of
ours. [Smithy: awsJson1_0, awsJson1_1, restJson1, awsQuery, restXml; S3 API, Error responses]
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

    S3 = "XML of its own"
    FORM = "XML, for services whose action is in a form: IAM, STS, SNS, CloudFormation"
    JSON = "JSON, for all others"


def protocol(request: Request) -> Protocol:
    """The protocol of the service that the request is meant for."""
    service = admission.service(request)
    if "x-amz-target" in request.headers:
        return Protocol.JSON
    if service != "s3" and (admission.is_form(request.headers) or "Action=" in request.query):
        return Protocol.FORM
    return Protocol.S3 if service in ("", "s3") else Protocol.JSON


def write(request: Request, code: str, message: str) -> tuple[str, bytes]:
    """The content type and the body of an error."""
    known = protocol(request)
    if known is Protocol.JSON:
        value = {"__type": code, "message": message}
        return "application/x-amz-json-1.0", json.dumps(value).encode()
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    number = f"<RequestId>{uuid4()}</RequestId>"
    if known is Protocol.FORM:
        return "text/xml", f"<ErrorResponse><Error>{inner}</Error>{number}</ErrorResponse>".encode()
    return "application/xml", f"<Error>{inner}{number}</Error>".encode()


def not_saved(problem: Exception) -> str:
    """What to say of a change that could not be written to the disk."""
    if isinstance(problem, OSError) and problem.errno in FULL:
        return (
            "The disk that holds the local cloud is full. Nothing that was confirmed is lost. "
            "Make room on it, then run the same command again."
        )
    return f"The local cloud could not save its state: {problem}"
