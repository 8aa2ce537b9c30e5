"""The gateway's own errors, each in the form that the caller's protocol has for one.

A client cannot read an error in another protocol's form: it fails with a parser's words instead of
ours. [Smithy: awsJson1_0, awsJson1_1, restJson1, awsQuery, restXml; S3 API, Error responses]
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from xml.sax.saxutils import escape

from labelctl.local import guard

FULL = (errno.ENOSPC, errno.EDQUOT)


def body(headers: Mapping[str, str], query: str, code: str, message: str) -> tuple[str, bytes]:
    """The content type and the body of an error. `headers` has lower-case names."""
    if guard.is_form(headers) or "Action=" in query:
        return "text/xml", _query_error(code, message).encode()
    if guard.service_of(headers, query) == "s3":
        return "application/xml", _s3_error(code, message).encode()
    return "application/x-amz-json-1.0", json.dumps({"__type": code, "message": message}).encode()


def not_saved(problem: Exception) -> str:
    """What to say of a change that could not be written to the disk."""
    if isinstance(problem, OSError) and problem.errno in FULL:
        return (
            "The disk that holds the local cloud is full. Nothing that was confirmed is lost. "
            "Make room on it, then run the same command again."
        )
    return f"The local cloud could not save its state: {problem}"


def _query_error(code: str, message: str) -> str:
    inner = f"<Type>Receiver</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
    return f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"


def _s3_error(code: str, message: str) -> str:
    return f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
