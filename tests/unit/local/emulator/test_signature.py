"""Requests signed by botocore are valid; any change makes the signature invalid."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth

from labelctl.local.emulator import signature
from labelctl.local.emulator.admission import Request
from labelctl.local.emulator.signature import Problem, RefusedError
from tests.signing import HOST, KEY, SECRET, sign

BODY = b'{"TableName": "photos"}'


def verify(
    request: Request, body: bytes = b"", secret: str = SECRET, later: timedelta = timedelta()
) -> None:
    claim = signature.read(request)
    now = datetime.now(UTC) + later
    signature.check(request, claim, secret, hashlib.sha256(body).hexdigest(), now)
    signature.check_body(claim, secret, body)


def refused(request: Request, body: bytes = b"", **options: Any) -> Problem:
    with pytest.raises(RefusedError) as caught:
        verify(request, body, **options)
    return caught.value.problem


DYNAMODB = {"X-Amz-Target": "DynamoDB_20120810.Scan", "Content-Type": "application/x-amz-json-1.0"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
SIGNED: dict[str, Callable[[], tuple[Request, bytes]]] = {
    "dynamodb": lambda: (sign(SigV4Auth, "dynamodb", "POST", "/", BODY, DYNAMODB), BODY),
    "form": lambda: (
        sign(SigV4Auth, "iam", "POST", "/", b"Action=ListRoles", FORM),
        b"Action=ListRoles",
    ),
    "session": lambda: (sign(SigV4Auth, "sqs", "POST", "/", BODY, DYNAMODB, token="t0ken"), BODY),
    "rest": lambda: (
        sign(SigV4Auth, "lambda", "GET", "/2015-03-31/functions/a%3Ab?Qualifier=%24LATEST"),
        b"",
    ),
    "s3 put": lambda: (sign(S3SigV4Auth, "s3", "PUT", "/photos/a/../b%20%2B.jpg", BODY), BODY),
    "s3 list": lambda: (
        sign(S3SigV4Auth, "s3", "GET", "/photos?list-type=2&prefix=a%2Fb%20c&uploads="),
        b"",
    ),
    "presigned s3": lambda: (
        sign(S3SigV4QueryAuth, "s3", "GET", "/photos/a%20b.jpg?versionId=1", expires=60),
        b"",
    ),
    "presigned session": lambda: (
        sign(S3SigV4QueryAuth, "s3", "GET", "/photos/a.jpg", token="t0ken", expires=60),
        b"",
    ),
    "presigned sts": lambda: (
        sign(SigV4QueryAuth, "sts", "GET", "/?Action=GetCallerIdentity&Version=1", expires=60),
        b"",
    ),
}
signed = pytest.mark.parametrize("signed", SIGNED.values(), ids=SIGNED)


@signed
def test_requests_signed_by_botocore_are_valid(signed: Callable[[], tuple[Request, bytes]]) -> None:
    verify(*signed())


@signed
def test_a_wrong_secret_is_refused(signed: Callable[[], tuple[Request, bytes]]) -> None:
    assert refused(*signed(), secret="another") is Problem.MISMATCH


@signed
@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, method="DELETE"),
        lambda request: replace(request, path=request.path + "x"),
        lambda request: replace(request, query=request.query + "&more=1"),
        lambda request: replace(request, headers=request.headers | {"host": "127.0.0.1:1"}),
        lambda request: replace(request, headers=request.headers | {"x-amz-acl": "public-read"}),
    ],
    ids=["method", "path", "query", "signed header", "added header"],
)
def test_a_changed_head_is_refused(
    signed: Callable[[], tuple[Request, bytes]], change: Callable[[Request], Request]
) -> None:
    request, body = signed()
    assert refused(change(request), body) is Problem.MISMATCH


@pytest.mark.parametrize("name", ["dynamodb", "form", "session", "s3 put"])
def test_a_changed_body_is_refused(name: str) -> None:
    request, body = SIGNED[name]()
    assert refused(request, body + b" ") in (Problem.MISMATCH, Problem.BODY_CHANGED)


@pytest.mark.parametrize("name", ["dynamodb", "s3 put"])
def test_a_signature_is_valid_for_a_quarter_of_an_hour(name: str) -> None:
    verify(*SIGNED[name](), later=timedelta(minutes=14))
    for minutes in (16, -16):
        later = timedelta(minutes=minutes)
        assert refused(*SIGNED[name](), later=later) is Problem.SKEWED


def test_a_presigned_url_is_valid_until_it_expires() -> None:
    verify(*SIGNED["presigned s3"](), later=timedelta(seconds=58))
    later = timedelta(seconds=62)
    assert refused(*SIGNED["presigned s3"](), later=later) is Problem.EXPIRED_URL


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "1e3", "", "٣", "9" * 400])
def test_a_presigned_url_is_valid_for_at_most_a_week(expires: str) -> None:
    request, _ = SIGNED["presigned s3"]()
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    assert refused(replace(request, query=query)) is Problem.MALFORMED


def authorization(text: str) -> Request:
    request, _ = SIGNED["dynamodb"]()
    return replace(request, headers=request.headers | {"authorization": text})


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (Request("GET", "/", "", {"host": HOST}), Problem.MISSING),
        (Request("GET", "/", "X-Amz-Credential=AKID/2/r/s3/x", {"host": HOST}), Problem.MISSING),
        (Request("GET", "/", "AWSAccessKeyId=AKID&Signature=c2ln&Expires=9", {"host": HOST}),
         Problem.MALFORMED),
        (authorization(""), Problem.MISSING),
        (authorization("Basic dGVzdDp0ZXN0"), Problem.MALFORMED),
        (authorization("AWS AKID:c2lnbmF0dXJl"), Problem.MALFORMED),
        (authorization("AWS4-HMAC-SHA256"), Problem.MALFORMED),
        (authorization("AWS4-HMAC-SHA256 Credential=AKID, SignedHeaders=, Signature="),
         Problem.MALFORMED),
        (authorization("AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/aws4_request, "
                       "SignedHeaders=host, Signature=0"), Problem.MALFORMED),
        (authorization("AWS4-HMAC-SHA256 Credential=/20260101/us-east-1/sqs/aws4_request, "
                       "SignedHeaders=host, Signature=0"), Problem.MALFORMED),
        (authorization("AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/sqs/aws4_request, "
                       "SignedHeaders=host, Signature=0"), Problem.MISMATCH),
    ],
)  # fmt: skip
def test_a_malformed_signature_is_refused(request_: Request, problem: Problem) -> None:
    assert refused(request_, BODY) is problem


@pytest.mark.parametrize(
    "change",
    [
        lambda text, scope: text.replace(" Cred", f" Credential=test/{scope}, Cred"),
        lambda text, scope: f"{text}, Credential=test/{scope}",
        lambda text, scope: text.replace(" Cred", f" ACredential=test/{scope}, Cred"),
        lambda text, scope: f"AWS4-HMAC-SHA256 Credential=test/{scope},{text}",
        lambda text, _: text.replace("Signature", "Credential", 1),
    ],
)
def test_a_second_access_key_in_the_header_is_refused(change: Callable[[str, str], str]) -> None:
    request, body = SIGNED["form"]()
    scope = f"{request.headers['x-amz-date'][:8]}/us-east-1/iam/aws4_request"
    changed = change(request.headers["authorization"], scope)
    other = replace(request, headers=request.headers | {"authorization": changed})
    assert refused(other, body) is Problem.MALFORMED


@pytest.mark.parametrize("name", ["X-Amz-Credential", "x-amz-credential", "X-AMZ-Security-Token"])
@pytest.mark.parametrize("other", ["presigned session", "s3 list"])
def test_a_second_access_key_in_the_query_is_refused(name: str, other: str) -> None:
    request, body = SIGNED[other]()
    twice = f"{name}=test%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&"
    query = twice + ("" if other.startswith("presigned") else twice) + request.query
    assert refused(replace(request, query=query), body) is Problem.MALFORMED


def test_a_header_is_not_combined_with_an_access_key_in_the_query() -> None:
    path = "/photos?X-Amz-Credential=test%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
    assert refused(sign(S3SigV4Auth, "s3", "GET", path)) is Problem.MALFORMED


def test_two_signatures_are_refused() -> None:
    request, _ = SIGNED["presigned s3"]()
    other, _ = SIGNED["s3 list"]()
    both = replace(request, headers=request.headers | other.headers)
    assert refused(both) is Problem.MALFORMED


def test_a_signature_for_another_day_is_refused() -> None:
    request, body = SIGNED["dynamodb"]()
    day = request.headers["x-amz-date"][:8]
    text = request.headers["authorization"].replace(f"{KEY}/{day}", f"{KEY}/20200101")
    changed = replace(request, headers=request.headers | {"authorization": text})
    assert refused(changed, body) is Problem.MALFORMED


def test_only_s3_accepts_an_unsigned_body() -> None:
    headers = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    request = sign(SigV4Auth, "dynamodb", "POST", "/", BODY, DYNAMODB | headers)
    assert refused(request, BODY) is Problem.MISMATCH
    unsigned = sign(SigV4Auth, "s3", "PUT", "/photos/a.jpg", BODY, headers)
    verify(unsigned, b"any other body")


# AWS's own examples of signed chunks: 64 KB and 1 KB of "a", then nothing. [S3 API Reference,
# "Signature Calculations ... Transferring Payload in Multiple Chunks", and "... Trailing Headers"]
AT = "20130524T000000Z"
CHUNKS = (b"a" * 65536, b"a" * 1024, b"")
PLAIN_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
PLAIN = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILED = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def claim(payload: str, seed: str) -> signature.Claim:
    return signature.Claim(
        access_key=KEY,
        date="20130524",
        region="us-east-1",
        service="s3",
        time=AT,
        signed_headers=("host",),
        signature=seed,
        token="",
        presigned=False,
        payload=payload,
    )


def chunked(signatures: tuple[str, ...], trailer: bytes) -> bytes:
    body = b""
    for chunk, one in zip(CHUNKS, signatures, strict=True):
        body += b"%x;chunk-signature=%s\r\n" % (len(chunk), one.encode())
        body += chunk + b"\r\n" if chunk else b""
    return body + trailer


def with_trailer() -> bytes:
    trailer = b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%s\r\n\r\n"
    return chunked(TRAILED, trailer % TRAILER.encode())


PAYLOADS = [
    (claim("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", PLAIN_SEED), chunked(PLAIN, b"\r\n")),
    (claim("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", TRAILER_SEED), with_trailer()),
]


@pytest.mark.parametrize(("claim", "body"), PAYLOADS, ids=["plain", "trailer"])
def test_chunks_signed_as_in_awss_examples_are_valid(claim: signature.Claim, body: bytes) -> None:
    signature.check_body(claim, SECRET, body)


@pytest.mark.parametrize(("claim", "body"), PAYLOADS, ids=["plain", "trailer"])
@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b"aa", b"ab", 1),
        lambda body: body.replace(b"10000;", b"ffff;", 1),
        lambda body: body.replace(b"400;", b"0400", 1),
        lambda body: body[: len(body) // 2],
        lambda body: body[65536 + 100 :],
        lambda body: body.replace(b"b6c6ea", b"b6c6eb").replace(b"sOO8", b"sOO9"),
        lambda _: b"",
        lambda _: b"zz;chunk-signature=0\r\n\r\n",
    ],
)
def test_changed_chunks_are_refused(
    claim: signature.Claim, body: bytes, change: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(RefusedError) as caught:
        signature.check_body(claim, SECRET, change(body))
    assert caught.value.problem is Problem.BODY_CHANGED
