"""Putting many objects: awscrt sends what it can, and boto3 everything else."""

from __future__ import annotations

import base64
import hashlib
import ssl
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from labelctl.aws.clients import Aws
from labelctl.aws.errors import to_user_error
from labelctl.aws.threads import pool
from tests.fakes.object_server import object_server

DENIED = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
SLOW = "<Error><Code>SlowDown</Code><Message>slow</Message></Error>"


@pytest.fixture
def server(monkeypatch):
    with object_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.fixture
def request_of(tmp_path):
    """What `put` needs for a text: its file, and the request."""

    def request_of(key, body=b"a photo", in_file=None, file=None):
        if file is None:
            file = tmp_path / "file"
            file.write_bytes(body if in_file is None else in_file)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        request = {"Bucket": "photos", "Key": key, "Body": body}
        return file, request | {"ContentType": "image/jpeg", "ChecksumSHA256": digest}

    return request_of


@pytest.fixture
def put(request_of):
    """Puts a text as an object, and returns the response."""
    with pool(2, "test") as threads:
        yield lambda puts, *args, **more: puts.put(*request_of(*args, **more), threads).result(30)


def by_boto3(server):
    """Which of the requests boto3 sent: only it numbers its attempts."""
    return ["amz-sdk-request" in each for each in server.requests]


def test_second_object_is_sent_by_awscrt_as_boto3_sent_the_first(server, put):
    aws = Aws()
    aws._account = "123456789012"
    keys = ["a.jpg", "day 1/ä+b~%41.jpg", "//c.jpg"]
    results = [put(aws.many_puts, key, key.encode()) for key in keys]
    assert by_boto3(server) == [True, False, False]
    assert [each["ETag"] for each in results] == [f'"{len(key.encode())}"' for key in keys]
    assert [each["VersionId"] for each in results] == ["v1", "v2", "v3"]
    assert list(server.objects) == [
        "/photos/a.jpg",
        "/photos/day%201/%C3%A4%2Bb~%2541.jpg",
        "/photos///c.jpg",
    ]
    first, second, _ = server.requests
    assert list(server.objects.values()) == [key.encode() for key in keys]
    for name in ("host", "content-type", "x-amz-expected-bucket-owner"):
        assert second[name] == first[name], name
    assert "labelctl" in second["user-agent"]
    digest = hashlib.sha256(keys[1].encode()).digest()
    assert second["x-amz-content-sha256"] == digest.hex()
    assert second["x-amz-checksum-sha256"] == base64.b64encode(digest).decode()
    scope = "/us-east-1/s3/aws4_request"
    assert scope in second["authorization"]
    assert "x-amz-expected-bucket-owner" in second["authorization"]


@pytest.mark.parametrize("refusal", [(503, SLOW), (500, "<html>"), (0, "")])
def test_boto3_sends_again_what_failed(server, put, refusal):
    lines: list[str] = []
    puts = Aws(trace=lines.append).many_puts
    put(puts, "a.jpg")
    server.refusals = [refusal]
    assert put(puts, "b.jpg")["VersionId"] == "v2"
    assert put(puts, "c.jpg")["VersionId"] == "v3"
    assert by_boto3(server) == [True, False, True, False]
    assert [line.rpartition(", ")[0] for line in lines] == [
        "s3 PutObject: 200",
        "s3 PutObject: not accepted, sent again",
        "s3 PutObject: 200",
        "s3 PutObject: 200",
    ]


@pytest.mark.parametrize("now", [b"A PHOTO", b"a", b"a photo, and more", b""])
def test_file_that_changes_before_it_is_sent(server, put, now):
    """What was checked is sent, never what is in the file by now."""
    puts = Aws().many_puts
    put(puts, "a.jpg")
    put(puts, "b.jpg", in_file=now)
    assert list(server.objects.values()) == [b"a photo"] * 2


def test_file_that_disappears_before_it_is_sent(server, put, tmp_path):
    puts = Aws().many_puts
    put(puts, "a.jpg")
    put(puts, "b.jpg", file=tmp_path / "gone")
    put(puts, "c.jpg", file=tmp_path / "\udcff not UTF-8")
    assert list(server.objects.values()) == [b"a photo"] * 3


def test_failure_of_the_first_object_does_not_leave_the_others_to_boto3(server, put):
    puts = Aws().many_puts
    server.refusals = [(403, DENIED)]
    with pytest.raises(ClientError):
        put(puts, "a.jpg")
    put(puts, "b.jpg")
    assert by_boto3(server) == [True, False]


def test_failure_after_an_early_end_is_not_sent_again(server, request_of):
    puts = Aws().many_puts
    with pool(1, "test") as threads:
        puts.put(*request_of("a.jpg"), threads).result(30)
    server.refusals = [(503, SLOW)]
    put = puts.put(*request_of("b.jpg"), threads)
    with pytest.raises(CancelledError):
        put.result(30)
    assert by_boto3(server) == [True, False]


def test_boto3_sends_everything_once_awscrt_only_fails(server, put):
    puts = Aws().many_puts
    put(puts, "a.jpg")
    for number in range(8):
        server.refusals = [] if by_boto3(server)[-2:] == [True, True] else [(0, "")]
        put(puts, f"{number}.jpg")
    assert by_boto3(server).count(False) == 5


def test_error_of_awscrt_is_reported_as_boto3_reports_it(server, put):
    puts = Aws().many_puts
    put(puts, "a.jpg")
    server.refusals = [(403, DENIED)] * 2
    with pytest.raises(ClientError) as caught:
        put(puts, "b.jpg")
    assert "not allowed to perform PutObject" in str(to_user_error(caught.value))


def test_web_page_instead_of_an_answer_is_no_success(server, put):
    puts = Aws().many_puts
    put(puts, "a.jpg")
    server.refusals = [(200, "<html>Log in</html>")] * 2
    with pytest.raises(Exception, match="web page"):
        put(puts, "b.jpg")


def test_credentials_are_asked_for_each_object(server, put):
    aws = Aws()
    puts = aws.many_puts
    for key in ("a.jpg", "b.jpg"):
        put(puts, key)
    credentials = aws._session.get_credentials()
    credentials.access_key = "RENEWED"
    credentials.token = "a token"
    put(puts, "c.jpg")
    last = server.requests[-1]
    assert "Credential=RENEWED/" in last["authorization"]
    assert last["x-amz-security-token"] == "a token"
    assert by_boto3(server) == [True, False, False]


def test_boto3_sends_everything_through_a_proxy(server, put, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    puts = Aws().many_puts
    for key in ("a.jpg", "b.jpg"):
        put(puts, key)
    assert by_boto3(server) == [True, True]


@pytest.fixture
def certificate(tmp_path):
    """Files with a certificate for 127.0.0.1 that nobody signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(signed.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_awscrt_trusts_the_authorities_that_boto3_trusts(certificate, put, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with object_server(tls) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
        puts = Aws().many_puts
        for key in ("a.jpg", "b.jpg"):
            put(puts, key)
        assert by_boto3(server) == [True, False]
