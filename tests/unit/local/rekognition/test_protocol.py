"""The recogniser's HTTP server: health checks, unauthorised and malformed requests, its program."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelctl.errors import LocalCloudError
from labelctl.local import health
from labelctl.local.credentials import Credentials
from labelctl.local.rekognition import server as server_module
from labelctl.local.rekognition.connections import Connections
from labelctl.local.rekognition.emulator_client import Decision
from labelctl.local.rekognition.errors import RefusalError, throttled
from labelctl.local.rekognition.server import MODULE, RecogniserServer
from tests.unit.recogniser_world import (
    ROOT,
    FakeEmulator,
    allow,
    client_of,
    environment,
    plain,
    rekognition,
    serving,
    workers,
)

SIGNED = {
    "X-Amz-Target": "RekognitionService.DetectLabels",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/rekognition/aws4_request",
}


@pytest.fixture(scope="module")
def pool():
    with workers() as pool:
        yield pool


@pytest.fixture(scope="module")
def url(pool):
    server = RecogniserServer(0, pool, root=ROOT, fetch=None, authorize=allow)
    with serving(server) as url:
        yield url


def send(url: str, method: str, headers: dict[str, str], body: bytes = b"{}", path: str = "/"):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request(method, path, body if method == "POST" else None, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def check_health(url: str, pid: int, root: Credentials = ROOT) -> tuple[int, dict[str, Any]]:
    """The status and response of a health check, which must have the proof of process `pid`."""
    challenge = health.Challenge(root, health.RECOGNISER, pid)
    status, answer = send(url, "GET", {}, path=f"/health?{challenge.query}")
    assert challenge.is_met_by(answer.get("proof")) == (status == 200)
    return status, answer


def test_health_returns_the_version_to_a_client_with_the_secret(url, pool):
    status, answer = check_health(url, os.getpid())

    assert (status, answer["recogniser"]) == (200, pool.version)
    assert answer["recogniser"].startswith("labelctl-local/")


def test_health_discloses_nothing_without_the_secret(url):
    other = Credentials(ROOT.access_key_id, "a guess at the secret")
    refused = {"__type": "AccessDeniedException", "Message": "Only labelctl may call this"}

    assert send(url, "GET", {}, path="/health") == (403, refused)
    assert check_health(url, os.getpid(), other) == (403, refused)
    assert check_health(url, os.getpid() + 1) == (403, refused)


def test_every_response_has_the_version_of_the_health_check(url):
    _, answer = check_health(url, os.getpid())
    labels = client_of(url).detect_labels(Image={"Bytes": plain("red")})

    assert labels["LabelModelVersion"] == answer["recogniser"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.example.com"},
        {"Origin": "http://localhost:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Host": "example.com"},
        {"Host": "localhost.example.com:80"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_web_page_is_refused(url, method, headers):
    challenge = health.Challenge(ROOT, health.RECOGNISER, os.getpid())
    path = f"/health?{challenge.query}" if method == "GET" else "/"

    assert send(url, method, SIGNED | headers, path=path)[0] == 403


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (SIGNED | {"X-Amz-Target": "RekognitionService.DetectFaces"}, b"{}", "UnknownOperation"),
        (SIGNED, b"not json", "Serialization"),
        (SIGNED, b"[" * 100_000, "Serialization"),
        (SIGNED, b'["a list"]', "InvalidParameter"),
        (SIGNED, b'{"Image": {"Bytes": "no base64!"}}', "InvalidParameter"),
        (
            SIGNED,
            b'{"Image": {"S3Object": {"Bucket": "photos", "Name": "\\ud800"}}}',
            "InvalidParameter",
        ),
        (SIGNED, b'{"Image": {"Bytes": "aGk="}, "MinConfidence": NaN}', "InvalidParameter"),
        (SIGNED, b'{"Image": {"Bytes": "aGk="}, "MaxLabels": true}', "InvalidParameter"),
        (
            SIGNED,
            b'{"Image": {"Bytes": "aGk="}, "Features": "IMAGE_PROPERTIES"}',
            "InvalidParameter",
        ),
    ],
)
def test_a_malformed_request_is_refused(url, headers, body, code):
    status, answer = send(url, "POST", headers, body)

    assert (status, answer["__type"]) == (400, f"{code}Exception")


def test_a_request_with_an_impossible_length_is_refused(url, capsys):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/", headers=SIGNED | {"Content-Length": "9" * 5000})
    assert connection.getresponse().status == 411
    connection.close()
    assert "Traceback" not in capsys.readouterr().err


def test_the_longest_waiting_connection_is_closed_but_never_a_busy_one(pool):
    go_on, asked = threading.Event(), threading.Semaphore(0)

    def slow(*_: object) -> Decision:
        asked.release()
        go_on.wait(10)
        return allow()

    server = RecogniserServer(0, pool, root=ROOT, fetch=None, authorize=slow)
    server.connections = Connections(limit=2)
    with serving(server) as url:
        port = int(url.rpartition(":")[2])
        busy = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        busy.request("POST", "/", b"not json", SIGNED)
        assert asked.acquire(timeout=10)
        half = socket.create_connection(("127.0.0.1", port), 10)
        half.sendall(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n[")
        second = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        second.request("POST", "/", b"not json", SIGNED)
        assert asked.acquire(timeout=10)  # it has replaced the incomplete request
        assert half.recv(1) == b""
        third = socket.create_connection(("127.0.0.1", port), 10)
        assert third.recv(1) == b""  # both connections are busy
        go_on.set()
        assert [each.getresponse().status for each in (busy, second)] == [400, 400]
        for each in (busy, half, second, third):
            each.close()


def test_unauthorised_requests_are_not_queued(pool):
    def refuse(*_: object) -> Decision:
        raise RefusalError("UnrecognizedClientException", "Who?", 403)

    def full() -> object:
        raise throttled()

    class Full:
        turn = staticmethod(full)
        version = pool.version

    for authorize, code in ((refuse, "UnrecognizedClient"), (allow, "Throttling")):
        with (
            rekognition(Full(), fetch=None, authorize=authorize) as client,
            pytest.raises(ClientError) as caught,
        ):
            client.detect_labels(Image={"Bytes": plain("red")})
        assert caught.value.response["Error"]["Code"] == f"{code}Exception"


def test_an_unauthorised_body_is_not_parsed(pool, monkeypatch):
    def refuse(*_: object) -> Decision:
        raise RefusalError("UnrecognizedClientException", "Who?", 403)

    parsed: list[bytes] = []
    monkeypatch.setattr(server_module, "_json", parsed.append)
    with (
        rekognition(pool, fetch=None, authorize=refuse) as client,
        pytest.raises(ClientError, match="Who"),
    ):
        client.detect_labels(Image={"Bytes": plain("red")})
    assert parsed == []


def test_a_connection_is_kept_for_the_next_request(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/", b"not json", SIGNED)
    connection.getresponse().read()
    kept = connection.sock
    for _ in range(3):
        connection.request("POST", "/", b"not json", SIGNED)
        response = connection.getresponse()
        response.read()
        assert not response.will_close
    assert connection.sock is kept
    connection.close()


def test_an_unexpected_exception_is_an_internal_error_and_is_logged(pool, capsys):
    def fail(*_: str) -> Decision:
        raise ZeroDivisionError

    asking = rekognition(pool, fetch=None, authorize=fail)
    with asking as client, pytest.raises(ClientError) as caught:
        client.detect_labels(Image={"Bytes": plain("red")})
    assert caught.value.response["Error"]["Code"] == "InternalServerError"
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_port_in_use_is_reported(url, pool):
    port = int(url.rpartition(":")[2])

    with pytest.raises(LocalCloudError, match=f"cannot listen on port {port}"):
        RecogniserServer(port, pool, root=ROOT, fetch=None, authorize=None)


def test_the_program_prints_its_address_and_exits_cleanly():
    command = [sys.executable, "-m", MODULE, "--port", "0"]
    with serving(FakeEmulator({}, {("LCTLROOT", "rekognition:DetectLabels", "*")})) as endpoint:
        env = environment(endpoint)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        ) as process:
            line = process.stdout.readline()
            url = line.removeprefix("listening on ").strip()
            assert check_health(url, process.pid)[0] == 200
            client = client_of(url, "LCTLROOT")
            labels = client.detect_labels(Image={"Bytes": plain("red")})["Labels"]
            process.terminate()
            rest, errors = process.communicate(timeout=20)

    assert labels[0]["Name"] == "Red"
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors
