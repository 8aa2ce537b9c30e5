"""Requests that the local recogniser refuses with the real service's errors."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from labelctl.errors import UsageError
from labelctl.local.rekognition.emulator_client import Cloud
from labelctl.local.rekognition.server import RecogniserServer
from tests.unit.recogniser_world import (
    ROOT,
    FakeEmulator,
    allow,
    client_of,
    encode,
    photo,
    plain,
    rekognition,
    serving,
    workers,
)

LOCATION = {"Bucket": "photos", "Name": "holiday photo+1.jpg"}
ARN = "arn:aws:s3:::photos/holiday photo+1.jpg"


@pytest.fixture(scope="module")
def pool():
    with workers() as pool:
        yield pool


@pytest.fixture(scope="module")
def url(pool):
    server = RecogniserServer(0, pool, root=ROOT, fetch=None, authorize=allow)
    with serving(server) as url:
        yield url


@pytest.fixture(scope="module")
def refusal(url) -> Callable[..., tuple[str, str]]:
    """A function that returns the code and message of a request's error."""
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
    """A PNG whose header states this size, with almost no data."""

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
        {"Bytes": b"x", "S3Object": LOCATION},
        {"Bytes": b""},
        {"S3Object": {"Bucket": "photos"}},
        {"S3Object": {"Bucket": "b", "Name": "x"}},
    ],
    ids=str,
)
def test_an_image_parameter_without_exactly_one_picture_is_refused(refusal, image):
    assert refusal(image) == BAD_PARAMETERS


# -- S3, and the caller's permissions


@pytest.fixture
def ask(pool, monkeypatch):
    """`ask(objects, allowed)`: the labels of an object in a fake emulator, or the error."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def asked(
        objects: dict[str, bytes],
        allowed: set[tuple[str, str, str]] | Exception | None,
        location: dict[str, str] = LOCATION,
        access_key: str = "ASIAWORKER",
    ) -> Any:
        emulator = FakeEmulator(objects, allowed)
        with serving(emulator) as endpoint:
            cloud = Cloud(endpoint, ROOT)
            functions = {"fetch": cloud.fetch, "authorize": cloud.authorize}
            with rekognition(pool, **functions, access_key=access_key) as client:
                try:
                    answer = client.detect_labels(Image={"S3Object": location})
                    return [label["Name"] for label in answer["Labels"]]
                except ClientError as error:
                    return error.response["Error"]

    return asked


OBJECTS = {"/photos/holiday photo+1.jpg": plain("red")}
MAY_DETECT = ("ASIAWORKER", "rekognition:DetectLabels", "*")
MAY_READ = ("ASIAWORKER", "s3:GetObject", ARN)


def test_an_object_is_read_for_a_caller_with_permission(ask):
    assert ask(OBJECTS, {MAY_DETECT, MAY_READ}) == ["Red"]


def test_a_caller_without_permission_to_detect_labels_is_denied(ask):
    error = ask(OBJECTS, {MAY_READ})

    assert error["Code"] == "AccessDeniedException"
    assert error["Message"] == (
        "User: arn:aws:sts::000000000000:assumed-role/ASIAWORKER/fn is not authorized to perform: "
        "rekognition:DetectLabels on resource: * because no identity-based policy allows the "
        "rekognition:DetectLabels action"
    )


def test_a_caller_without_permission_to_read_the_object_gets_no_labels(ask):
    error = ask(OBJECTS, {MAY_DETECT})

    assert error["Code"] == "InvalidS3ObjectException"
    assert error["Message"].startswith("Unable to get object metadata from S3.")


def test_a_version_needs_permission_to_read_versions(ask):
    location = LOCATION | {"Version": "v1"}

    assert ask(OBJECTS, {MAY_DETECT, MAY_READ}, location)["Code"] == "InvalidS3ObjectException"
    may_read_versions = ("ASIAWORKER", "s3:GetObjectVersion", ARN)
    assert ask(OBJECTS, {MAY_DETECT, may_read_versions}, location) == ["Red"]


@pytest.mark.parametrize("gateway", [RuntimeError(), None], ids=["fails", "is missing"])
def test_without_the_gateway_every_request_fails(ask, gateway):
    assert ask(OBJECTS, gateway)["Code"] == "InternalServerError"


def test_a_missing_object_is_refused(ask):
    assert ask({}, {MAY_DETECT, MAY_READ})["Code"] == "InvalidS3ObjectException"


def test_an_objects_format_is_detected_by_content_not_by_name(ask):
    gif = encode(Image.new("RGB", (200, 200)), "GIF")

    error = ask({"/photos/holiday photo+1.jpg": gif}, {MAY_DETECT, MAY_READ})
    assert error["Code"] == BAD_FORMAT[0]


def test_an_object_over_15_mb_is_refused_before_it_is_read(pool, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    emulator = FakeEmulator({"/photos/large.jpg": bytes(64 * 1024 * 1024)}, set())
    location = {"Bucket": "photos", "Name": "large.jpg"}
    with serving(emulator) as endpoint:
        functions = {"fetch": Cloud(endpoint, ROOT).fetch, "authorize": allow}
        with rekognition(pool, **functions) as client, pytest.raises(ClientError) as caught:
            client.detect_labels(Image={"S3Object": location})
    assert caught.value.response["Error"]["Code"] == TOO_LARGE[0]
    assert emulator.read_bytes < 16 * 1024 * 1024


def test_an_unreachable_emulator_is_an_error_that_clients_retry(pool):
    cloud = Cloud("http://127.0.0.1:9", ROOT)
    functions = {"fetch": cloud.fetch, "authorize": cloud.authorize}
    asking = rekognition(pool, **functions, access_key="ASIAWORKER")
    with asking as client, pytest.raises(ClientError) as caught:
        client.detect_labels(Image={"S3Object": LOCATION})
    assert caught.value.response["Error"]["Code"] == "InternalServerError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_an_endpoint_on_another_machine_is_refused():
    with pytest.raises(UsageError, match="not on this machine"):
        Cloud("https://s3.amazonaws.com", ROOT)
