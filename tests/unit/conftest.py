"""What the unit tests share: AWS in process (moto, or answers written down), never the real one."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.loaders import Loader
from botocore.stub import ANY, Stubber
from hypothesis import HealthCheck, settings
from moto import mock_aws
from moto.core import models as moto_models
from moto.core.botocore_stubber import BotocoreStubber

from labelctl.contract import s3_events
from labelctl.labels import results
from labelctl.labels.reader import Reader
from labelctl.operations import dead_letters
from labelctl.photos import versions
from labeller.clients import Clients
from labeller.handler import Handler
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.template import function_environment, read_template
from tests.lambda_runtime import message_body, sqs_event
from tests.unit.function_world import Bucket, Queues, Rekognition, Tables, make_tables

if TYPE_CHECKING:
    from tests.unit.gallery_world import Gallery
    from tests.unit.photo_files import Folder

REGION = "us-east-1"
LOOPBACK = ["127.0.0.1", "::1", "localhost"]
FALSE_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_SESSION_TOKEN": "testing-token",
}

# On a shared machine the time of an example says nothing, so there is no deadline.
settings.register_profile(
    "short",
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("long", settings.get_profile("short"), max_examples=1000)
settings.load_profile("short")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test here reaches beyond this machine."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the credentials, the settings or the local cloud of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name in ("LABELCTL_STACK", "LABELCTL_LOCAL"):
            monkeypatch.delenv(name)
    for name, value in FALSE_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LABELCTL_HOME", str(tmp_path_factory.getbasetemp() / "labelctl"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session", autouse=True)
def service_models() -> Iterator[None]:
    """botocore reads its service models once per process. Reading them takes longer than a test."""
    loader = Loader(include_default_search_paths=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda _: loader)
        yield


@pytest.fixture
def moto(no_account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in process. It answers one call at a time: moto's stores are not made for threads."""
    one_at_a_time, answer = RLock(), BotocoreStubber.__call__

    def answer_alone(self: BotocoreStubber, *about: Any, **more: Any) -> Any:
        with one_at_a_time:
            return answer(self, *about, **more)

    monkeypatch.setattr(BotocoreStubber, "__call__", answer_alone)
    monkeypatch.setattr(moto_models, "RESPONSES_METHODS", [])  # mocks for `requests`, unused
    with mock_aws():
        boto3.setup_default_session()
        yield


@pytest.fixture
def s3(moto: None) -> Any:
    return boto3.client("s3", region_name=REGION)


@pytest.fixture
def dynamodb(moto: None) -> Any:
    return boto3.client("dynamodb", region_name=REGION)


@pytest.fixture
def bucket(s3: Any) -> str:
    """A bucket with versions, as the template's."""
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    return "photos"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Creates photos with given names in the working folder."""
    from tests.unit.photo_files import folder_maker  # it reads Pillow, which few tests need

    monkeypatch.chdir(tmp_path)
    return folder_maker(tmp_path)


@pytest.fixture
def tables(dynamodb: Any) -> Tables:
    """moto's tables, with the template's keys and indexes."""
    make_tables(dynamodb)
    return Tables(dynamodb)


@pytest.fixture
def gallery(s3: Any, bucket: str, tmp_path: Path) -> Gallery:
    """Photos, and galleries of them."""
    from tests.unit.gallery_world import Gallery  # it reads Pillow, which few tests need

    return Gallery(s3, bucket, tmp_path / "gallery")


@pytest.fixture
def sqs(moto: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """SQS, whose empty answers can be believed without a long poll."""
    monkeypatch.setattr(dead_letters, "LONG_POLL", 0)
    return boto3.client("sqs", region_name=REGION)


@pytest.fixture
def queue(sqs: Any) -> str:
    """The work queue's URL."""
    url: str = sqs.create_queue(QueueName="queue")["QueueUrl"]
    return url


@pytest.fixture
def dead(sqs: Any) -> str:
    """The dead-letter queue's URL."""
    url: str = sqs.create_queue(QueueName="dead")["QueueUrl"]
    return url


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """cloudformation/template.yaml."""
    return read_template()


@pytest.fixture
def queues(moto: None) -> Queues:
    """The work queue and the dead letters."""
    return Queues(boto3.client("sqs", region_name=REGION))


@pytest.fixture
def environ(queues: Queues) -> dict[str, str]:
    """The function's environment: the template's, with the parameters' defaults."""
    return function_environment(
        {
            "PhotosTable": PHOTOS,
            "LabelsTable": LABELS,
            "Queue": queues.work,
            "DeadLetters": queues.dead,
        }
    )


@pytest.fixture
def clients(moto: None) -> Clients:
    """The function's clients, for moto."""
    return Clients()


@pytest.fixture
def function(clients: Clients, environ: dict[str, str], tables: Tables) -> Handler:
    """The function, as in a new process."""
    return Handler(clients, environ)


@pytest.fixture
def photos(s3: Any, bucket: str) -> Bucket:
    """The bucket, whose changes are S3's records."""
    return Bucket(s3)


@pytest.fixture
def rekognition(clients: Clients) -> Rekognition:
    """What the function's Rekognition answers, and was asked."""
    return Rekognition(clients.rekognition)


class Context:
    """What Lambda tells the function of its own run."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self._seconds * 1000)


@pytest.fixture
def work(function: Handler, rekognition: Rekognition, queues: Queues) -> Callable[..., list[str]]:
    """Hand the function one batch, taken from the queue; the ids of the messages it gives back.

    It has `seconds`, of which it keeps 22 for the last call to Rekognition and what comes after it.
    """

    def run(*bodies: Any, receives: Any = (), seconds: float = 60) -> list[str]:
        receipts = [queues.take(message_body(body)) for body in bodies]
        batch = sqs_event(*bodies, receives=receives, receipts=receipts)
        answer = function.handle(batch, Context(seconds))
        assert answer.keys() == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    return run


@pytest.fixture
def patience(function: Handler, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """How many `turns` a photo has to ask Rekognition, each at once; None: as the pacer says."""
    recognition, patience = function._recognition, SimpleNamespace(turns=3)
    detect, turn = recognition.detect, recognition._pacer.turn
    had = threading.local()

    def detect_with_turns(event: Any, until: float, **about: Any) -> Any:
        had.turns = 0  # a thread may have had another photo before
        return detect(event, until, **about)

    def at_once(until: float) -> bool:
        if patience.turns is None:
            return bool(turn(until))
        had.turns += 1
        return bool(had.turns <= patience.turns)

    monkeypatch.setattr(recognition, "detect", detect_with_turns)
    monkeypatch.setattr(recognition._pacer, "turn", at_once)
    return patience


@pytest.fixture
def look(tables: Tables) -> Callable[[Any], results.Photo]:
    """What the command line shows of the version that a record is about."""
    reader = Reader(tables.client, PHOTOS, LABELS)

    def read(record: Any) -> results.Photo:
        [event] = s3_events.parse_message(json.dumps({"Records": [record]}))
        return results.read(reader, versions.ObjectVersion(event.key, event.version_id, event.etag))

    return read


class Naps(list[float]):
    """A `sleep` that takes no time; the list of what it was asked for."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


STACK_ID = f"arn:aws:cloudformation:{REGION}:123456789012:stack/labelctl/0a1b"
BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)


class CloudFormation:
    """A client whose answers are written down in the order in which they are asked for.

    What is asked otherwise than written, or not at all, fails the test.
    """

    def __init__(self, stubber: Stubber) -> None:
        self.client: Any = stubber.client
        self._stubber = stubber
        self._events = 0

    def answers(self, method: str, answer: Mapping[str, Any], **expected: Any) -> None:
        self._stubber.add_response(method, dict(answer), expected or None)

    def refuses(self, method: str, code: str, message: str) -> None:
        self._stubber.add_client_error(method, code, message)

    def no_stack(self, name: str = "labelctl") -> None:
        self.refuses("describe_stacks", "ValidationError", f"Stack with id {name} does not exist")

    def stack(self, status: str, **more: Any) -> dict[str, Any]:
        described = {
            "StackName": "labelctl",
            "StackId": STACK_ID,
            "StackStatus": status,
            "CreationTime": BEGIN,
            "Tags": [{"Key": "application", "Value": "labelctl"}],
            "Description": "labelctl - labels for photos: S3 notifies a queue",
            **more,
        }
        if not described["Description"]:
            del described["Description"]
        self.answers("describe_stacks", {"Stacks": [described]})
        return described

    def change_set(self, *statuses: str, reason: str = "", changes: Sequence[Any] = ()) -> None:
        """Made, and then described in one status after the other."""
        self.answers("create_change_set", {"Id": "arn:change-set/1", "StackId": STACK_ID})
        for status in statuses:
            told = {"StackName": "labelctl", "Status": status, "Changes": list(changes)}
            self.answers(
                "describe_change_set", {**told, **({"StatusReason": reason} if reason else {})}
            )

    def event(self, name: str, status: str, reason: str = "", **more: Any) -> dict[str, Any]:
        """A new event; of the stack itself where `name` is labelctl."""
        self._events += 1
        told = {
            "StackId": STACK_ID,
            "StackName": "labelctl",
            "EventId": f"event-{self._events}",
            "LogicalResourceId": name,
            "PhysicalResourceId": STACK_ID if name == "labelctl" else f"physical-{name}",
            "ResourceType": "AWS::CloudFormation::Stack"
            if name == "labelctl"
            else "AWS::S3::Bucket",
            "Timestamp": BEGIN + timedelta(seconds=self._events),
            "ResourceStatus": status,
            **more,
        }
        return {**told, "ResourceStatusReason": reason} if reason else told

    def look(self, *events: Mapping[str, Any], pages: int = 1) -> None:
        """One look at the events, given oldest first; CloudFormation tells the newest first."""
        newest_first = list(events)[::-1]
        size = max(-(-len(newest_first) // pages), 1)
        for page in range(pages):
            answer: dict[str, Any] = {"StackEvents": newest_first[page * size : (page + 1) * size]}
            if page < pages - 1:
                answer["NextToken"] = f"page-{page + 1}"
            self.answers("describe_stack_events", answer)

    def runs(self, *events: Mapping[str, Any], method: str = "execute_change_set") -> None:
        """What was there, the call that starts it all, and a look at what happened."""
        self.look()
        self.answers(method, {})
        self.look(*events)


@pytest.fixture
def cloudformation(no_account: None) -> Iterator[CloudFormation]:
    client = boto3.client("cloudformation", region_name=REGION)
    with Stubber(client) as stubber:
        yield CloudFormation(stubber)
        stubber.assert_no_pending_responses()


Put = Callable[..., dict[str, Any]]

__all__ = ["ANY", "BEGIN", "REGION", "STACK_ID", "CloudFormation", "Naps"]
