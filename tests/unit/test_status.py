"""How the pipeline stands, asked of all four services."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer

from labelctl import contract, status
from labelctl.stack import Stack
from tests.unit.conftest import REGION, STACK_ID
from tests.unit.test_results import NOW, event

CLOCK = time.time()  # moto's log takes nothing much older


@pytest.fixture
def sqs(moto):
    return boto3.client("sqs", region_name=REGION)


@pytest.fixture
def logs(moto):
    return boto3.client("logs", region_name=REGION)


@pytest.fixture
def aws(dynamodb, sqs, logs):
    return SimpleNamespace(dynamodb=dynamodb, sqs=sqs, logs=logs)


@pytest.fixture
def stack(sqs, table):
    return Stack(
        name="labelctl",
        id=STACK_ID,
        status="CREATE_COMPLETE",
        reason="",
        parameters={},
        outputs={
            "PhotosBucket": "photos",
            "Table": table,
            "Queue": sqs.create_queue(QueueName="queue")["QueueUrl"],
            "DeadLetterQueue": sqs.create_queue(QueueName="dead")["QueueUrl"],
            "LogGroup": "group",
        },
        tags={},
        protected=True,
        created=datetime(2030, 1, 1, tzinfo=UTC),
        updated=None,
    )


def store(dynamodb, table, rows):
    serialize = TypeSerializer().serialize
    for row in rows:
        item = {name: serialize(value) for name, value in row.items()}
        dynamodb.put_item(TableName=table, Item=item)


def read(aws, stack):
    return status.read(aws, stack, clock=lambda: CLOCK)


def test_a_new_pipeline_is_quiet_though_its_log_is_not_there_yet(aws, stack):
    nothing = status.Queue(0, 0, 0)
    assert read(aws, stack) == status.Status(0, 0, nothing, nothing, ())


def test_photos_are_counted_by_their_headers(aws, stack):
    answer = {"Labels": [{"Name": name, "Confidence": 90.0} for name in ("Dog", "Pet", "Cat")]}
    rows = []
    for number in range(5):
        each = event(f"{number}.jpg")
        version = contract.version_of(each, "aa")
        labels = contract.label_rows(each, version, answer["Labels"])
        rows += [*labels, contract.labelled_header(each, version, labels, answer, NOW)]
    rows += [contract.failed_header(event(f"f{n}.jpg"), "v", "E", "why", NOW) for n in range(2)]
    rows += [contract.tombstone(event("gone.jpg"), "v", NOW, 1)]
    store(aws.dynamodb, stack.table, rows)
    now = read(aws, stack)
    assert (now.labelled, now.failed) == (5, 2)


def test_more_photos_than_one_page_holds(aws, stack):
    reason = "x" * 5000  # the index carries it
    failed = [contract.failed_header(event(f"{n}.jpg"), "v", "E", reason, NOW) for n in range(250)]
    store(aws.dynamodb, stack.table, failed)
    pages = []
    aws.dynamodb.meta.events.register("before-call.dynamodb.Query", lambda **_: pages.append(1))
    assert status.count(aws.dynamodb, stack.table, contract.FAILED) == 250
    assert len(pages) > 1


def test_messages_are_counted_by_what_becomes_of_them(aws, stack, sqs):
    for _ in range(5):
        sqs.send_message(QueueUrl=stack.queue, MessageBody="x")
    sqs.send_message(QueueUrl=stack.queue, MessageBody="x", DelaySeconds=900)
    sqs.receive_message(QueueUrl=stack.queue, MaxNumberOfMessages=2)
    sqs.send_message(QueueUrl=stack.dead_letters, MessageBody="x")
    now = read(aws, stack)
    assert now.queue == status.Queue(waiting=3, in_flight=2, delayed=1)
    assert now.queue.depth == 6
    assert now.dead_letters == status.Queue(1, 0, 0)


def test_the_last_troubles_of_the_last_hour_are_told(aws, stack, logs):
    logs.create_log_group(logGroupName="group")
    logs.create_log_stream(logGroupName="group", logStreamName="stream")
    texts = [
        (-4000, {"image": "old.jpg", "status": "retrying", "reason": "long ago"}),
        (-500, {"image": "1.jpg", "status": "retrying", "reason": "throttled"}),
        (-400, {"image": "2.jpg", "status": "retrying", "reason": "throttled"}),
        (-300, {"image": "fine.jpg", "status": "labelled", "labels": 1, "ms": 3}),
        (-250, {"image": "bad.jpg", "status": "failed", "reason": "timeout of nothing"}),
        (-200, {"image": None, "status": "unreadable", "reason": "no JSON"}),
        (-100, {"type": "platform.report", "record": {"status": "timeout"}}),
    ]
    logs.put_log_events(
        logGroupName="group",
        logStreamName="stream",
        logEvents=[
            {"timestamp": int((CLOCK + at) * 1000), "message": json.dumps(text)}
            for at, text in texts
        ],
    )
    told = [(line.image, line.status, line.reason) for line in read(aws, stack).troubles]
    assert told == [
        ("2.jpg", "retrying", "throttled"),
        (None, "unreadable", "no JSON"),
        (None, "error", "Task timed out"),
    ]
