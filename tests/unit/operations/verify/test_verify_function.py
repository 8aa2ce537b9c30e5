"""The function repairs what `verify --repair` queues: on moto, with the function's real code."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from labelctl.contract import s3_events, schema
from labelctl.operations import dead_letters
from labelctl.operations.verify import verify
from labelctl.operations.verify.findings import Finding, Summary
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.wire import to_wire
from tests.lambda_runtime import message_body
from tests.unit.conftest import REGION

HOUR = 3600.0


@pytest.fixture
def aws(s3, dynamodb, queues, monkeypatch):
    monkeypatch.setattr(dead_letters, "LONG_POLL", 0)  # moto's empty responses are reliable
    sqs = boto3.client("sqs", region_name=REGION)
    return SimpleNamespace(s3=s3, dynamodb=dynamodb, sqs=sqs)


@pytest.fixture
def stack(aws, queues, bucket, tables):
    # A different queue from the one that `work` uses.
    queue = aws.sqs.create_queue(QueueName="asked")["QueueUrl"]
    return SimpleNamespace(
        bucket=bucket,
        table=PHOTOS,
        labels_table=LABELS,
        queue=queue,
        dead_letter_queue=queues.dead,
        alarm_age=12 * HOUR,
    )


@pytest.fixture
def check(aws, stack):
    """The findings and the summary of a check an hour later."""

    def run(**options: Any) -> tuple[list[Finding], Summary]:
        later = time.time() + HOUR
        steps = [*verify.verify(aws, stack, clock=lambda: later, sleep=lambda _: None, **options)]
        summary = steps.pop()
        assert isinstance(summary, Summary)
        return [step for step in steps if isinstance(step, Finding)], summary

    return run


@pytest.fixture
def drain(aws, stack, work):
    """Run the function on all messages in the queue; returns their number."""

    def run():
        count = 0
        while messages := aws.sqs.receive_message(QueueUrl=stack.queue).get("Messages"):
            for message in messages:
                aws.sqs.delete_message(QueueUrl=stack.queue, ReceiptHandle=message["ReceiptHandle"])
                count += 1
                assert work(message["Body"]) == []
        return count

    return run


# ---- lost messages and items


def lose_an_upload(photos, work, dynamodb):
    photos.put("x.jpg", b"another picture")


def lose_a_removal(photos, work, dynamodb):
    photos.remove("x.jpg")


def lose_the_item(photos, work, dynamodb):
    dynamodb.delete_item(TableName=PHOTOS, Key={"image": {"S": "x.jpg"}})


def lose_an_upload_after_a_removal(photos, work, dynamodb):
    work(photos.remove("x.jpg"))
    photos.put("x.jpg")


LOST = [
    (lose_an_upload, "stale", 1),
    (lose_a_removal, "orphaned", 0),
    (lose_the_item, "missing", 1),
    (lose_an_upload_after_a_removal, "missing", 1),
]


@pytest.mark.parametrize(("lose", "kind", "cost"), LOST)
def test_the_function_repairs_what_is_queued(
    photos, work, drain, check, tables, dynamodb, rekognition, lose, kind, cost
):
    """`cost` is the number of Rekognition calls."""
    work(photos.put("a.jpg"), photos.put("x.jpg"))
    assert check(index=True) == ([], Summary(2, 2, 0, 0, 0, {}, 0))
    lose(photos, work, dynamodb)
    asked = len(rekognition.requests)

    [finding], _ = check(repair=True)
    assert (finding.kind, finding.image) == (kind, "x.jpg")
    assert drain() == 1

    findings, summary = check()
    assert findings == []
    assert summary.labelled == summary.photos == (1 if kind == "orphaned" else 2)
    assert len(rekognition.requests) - asked == cost


def test_a_lost_labels_table_is_rebuilt_without_rekognition(
    photos, work, check, tables, dynamodb, rekognition
):
    rekognition.answers["b.jpg"] = ["Dog", "Cat"]
    work(photos.put("a.jpg"), photos.put("b.jpg"))
    words = {word["rank"]: word for word in tables.words()}
    for item in (*tables.index(), *tables.words()):
        key = {name: {"S": item[name]} for name in ("label", "rank")}
        dynamodb.delete_item(TableName=LABELS, Key=key)

    findings, summary = check(index=True, repair=True)
    assert {finding.kind for finding in findings} == {"unindexed"}
    assert (summary.repaired, len(rekognition.requests)) == (2, 2)
    tables.assert_indexed()
    assert {word["rank"]: word for word in tables.words()} == words


def test_index_items_of_a_killed_attempt_are_deleted(photos, work, check, tables, function):
    work(photos.put("a.jpg"), photos.put("x.jpg"))
    [event] = s3_events.parse_message(message_body(photos.put("x.jpg", b"another picture")))
    answer = {"Labels": [{"Name": "Car", "Confidence": 90.0}]}
    photo = schema.labelled_item(event, schema.new_attempt(time.time()), answer, "2026-01-01")
    # It wrote its index items, and was killed before it wrote the photo's item.
    function._store._write(
        [{"PutRequest": {"Item": to_wire(item)}} for item in schema.index_items(photo)]
    )
    assert len(tables.index()) == 3

    findings, _ = check(index=True, repair=True)
    assert {(finding.kind, finding.image) for finding in findings} == {
        ("stale", "x.jpg"),
        ("unused", "x.jpg"),
    }
    tables.assert_indexed()


def test_a_folder_in_place_of_a_photo_is_forgotten(photos, work, drain, check, tables, rekognition):
    work(photos.put("x/"), photos.put("a.jpg"))
    photos.put("x/", b"")
    photos.put("folder/", b"")
    findings, summary = check(repair=True)
    assert [(finding.kind, finding.image) for finding in findings] == [("orphaned", "x/")]
    assert (summary.photos, summary.labelled) == (1, 1)
    assert drain() == 1
    assert check(index=True)[0] == []
    assert {photo["image"]: photo["status"] for photo in tables.photos()} == {
        "a.jpg": "labelled",
        "x/": "removed",
    }
    assert len(rekognition.requests) == 2


# ---- dead letters


def test_a_dead_letter_has_its_reason_and_is_redriven(
    photos, work, drain, check, rekognition, aws, stack
):
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(photos.put("x.jpg"), photos.put("a.jpg"), receives=(10, 1))
    [finding], summary = check()
    assert (finding.kind, finding.image) == ("dead_letter", "x.jpg")
    assert finding.detail.startswith("Dead letter. AccessDeniedException: ")
    assert (summary.photos, summary.labelled) == (2, 1)

    rekognition.answers.clear()
    [finding], _ = check(repair=True)
    assert finding.repaired
    assert drain() == 1
    assert check(index=True)[0] == []
    dead = aws.sqs.get_queue_attributes(QueueUrl=stack.dead_letter_queue, AttributeNames=["All"])
    assert dead["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_a_dead_letter_that_would_not_help_is_left_and_the_photo_queued(
    photos, work, drain, check, rekognition, aws, stack
):
    """It is of a removal, but the photo was uploaded again."""
    work(photos.put("x.jpg"))
    removal = message_body(photos.remove("x.jpg"))
    photos.put("x.jpg", b"another picture")
    aws.sqs.send_message(QueueUrl=stack.dead_letter_queue, MessageBody=removal)
    aws.sqs.send_message(QueueUrl=stack.dead_letter_queue, MessageBody="not an event")
    [finding], _ = check(repair=True)
    assert finding.kind == "stale"
    assert drain() == 1
    assert check()[0] == []
    dead = aws.sqs.receive_message(QueueUrl=stack.dead_letter_queue, MaxNumberOfMessages=10)
    assert {message["Body"] for message in dead["Messages"]} == {removal, "not an event"}


def test_the_dead_letter_of_a_removal(photos, work, drain, check, aws, stack):
    work(photos.put("x.jpg"))
    removal = message_body(photos.remove("x.jpg"))
    aws.sqs.send_message(QueueUrl=stack.dead_letter_queue, MessageBody=removal)
    [finding], summary = check(repair=True)
    assert (finding.kind, summary.photos) == ("dead_letter", 0)
    assert drain() == 1
    assert check(index=True)[0] == []
