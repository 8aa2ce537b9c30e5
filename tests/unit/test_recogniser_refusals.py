"""What the local recogniser refuses, with the real service's errors, and whom it refuses."""

from __future__ import annotations

import http.client
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from labelctl.errors import LocalCloudError, UsageError
from labelctl.local.recogniser.cloud import Cloud, Decision
from labelctl.local.recogniser.server import MODULE, RecogniserServer
from tests.unit.recogniser_world import (
    FakeEmulator,
    client_of,
    encode,
    photo,
    plain,
    rekognition,
    serving,
    workers,
)

PLACE = {"Bucket": "photos", "Name": "holiday photo+1.jpg"}
ARN = "arn:aws:s3:::photos/holiday photo+1.jpg"
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
    cloud = Cloud(None)
    server = RecogniserServer(0, pool, fetch=cloud.fetch, authorize=cloud.authorize)
    with serving(server) as url:
        yield url


@pytest.fixture(scope="module")
def refusal(url) -> Callable[..., tuple[str, str]]:
    """The code and text of the error that a request brings."""
    client = client_of(url, parameter_validation=False)

    def refused(image: Any, **parameters: Any) -> tuple[str, str]:
        image = {"Bytes": image} if isinstance(image, bytes) else image
        with pytest.raises(ClientError) as caught:
            client.detect_labels(Image=image, **parameters)
        error = caught.value.response
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert error["ResponseMetadata"]["RequestId"]
        return error["Error"]["Code"], error["Error"]["Message"]

    return refused


BAD_FORMAT = ("InvalidImageFormatException", "Request has invalid image format")
BAD_PARAMETERS = ("InvalidParameterException", "Request has invalid parameters")
TOO_LARGE = ("ImageTooLargeException", "Image size is too large")


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (plain("red", (79, 400)), BAD_PARAMETERS),
        (plain("red", (400, 79)), BAD_PARAMETERS),
        (encode(Image.new("RGB", (200, 200)), "GIF"), BAD_FORMAT),
        (encode(Image.new("RGB", (200, 200)), "BMP"), BAD_FORMAT),
        (encode(Image.new("RGB", (200, 200), "red"), "JPEG")[:-200], BAD_FORMAT),
        (photo("rocket.jpg")[:60_000], BAD_FORMAT),
        (photo("astronaut.png")[:300_000], BAD_FORMAT),
        (b"not a picture at all", BAD_FORMAT),
        (b"\xff\xd8\xff", BAD_FORMAT),
        (png_header(30_000, 3_000), TOO_LARGE),
        (png_header(200_000, 200_000), TOO_LARGE),
        (plain("red") + bytes(5 * 1024 * 1024), TOO_LARGE),
        (plain("red") + bytes(16 * 1024 * 1024), TOO_LARGE),
    ],
    ids=[
        "79 pixels wide", "79 pixels high", "gif", "bmp", "truncated small jpeg", "truncated jpeg",
        "truncated png", "text", "three bytes", "bomb", "larger bomb", "over 5 MB", "over 16 MB",
    ],
)  # fmt: skip
def test_a_picture_that_the_service_refuses_is_refused(refusal, data, expected):
    assert refusal(data) == expected


def test_80_pixels_are_enough(url):
    client = client_of(url)
    assert client.detect_labels(Image={"Bytes": plain("red", (80, 80))})["Labels"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"MinConfidence": 100.5},
        {"MinConfidence": -1},
        {"MaxLabels": -1},
        {"MaxLabels": 1001},
        {"Features": ["FACES"]},
        {"Features": ["GENERAL_LABELS", "IMAGE_PROPERTIES", "GENERAL_LABELS"]},
        {"Features": ["IMAGE_PROPERTIES"], "MinConfidence": 60},
        {"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["x" * 51]}}},
        {"Settings": {"GeneralLabels": {"LabelExclusionFilters": ["a"] * 101}}},
        {"Settings": {"GeneralLabels": {"LabelCategoryInclusionFilters": ["salt & pepper"]}}},
        {
            "Features": ["IMAGE_PROPERTIES"],
            "Settings": {"ImageProperties": {"MaxDominantColors": 21}},
        },
    ],
    ids=str,
)
def test_a_parameter_that_the_service_refuses_is_refused(refusal, parameters):
    assert refusal(plain("red"), **parameters) == BAD_PARAMETERS


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"Bytes": b"x", "S3Object": PLACE},
        {"Bytes": b""},
        {"S3Object": {"Bucket": "photos"}},
        {"S3Object": {"Bucket": "b", "Name": "x"}},
    ],
    ids=str,
)
def test_an_image_that_is_not_one_picture_is_refused(refusal, image):
    assert refusal(image) == BAD_PARAMETERS


def test_an_object_without_a_cloud_to_read_it_from_is_refused(refusal):
    assert refusal({"S3Object": PLACE})[0] == "InvalidS3ObjectException"


# -- S3, and the rights of the caller


@pytest.fixture
def ask(pool, monkeypatch):
    """Ask for an object of a fake emulator: `ask(objects, allowed)`; the answer or the error."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def asked(
        objects: dict[str, bytes],
        allowed: set[tuple[str, str, str]] | Exception | None,
        place: dict[str, str] = PLACE,
        access_key: str = "ASIAWORKER",
    ) -> Any:
        emulator = FakeEmulator(objects, allowed)
        with serving(emulator) as endpoint:
            cloud = Cloud(endpoint)
            doors = {"fetch": cloud.fetch, "authorize": cloud.authorize}
            with rekognition(pool, **doors, access_key=access_key) as client:
                try:
                    answer = client.detect_labels(Image={"S3Object": place})
                    return [label["Name"] for label in answer["Labels"]]
                except ClientError as error:
                    return error.response["Error"]

    return asked


OBJECTS = {"/photos/holiday photo+1.jpg": plain("red")}
MAY_DETECT = ("ASIAWORKER", "rekognition:DetectLabels", "*")
MAY_READ = ("ASIAWORKER", "s3:GetObject", ARN)


def test_an_object_is_read_for_a_caller_who_may(ask):
    assert ask(OBJECTS, {MAY_DETECT, MAY_READ}) == ["Red"]


def test_a_caller_who_may_not_detect_labels_is_denied_by_name(ask):
    error = ask(OBJECTS, {MAY_READ})

    assert error["Code"] == "AccessDeniedException"
    assert error["Message"] == (
        "User: arn:aws:sts::000000000000:assumed-role/ASIAWORKER/fn is not authorized to perform: "
        "rekognition:DetectLabels on resource: * because no identity-based policy allows the "
        "rekognition:DetectLabels action"
    )


def test_a_caller_who_may_not_read_the_object_gets_no_labels(ask):
    error = ask(OBJECTS, {MAY_DETECT})

    assert error["Code"] == "InvalidS3ObjectException"
    assert error["Message"].startswith("Unable to get object metadata from S3.")


def test_a_version_needs_the_right_to_versions(ask):
    place = PLACE | {"Version": "v1"}

    assert ask(OBJECTS, {MAY_DETECT, MAY_READ}, place)["Code"] == "InvalidS3ObjectException"
    may_read_versions = ("ASIAWORKER", "s3:GetObjectVersion", ARN)
    assert ask(OBJECTS, {MAY_DETECT, may_read_versions}, place) == ["Red"]


@pytest.mark.parametrize("root", ["test", "123456789012"])
def test_the_root_user_may_everything(ask, root):
    assert ask(OBJECTS, set(), access_key=root) == ["Red"]


def test_an_emulator_without_the_gateway_lets_everybody(ask):
    assert ask(OBJECTS, None) == ["Red"]


def test_a_gateway_that_fails_lets_nobody(ask):
    assert ask(OBJECTS, RuntimeError())["Code"] == "InternalServerError"


def test_an_object_that_is_not_there_is_refused(ask):
    assert ask({}, None)["Code"] == "InvalidS3ObjectException"


def test_an_object_is_judged_by_its_content_not_its_name(ask):
    gif = encode(Image.new("RGB", (200, 200)), "GIF")

    assert ask({"/photos/holiday photo+1.jpg": gif}, None)["Code"] == BAD_FORMAT[0]


def test_an_object_over_15_mb_is_refused_before_it_is_read(pool, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    emulator = FakeEmulator({"/photos/large.jpg": bytes(64 * 1024 * 1024)}, None)
    with serving(emulator) as endpoint:
        cloud = Cloud(endpoint)
        server = RecogniserServer(0, pool, fetch=cloud.fetch, authorize=cloud.authorize)
        with serving(server) as url, pytest.raises(ClientError) as caught:
            client_of(url).detect_labels(
                Image={"S3Object": {"Bucket": "photos", "Name": "large.jpg"}}
            )
    assert caught.value.response["Error"]["Code"] == TOO_LARGE[0]
    assert emulator.read_bytes < 16 * 1024 * 1024


def test_an_emulator_that_is_gone_is_an_outage_that_clients_retry(pool):
    cloud = Cloud("http://127.0.0.1:9")
    doors = {"fetch": cloud.fetch, "authorize": cloud.authorize}
    asking = rekognition(pool, **doors, access_key="ASIAWORKER")
    with asking as client, pytest.raises(ClientError) as caught:
        client.detect_labels(Image={"S3Object": PLACE})
    assert caught.value.response["Error"]["Code"] == "InternalServerError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_a_cloud_that_is_not_on_this_machine_is_refused():
    with pytest.raises(UsageError, match="not on this machine"):
        Cloud("https://s3.amazonaws.com")


# -- the wire


def send(url: str, method: str, headers: dict[str, str], body: bytes = b"{}", path: str = "/"):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request(method, path, body if method == "POST" else None, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_health_names_the_recogniser_and_its_process(url, pool):
    status, health = send(url, "GET", {}, path="/health")

    assert (status, health["recogniser"]) == (200, pool.version)
    assert health["recogniser"].startswith("labelctl-local/opencv@")
    assert isinstance(health["pid"], int)


def test_every_answer_carries_the_version_that_health_names(url):
    _, health = send(url, "GET", {}, path="/health")
    answer = client_of(url).detect_labels(Image={"Bytes": plain("red")})

    assert answer["LabelModelVersion"] == health["recogniser"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.example.com"},
        {"Host": "example.com"},
        {"Host": "localhost.example.com:80"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_web_page_is_refused(url, method, headers):
    path = "/health" if method == "GET" else "/"

    assert send(url, method, SIGNED | headers, path=path)[0] == 403


def test_a_page_of_this_machine_may_ask(url):
    assert send(url, "GET", {"Origin": "http://localhost:8080"}, path="/health")[0] == 200


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (SIGNED | {"X-Amz-Target": "RekognitionService.DetectFaces"}, b"{}", "UnknownOperation"),
        ({"X-Amz-Target": SIGNED["X-Amz-Target"]}, b"{}", "MissingAuthenticationToken"),
        (SIGNED, b"not json", "Serialization"),
        (SIGNED, b"[" * 100_000, "Serialization"),
        (SIGNED, b'["a list"]', "InvalidParameter"),
        (SIGNED, b'{"Image": {"Bytes": "no base64!"}}', "InvalidParameter"),
        (SIGNED, b'{"Image": {"Bytes": "aGk="}, "MinConfidence": NaN}', "InvalidParameter"),
        (SIGNED, b'{"Image": {"Bytes": "aGk="}, "MaxLabels": true}', "InvalidParameter"),
        (
            SIGNED,
            b'{"Image": {"Bytes": "aGk="}, "Features": "IMAGE_PROPERTIES"}',
            "InvalidParameter",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(url, headers, body, code):
    status, answer = send(url, "POST", headers, body)

    assert (status, answer["__type"]) == (400, f"{code}Exception")


def test_a_connection_is_kept_for_the_next_request(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("GET", "/health")
    connection.getresponse().read()
    kept = connection.sock
    for _ in range(3):
        connection.request("POST", "/", b"not json", SIGNED)
        response = connection.getresponse()
        response.read()
        assert not response.will_close
    assert connection.sock is kept
    connection.close()


def test_a_mistake_of_ours_is_an_internal_error_and_is_logged(pool, capsys):
    def break_down(*_: str) -> Decision:
        raise ZeroDivisionError

    asking = rekognition(pool, fetch=None, authorize=break_down)
    with asking as client, pytest.raises(ClientError) as caught:
        client.detect_labels(Image={"Bytes": plain("red")})
    assert caught.value.response["Error"]["Code"] == "InternalServerError"
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(url, pool):
    port = int(url.rpartition(":")[2])

    with pytest.raises(LocalCloudError, match=f"can't listen on port {port}"):
        RecogniserServer(port, pool, fetch=None, authorize=None)


def test_the_program_says_where_it_listens_and_ends_quietly():
    command = [sys.executable, "-m", MODULE, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={}
    ) as process:
        line = process.stdout.readline()
        url = line.removeprefix("listening on ").strip()
        _, health = send(url, "GET", {}, path="/health")
        labels = client_of(url).detect_labels(Image={"Bytes": plain("red")})["Labels"]
        process.terminate()
        rest, errors = process.communicate(timeout=20)

    assert health["pid"] == process.pid
    assert labels[0]["Name"] == "Red"
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors
