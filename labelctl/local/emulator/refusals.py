"""The error codes and messages for requests without a valid signature, by service.

The codes come from each service's "Common Errors" page. The HTTP status is always 403.
"""

from __future__ import annotations

from dataclasses import dataclass

from labelctl.local.emulator import error_responses
from labelctl.local.emulator.admission import Request
from labelctl.local.emulator.error_responses import Protocol
from labelctl.local.emulator.signature import Problem

STATUS = 403

_INVALID_TOKEN = "The security token included in the request is invalid."
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)
_SKEWED = "Signature expired: the request was signed too long ago, or a clock is wrong."
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
        "The request's signature is malformed. Please use AWS4-HMAC-SHA256 (Signature Version 4).",
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


def code_and_message(problem: Problem, request: Request) -> tuple[str, str]:
    """The error code and message that the called service uses for this problem."""
    wording = _WORDINGS[problem]
    protocol = error_responses.protocol(request)
    if protocol is Protocol.JSON:
        return wording.json, wording.message
    if protocol is Protocol.FORM:
        return wording.form, wording.message
    return wording.s3, _NO_KEY if problem is Problem.UNKNOWN_KEY else wording.message
