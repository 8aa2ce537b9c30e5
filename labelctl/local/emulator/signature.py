"""Checks Signature Version 4 on the server's side: who signed a request, and is the signature valid?

The signature is recomputed with botocore's signers, restricted to the headers that the client signed,
and compared in constant time. Supported are the `Authorization` header and presigned URLs, and S3's
ways to sign a body: its hash, chunk by chunk, or not at all. The rules come from the IAM User Guide,
"AWS Signature Version 4 for API requests", and the S3 API Reference, "Authenticating Requests".

This module must not use sockets or the emulator: requests and secrets are passed in.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

from labelctl.local.emulator.admission import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"

CLOCK_SKEW = timedelta(minutes=15)
"""Maximum difference between a signature's time and now. [S3 API Reference, Authenticating Requests]"""

MAX_LIFETIME = 7 * 24 * 3600
"""Maximum lifetime of a presigned URL, in seconds. [S3 API Reference, query parameters]"""

_SIGNED_CHUNKS = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
)
_UNSIGNED_BODIES = (UNSIGNED, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AUTHORIZATION = re.compile(
    ALGORITHM + r" +Credential=([^=,\s]+), *SignedHeaders=([^=,\s]+), *Signature=([^=,\s]+)"
)
_SCOPE = re.compile(r"([^/]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request")
_IN_QUERY = {"x-amz-algorithm", "x-amz-credential", "x-amz-signature"}
_EMPTY = hashlib.sha256(b"").hexdigest()
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class Problem(enum.Enum):
    """Why a request is refused."""

    MISSING = "the request is not signed"
    MALFORMED = "the signature cannot be parsed"
    UNKNOWN_KEY = "the access key does not exist"
    BAD_TOKEN = "the session token does not belong to the access key"
    EXPIRED_TOKEN = "the session has expired"
    MISMATCH = "the signature does not match"
    SKEWED = "the signature's time is too far from the current time"
    EXPIRED_URL = "the presigned URL has expired"
    BODY_CHANGED = "the body is not the one that was signed"


class RefusedError(Exception):
    """A request without a valid signature."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True)
class Claim:
    """The contents of a signature that has not been checked yet."""

    access_key: str
    date: str
    region: str
    service: str
    time: str
    signed_headers: tuple[str, ...]
    signature: str
    token: str
    presigned: bool
    payload: str | None
    """The value of `x-amz-content-sha256`; None if the service computes the body's hash itself."""

    @property
    def needs_body(self) -> bool:
        """Whether the body must be read before the signature can be checked."""
        return self.payload is None


def read(request: Request) -> Claim:
    """Parse the request's signature. Raises RefusedError if it is missing or malformed.

    Only the documented forms are accepted, and each parameter only once: with two access keys, the
    emulator could act on the one whose signature was not checked.
    """
    pairs = parse_qsl(request.query, keep_blank_values=True)
    query = dict(pairs)
    names = [name.lower() for name, _ in pairs if name.lower().startswith("x-amz-")]
    authorization = request.headers.get("authorization", "")
    presigned = "X-Amz-Signature" in query or "X-Amz-Algorithm" in query
    if len(set(names)) < len(names) or (authorization and not _IN_QUERY.isdisjoint(names)):
        raise RefusedError(Problem.MALFORMED)
    if presigned:
        claim = _read_query(query)
    elif authorization:
        claim = _read_header(authorization, request.headers)
    elif "AWSAccessKeyId" in query:  # Signature Version 2, which new S3 buckets refuse too
        raise RefusedError(Problem.MALFORMED)
    else:
        raise RefusedError(Problem.MISSING)
    signed = set(claim.signed_headers)
    # Otherwise headers could be added to a signed request. [IAM User Guide: host and all x-amz-*]
    required = {name for name in request.headers if name.startswith("x-amz-")} | {"host"}
    if not required <= signed or not signed <= request.headers.keys():
        raise RefusedError(Problem.MISMATCH)
    return claim


def check(request: Request, claim: Claim, secret: str, body_sha256: str, now: datetime) -> None:
    """Check the signature and its time. Raises RefusedError.

    `body_sha256`, in hexadecimal, is used only for a claim that `needs_body`. For other claims, call
    `check_body` afterwards.
    """
    _check_time(request, claim, now)
    signer, signing = _signer(claim, secret)
    query = [
        (name, value)
        for name, value in parse_qsl(request.query, keep_blank_values=True)
        if name != "X-Amz-Signature"
    ]
    headers = {"X-Amz-Content-SHA256": claim.payload or body_sha256}
    # botocore takes only the path from the URL; the host is one of the signed headers.
    signing.url, signing.method = f"http://host{request.path}", request.method
    signing.params = query  # type: ignore[assignment]  # a list is allowed, and preserves repeated names
    signing.headers = HTTPHeaders.from_dict(headers)
    signing.context["signed"] = HTTPHeaders.from_pairs(
        (name, request.headers[name]) for name in claim.signed_headers
    )
    text = signer.string_to_sign(signing, signer.canonical_request(signing))
    _compare(signer.signature(text, signing), claim.signature)


def check_body(claim: Claim, secret: str, body: bytes) -> None:
    """Check that the body is the one that was signed, after `check`. Raises RefusedError."""
    payload = claim.payload
    if payload is None or payload in _UNSIGNED_BODIES:
        return
    if payload in _SIGNED_CHUNKS:
        _check_chunks(claim, secret, body)
    elif not hmac.compare_digest(payload, hashlib.sha256(body).hexdigest()):
        raise RefusedError(Problem.BODY_CHANGED)


class _SignedHeadersOnly:
    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        signed: HTTPHeaders = request.context["signed"]
        return signed


class _Signer(_SignedHeadersOnly, SigV4Auth):
    pass


class _S3Signer(_SignedHeadersOnly, S3SigV4Auth):  # S3 signs the path exactly as sent
    pass


def _signer(claim: Claim, secret: str) -> tuple[SigV4Auth, AWSRequest]:
    kind = _S3Signer if claim.service == "s3" else _Signer
    signer = kind(Credentials(claim.access_key, secret), claim.service, claim.region)
    signing = AWSRequest()
    signing.context["timestamp"] = claim.time
    return signer, signing


def _read_header(authorization: str, headers: Mapping[str, str]) -> Claim:
    found = _AUTHORIZATION.fullmatch(authorization)
    if not found:
        raise RefusedError(Problem.MALFORMED)
    credential, signed_headers, signature = found.groups()
    access_key, date, region, service = _scope(credential)
    payload = headers.get("x-amz-content-sha256") if service == "s3" else None
    if service == "s3" and not _is_payload(payload):
        raise RefusedError(Problem.MALFORMED)
    return Claim(
        access_key=access_key,
        date=date,
        region=region,
        service=service,
        time=headers.get("x-amz-date", ""),
        signed_headers=tuple(signed_headers.split(";")),
        signature=signature,
        token=headers.get("x-amz-security-token", ""),
        presigned=False,
        payload=payload,
    )


def _read_query(query: Mapping[str, str]) -> Claim:
    needed = ("Credential", "SignedHeaders", "Signature", "Date", "Expires")
    if query.get("X-Amz-Algorithm") != ALGORITHM or not all(
        f"X-Amz-{name}" in query for name in needed
    ):
        raise RefusedError(Problem.MALFORMED)
    access_key, date, region, service = _scope(query["X-Amz-Credential"])
    return Claim(
        access_key=access_key,
        date=date,
        region=region,
        service=service,
        time=query["X-Amz-Date"],
        signed_headers=tuple(query["X-Amz-SignedHeaders"].split(";")),
        signature=query["X-Amz-Signature"],
        token=query.get("X-Amz-Security-Token", ""),
        presigned=True,
        payload=UNSIGNED if service == "s3" else None,
    )


def _scope(credential: str) -> tuple[str, str, str, str]:
    found = _SCOPE.fullmatch(credential)
    if not found:
        raise RefusedError(Problem.MALFORMED)
    access_key, date, region, service = found.groups()
    return access_key, date, region, service


def _is_payload(value: str | None) -> bool:
    known = value in _UNSIGNED_BODIES or value in _SIGNED_CHUNKS
    return known or (value is not None and _SHA256.fullmatch(value) is not None)


def _check_time(request: Request, claim: Claim, now: datetime) -> None:
    if not _TIME.fullmatch(claim.time) or claim.date != claim.time[:8]:
        raise RefusedError(Problem.MALFORMED)
    try:
        signed_at = datetime.fromisoformat(claim.time)
    except ValueError:
        raise RefusedError(Problem.MALFORMED) from None
    if signed_at > now + CLOCK_SKEW:
        raise RefusedError(Problem.SKEWED)
    if not claim.presigned:
        if signed_at < now - CLOCK_SKEW:
            raise RefusedError(Problem.SKEWED)
        return
    expires = dict(parse_qsl(request.query, keep_blank_values=True))["X-Amz-Expires"]
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= MAX_LIFETIME:
        raise RefusedError(Problem.MALFORMED)
    if now > signed_at + timedelta(seconds=int(expires)):
        raise RefusedError(Problem.EXPIRED_URL)


def _compare(expected: str, found: str) -> None:
    if not hmac.compare_digest(expected.encode(), found.encode()):
        raise RefusedError(Problem.MISMATCH)


def _check_chunks(claim: Claim, secret: str, body: bytes) -> None:
    """Each chunk's signature covers its data and the previous signature; a trailer is signed too.

    [S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in
    Multiple Chunks", and "... Including Trailing Headers"]
    """
    signer, signing = _signer(claim, secret)
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    previous, start = claim.signature, 0
    while True:
        head, separator, _ = body[start : start + 256].partition(b"\r\n")
        size, _, signature = head.partition(b";chunk-signature=")
        if not separator or not re.fullmatch(rb"[0-9a-fA-F]{1,12}", size):
            raise RefusedError(Problem.BODY_CHANGED)
        start += len(head) + 2
        chunk = body[start : start + int(size, 16)]
        start += len(chunk)
        lines = [f"{ALGORITHM}-PAYLOAD", claim.time, scope, previous, _EMPTY]
        text = "\n".join([*lines, hashlib.sha256(chunk).hexdigest()])
        previous = signer.signature(text, signing)
        if not hmac.compare_digest(previous.encode(), signature):
            raise RefusedError(Problem.BODY_CHANGED)
        if not chunk:
            break
        if body[start : start + 2] != b"\r\n":
            raise RefusedError(Problem.BODY_CHANGED)
        start += 2
    if claim.payload == _SIGNED_CHUNKS[0]:
        return
    trailer, _, signature = body[start:].partition(b"x-amz-trailer-signature:")
    signed = trailer.replace(b"\r\n", b"\n")
    lines = [f"{ALGORITHM}-TRAILER", claim.time, scope, previous]
    text = "\n".join([*lines, hashlib.sha256(signed).hexdigest()])
    if not hmac.compare_digest(signer.signature(text, signing).encode(), signature.strip()):
        raise RefusedError(Problem.BODY_CHANGED)
