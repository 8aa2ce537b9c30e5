"""The zip as Lambda runs it: AWS's own runtime client, boto3, the zip, and nothing else.

What the zip lacks is missed here, as labelctl is not installed in the function's environment.
DynamoDB is moto behind HTTP, Rekognition answers what the test says.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws
from packaging.requirements import Requirement

from labelctl.deploy import package
from labelctl.labels import results
from labelctl.labels.reader import Reader
from labelctl.photos import versions
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.template import read_template
from tests.lambda_runtime import FunctionError, RuntimeApi, s3_record, serving, sqs_event
from tests.unit.function_world import Tables, make_tables

pytest.importorskip("awslambdaric")
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the runtime client and boto3, as Lambda's has, and no labelctl.

    Its packages are links to those installed here.
    """
    folder = tmp_path_factory.mktemp("lambda") / "python"
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for name in required_by("awslambdaric") | required_by("boto3"):
        for path in metadata.files(name) or ():
            entry = path.parts[0]  # a package, a module, or the folder with the metadata
            if entry not in ("..", "__pycache__") and not (packages / entry).exists():
                (packages / entry).symlink_to(metadata.distribution(name).locate_file(entry))
    return folder / "bin" / "python"


def required_by(name: str) -> set[str]:
    """An installed distribution and all that it needs at run time, by their names."""
    found = {name}
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found |= required_by(requirement.name)
    return found


class FakeAws(ThreadingHTTPServer):
    """DynamoDB's calls go to moto, DetectLabels' answers are taken from `answers`, in turn.

    What is sent to a queue is kept in `sent`.
    """

    daemon_threads = True

    def __init__(self, dynamodb: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.dynamodb = dynamodb
        self.answers: list[Any] = []
        self.photos: list[dict[str, str]] = []
        self.sent: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def call(self, target: str, request: Any) -> tuple[int, Any]:
        service, _, operation = target.partition(".")
        if service == "RekognitionService":
            self.photos.append(request["Image"]["S3Object"])
            answer = self.answers.pop(0)
            return (400 if "__type" in answer else 200), answer
        if service == "AmazonSQS":
            self.sent.append(request)
            return 200, {"MessageId": "1"}
        try:
            answer = getattr(self.dynamodb, xform_name(operation))(**request)
        except ClientError as error:
            wrong = error.response["Error"]
            return 400, {"__type": wrong["Code"], "message": wrong["Message"]}
        del answer["ResponseMetadata"]
        return 200, answer


class _Handler(BaseHTTPRequestHandler):
    server: FakeAws
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.call(self.headers["X-Amz-Target"], request)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto's DynamoDB with both tables."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        make_tables(client)
        yield client


@pytest.fixture
def aws(dynamodb: Any) -> Iterator[FakeAws]:
    server = FakeAws(dynamodb)
    with serving(server):
        yield server


@contextmanager
def running(python: Path, code: Path, aws: FakeAws) -> Iterator[tuple[RuntimeApi, Path]]:
    """The function in a process of its own, and the file that its standard output goes to."""
    printed = code.parent / "stdout"
    handler = read_template()["Resources"]["Function"]["Properties"]["Handler"]
    with ExitStack() as stack:
        api = RuntimeApi()
        stack.enter_context(serving(api))
        process = subprocess.Popen(
            [python, "-m", "awslambdaric", handler],
            cwd=code,
            stdout=stack.enter_context(printed.open("wb")),
            env={
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "AWS_LAMBDA_FUNCTION_NAME": "labels",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "AWS_LAMBDA_LOG_FORMAT": "JSON",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_ENDPOINT_URL": aws.url,
                "LABELCTL_PHOTOS_TABLE": PHOTOS,
                "LABELCTL_LABELS_TABLE": LABELS,
                "LABELCTL_QUEUE": f"{aws.url}/1/work",
                "LABELCTL_DEAD_LETTERS": f"{aws.url}/1/dead",
                "LABELCTL_MIN_CONFIDENCE": "55",
                "LABELCTL_MAX_LABELS": "100",
                "LABELCTL_IMAGE_PROPERTIES": "false",
                "LABELCTL_CALLS_PER_SECOND": "50",
                "LABELCTL_CONCURRENCY": "4",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
        try:
            yield api, printed
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The zip, unpacked."""
    folder = tmp_path / "task"
    with zipfile.ZipFile(io.BytesIO(package.build().content)) as archive:
        archive.extractall(folder)
    return folder


def labels(*names: str) -> dict[str, Any]:
    found = [{"Name": name, "Confidence": 98.765432} for name in names]
    return {"Labels": found, "LabelModelVersion": "3.0"}


def test_a_photo_goes_from_the_event_to_the_tables(python, code, aws, dynamodb):
    aws.answers = [labels("Dog", "Pet")]
    record = s3_record("holiday/at sea.jpg", "5F", size=12, eTag="e1", versionId="v1")
    with running(python, code, aws) as (api, printed):
        assert api.invoke(sqs_event(record)) == {"batchItemFailures": []}
        [line] = printed.read_text().splitlines()
    assert aws.photos == [{"Bucket": "photos", "Name": "holiday/at sea.jpg", "Version": "v1"}]
    sent = versions.ObjectVersion("holiday/at sea.jpg", "v1", "e1")
    photo = results.read(Reader(dynamodb, PHOTOS, LABELS), sent)
    assert photo.status == "labelled"
    assert [(one.name, one.confidence) for one in photo.labels] == [
        ("Dog", 98.765432),
        ("Pet", 98.765432),
    ]
    Tables(dynamodb).assert_indexed()
    logged = json.loads(line)
    assert (logged["image"], logged["status"], logged["labels"]) == (
        "holiday/at sea.jpg",
        "labelled",
        2,
    )


def test_one_process_serves_batch_after_batch(python, code, aws, dynamodb):
    throttled = {"__type": "ThrottlingException", "Message": "Slow down."}
    damaged = {"__type": "InvalidImageFormatException", "Message": "Request has invalid format"}
    aws.answers = [throttled, labels("Dog"), damaged]
    good = s3_record("a.jpg", "1", size=12, eTag="e1", versionId="v1")
    bad = s3_record("b.jpg", "1", size=12, eTag="e1", versionId="v1")
    gone = s3_record("a.jpg", "2", "ObjectRemoved:Delete")
    with running(python, code, aws) as (api, printed):
        # Throttled once, which the function itself makes good.
        assert api.invoke(sqs_event("no S3 event", good)) == {"batchItemFailures": []}
        assert [(each["QueueUrl"], each["MessageBody"]) for each in aws.sent] == [
            (f"{aws.url}/1/dead", "no S3 event")
        ]
        assert api.invoke(sqs_event(good)) == {"batchItemFailures": []}
        assert api.invoke(sqs_event(bad)) == {"batchItemFailures": []}
        assert api.invoke(sqs_event(gone)) == {"batchItemFailures": []}
        logged = [json.loads(line) for line in printed.read_text().splitlines()]
    assert [one["Name"] for one in aws.photos] == ["a.jpg", "a.jpg", "b.jpg"]
    assert {one["status"] for one in logged[:2]} == {"dead_letter", "labelled"}
    assert [one["status"] for one in logged[2:]] == ["superseded", "failed", "removed"]
    tables = Tables(dynamodb)
    assert {item["image"]: item["status"] for item in tables.photos()} == {
        "a.jpg": "removed",
        "b.jpg": "failed",
    }
    assert tables.index() == []


@pytest.mark.parametrize(
    "name",
    [
        "labeller/store.py",
        "labeller/clients.py",
        "labeller/pacer.py",
        "labelctl/contract/s3_events.py",
        "labelctl/contract/schema.py",
    ],
)
def test_a_module_that_is_missing_from_the_zip_is_missed(name, python, code, aws):
    (code / name).unlink()
    with (
        running(python, code, aws) as (api, _),
        pytest.raises(FunctionError, match="ImportModuleError"),
    ):
        api.invoke(sqs_event())
    assert aws.photos == []


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[str], bytes]:
    """Run a line of Python with labelctl as its wheel installs it; what it prints."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command = [*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if built.returncode:
        pytest.skip(f"pip cannot build the wheel: {built.stderr.strip().splitlines()[-1]}")
    [wheel] = tmp_path.glob("labelctl-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    def run(script: str) -> bytes:
        command = [sys.executable, "-c", script]
        return subprocess.run(command, cwd=site, capture_output=True, check=True).stdout

    return run


def test_an_installed_labelctl_deploys_the_same_zip_and_template(installed):
    where = installed("import labelctl; print(labelctl.__file__)")
    assert b"site" in where
    assert str(ROOT).encode() not in where
    built = installed(
        "import sys; from labelctl.deploy import package;"
        "sys.stdout.buffer.write(package.build().content)"
    )
    assert built == package.build().content
    template = (ROOT / "cloudformation" / "template.yaml").read_bytes()
    assert installed(
        "import sys; from labelctl.deploy import assets;"
        "sys.stdout.buffer.write(assets.template('template.yaml').encode())"
    ) == template.replace(b"\r\n", b"\n")
