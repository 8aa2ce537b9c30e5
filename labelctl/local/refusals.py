"""How a service words the refusal of a request that is not signed as it should be.

AWS's three ways to write an error: S3's XML, the XML of the services whose action is in a form (IAM,
STS, CloudFormation), and JSON for all others; with the codes of each service's "Common Errors" page.
The status is always 403.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4

from labelctl.local import guard
from labelctl.local.guard import Request
from labelctl.local.signature import Problem

STATUS = 403

_INVALID_TOKEN = "The security token included in the request is invalid."
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)
_SKEWED = "Signature expired: it was made too long ago, or by a clock that is wrong."
_NO_KEY = "The AWS Access Key Id you provided does not exist in our records."
_NOT_SIGNED = "The request is not signed. For the local cloud's keys, run: labelctl local env"


@dataclass(frozen=True)
class _Wording:
    s3: str
    form: str
    json: str
    message: str


_WORDINGS = {
    Problem.MISSING: _Wording(
        "AccessDenied",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        _NOT_SIGNED,
    ),
    Problem.MALFORMED: _Wording(
        "AccessDenied",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "The request's signature cannot be read. Please use AWS4-HMAC-SHA256 (Signature Version 4).",
    ),
    Problem.UNKNOWN_KEY: _Wording(
        "InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", _INVALID_TOKEN
    ),
    Problem.BAD_TOKEN: _Wording(
        "InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException", _INVALID_TOKEN
    ),
    Problem.EXPIRED_TOKEN: _Wording(
        "ExpiredToken",
        "ExpiredToken",
        "ExpiredTokenException",
        "The security token included in the request is expired.",
    ),
    Problem.MISMATCH: _Wording(
        "SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException", _MISMATCH
    ),
    Problem.SKEWED: _Wording(
        "RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException", _SKEWED
    ),
    Problem.EXPIRED_URL: _Wording(
        "AccessDenied", "RequestExpired", "InvalidSignatureException", "Request has expired."
    ),
    Problem.BODY_CHANGED: _Wording(
        "XAmzContentSHA256Mismatch", "SignatureDoesNotMatch", "InvalidSignatureException", _MISMATCH
    ),
}


@dataclass(frozen=True)
class Answer:
    """An error as its service writes it; `code` and `message` for whoever writes it otherwise."""

    code: str
    message: str
    content_type: str
    body: bytes


def word(problem: Problem, request: Request) -> Answer:
    """The refusal in the protocol of the service that the request is meant for."""
    wording = _WORDINGS[problem]
    service = guard.service(request)
    if "x-amz-target" in request.headers or service not in ("", "s3", *guard.FORM_SERVICES):
        value = {"__type": wording.json, "message": wording.message}
        return Answer(
            wording.json, wording.message, "application/x-amz-json-1.1", json.dumps(value).encode()
        )
    if service in guard.FORM_SERVICES or guard.is_form(request.headers):
        error = (
            f"<Type>Sender</Type><Code>{wording.form}</Code><Message>{wording.message}</Message>"
        )
        xml = (
            f"<ErrorResponse><Error>{error}</Error><RequestId>{uuid4()}</RequestId></ErrorResponse>"
        )
        return Answer(wording.form, wording.message, "text/xml", xml.encode())
    message = _NO_KEY if problem is Problem.UNKNOWN_KEY else wording.message
    error = f"<Code>{wording.s3}</Code><Message>{message}</Message><RequestId>{uuid4()}</RequestId>"
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{error}</Error>'
    return Answer(wording.s3, message, "application/xml", xml.encode())
