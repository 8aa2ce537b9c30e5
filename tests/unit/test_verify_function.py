"""What `verify` queues, and the function itself, with dead letters: it mends what was amiss."""

from __future__ import annotations

import re
import time
from functools import partial
from types import SimpleNamespace

import boto3
import pytest

from labelctl import contract, dead_letters
from labelctl.verify import Summary
from tests.lambda_runtime import message_body
from tests.unit.conftest import REGION
from tests.unit.photo_rows import NOW, event
from tests.unit.verify_world import (
    HOUR,
    Later,
    check,
    kinds,
)

# ---- what is queued


@pytest.fixture
def aws(s3, dynamodb, queues):
    sqs = boto3.client("sqs", region_name=REGION)
    return SimpleNamespace(s3=s3, dynamodb=dynamodb, sqs=sqs)


@pytest.fixture
def stack(aws, queues, bucket, table):
    # Not the queue in which `work` leaves what it took.
    queue = aws.sqs.create_queue(QueueName="asked")["QueueUrl"]
    return SimpleNamespace(
        bucket=bucket, table=table, queue=queue, dead_letters=queues.dead, alarm_age=12 * HOUR
    )


@pytest.fixture
def see(aws, stack):
    """What is told an hour later."""

    def run(**more):
        return check(aws, stack, clock=Later(time.time(), passed=HOUR), **more)

    return run


@pytest.fixture
def drain(aws, stack, work):
    """Have the function work off what is in the queue; how many messages that were."""

    def run():
        count = 0
        while messages := aws.sqs.receive_message(QueueUrl=stack.queue).get("Messages"):
            for message in messages:
                aws.sqs.delete_message(QueueUrl=stack.queue, ReceiptHandle=message["ReceiptHandle"])
                count += 1
                assert work(message["Body"]) == []
        return count

    return run


def lose_the_event(photos, work, dynamodb):
    photos.put("x.jpg", b"another picture")


def lose_the_removal(photos, work, dynamodb):
    photos.remove("x.jpg")


def lose_the_header(photos, work, dynamodb):
    delete(dynamodb, "#")


def lose_a_row(photos, work, dynamodb):
    delete(dynamodb, next(row for row in stored(dynamodb) if row != "#"))


def lose_the_tombstone(photos, work, dynamodb):
    work(photos.remove("x.jpg"))
    photos.put("x.jpg")


def leave_rows(number):
    def leave(photos, work, dynamodb):
        version = next(row for row in stored(dynamodb) if row != "#").partition(".")[0]
        sequencer = f"{int(version, 16) + number:032X}"
        dynamodb.put_item(
            TableName="labels",
            Item={"image": {"S": "x.jpg"}, "row": {"S": f"{sequencer}.cafe#Cat"}},
        )

    return leave


def stored(dynamodb):
    items = dynamodb.scan(TableName="labels", ConsistentRead=True)["Items"]
    return [item["row"]["S"] for item in items if item["image"]["S"] == "x.jpg"]


def delete(dynamodb, row):
    dynamodb.delete_item(TableName="labels", Key={"image": {"S": "x.jpg"}, "row": {"S": row}})


MENDED = [
    (lose_the_event, "outdated", 1),
    (lose_the_removal, "orphaned", 0),
    (lose_the_header, "missing", 1),
    (lose_a_row, "incomplete", 1),
    (lose_the_tombstone, "missing", 1),
    (leave_rows(-1), "leftovers", 0),
    (leave_rows(0), "leftovers", 0),
    (leave_rows(1), "leftovers", 1),
]


@pytest.mark.parametrize(("damage", "kind", "cost"), MENDED)
def test_the_function_mends_what_is_queued(
    photos, work, drain, see, dynamodb, rekognition, damage, kind, cost
):
    """`cost`: calls to Rekognition, which are paid for."""
    work(photos.put("a.jpg"), photos.put("x.jpg"))
    assert see() == ([], Summary(2, 2, 0, 0, 0, 0, 0, 0, None, {}, 0, see()[1].units))
    damage(photos, work, dynamodb)
    asked = len(rekognition.requests)

    [finding], _ = see(repair=True)
    assert (finding.kind, finding.image) == (kind, "x.jpg")
    assert drain() == 1

    findings, summary = see()
    assert findings == []
    assert summary.labelled == summary.photos == (1 if kind == "orphaned" else 2)
    assert len(rekognition.requests) - asked == cost


def test_a_folder_that_passed_for_a_photo_is_forgotten(
    photos, work, drain, see, stored, rekognition, rows
):
    """One that failed before folders were passed over, and one that lies where a photo was."""
    work(photos.put("x/"), photos.put("a.jpg"))
    photos.put("x/", b"")
    photos.put("folder/", b"")
    told = event("folder/")
    stored(contract.failed_header(told, "1.aa", "Empty", "It is empty.", NOW))
    findings, summary = see(repair=True)
    assert kinds(findings) == {"folder/": "orphaned", "x/": "orphaned"}
    assert (summary.photos, summary.labelled, summary.repaired) == (1, 1, 2)
    assert drain() == 2

    assert see()[0] == []
    left = {row["image"]: row["status"] for row in rows() if row["row"] == contract.HEADER}
    assert left == {"a.jpg": "labelled", "folder/": "removed", "x/": "removed"}
    assert len(rows()) == 4  # and the label of the photo
    assert len(rekognition.requests) == 2


def test_a_dead_letter_is_told_with_its_reason_and_moved_back(
    photos, work, drain, see, rekognition, aws, stack
):
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(photos.put("x.jpg"), photos.put("a.jpg"), receives=(10, 1))
    findings, summary = see()
    [finding] = findings
    assert (finding.kind, finding.image) == ("dead_letter", "x.jpg")
    assert re.match(r"Given up\. AccessDeniedException: .*said Rekognition", finding.detail)
    assert (summary.photos, summary.labelled) == (2, 1)

    rekognition.answers.clear()
    [finding], _ = see(repair=True)
    assert finding.repaired
    assert drain() == 1
    assert see()[0] == []
    dead = aws.sqs.get_queue_attributes(QueueUrl=stack.dead_letters, AttributeNames=["All"])
    assert dead["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_the_dead_letter_of_an_older_version_does_not_excuse_the_newer(
    photos, work, drain, see, rekognition
):
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(photos.put("x.jpg"), receives=(10,))
    rekognition.answers.clear()
    photos.put("x.jpg", b"newer")
    [finding], _ = see(repair=True)
    assert finding.kind == "missing"
    assert drain() == 1
    assert see()[0] == []


def test_a_dead_letter_is_told_though_others_wait(photos, work, see, rekognition, aws, stack):
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(photos.put("x.jpg"), receives=(10,))
    photos.put("y.jpg")
    aws.sqs.send_message(QueueUrl=stack.queue, MessageBody="something else")
    findings, summary = see()
    assert kinds(findings) == {"x.jpg": "dead_letter"}
    assert summary.waiting == 1


def test_the_dead_letter_of_what_was_before_the_result_mends_nothing(
    photos, work, drain, see, queues, aws
):
    photos.put("x.jpg")
    removal = message_body(photos.remove("x.jpg"))
    request = contract.request("photos", "x.jpg", contract.next_sequencer(""), "2026-01-02T03:04Z")
    work(photos.put("x.jpg"))
    photos.put("x.jpg", b"newer, and lost")
    for before in (removal, request):
        aws.sqs.send_message(QueueUrl=queues.dead, MessageBody=before)
    [finding], _ = see(repair=True)
    assert finding.kind == "outdated"
    assert drain() == 1
    assert see()[0] == []


def test_a_photo_with_a_dead_letter_and_a_result_is_well(photos, work, see, rekognition):
    record = photos.put("x.jpg")
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(record, receives=(10,))
    rekognition.answers.clear()
    work(record)
    assert see()[0] == []


def test_the_dead_letter_of_a_removal(photos, work, drain, see, dynamodb, queues, aws):
    work(photos.put("x.jpg"))
    record = photos.remove("x.jpg")
    aws.sqs.send_message(QueueUrl=queues.dead, MessageBody=message_body(record))
    [finding], summary = see(repair=True)
    assert (finding.kind, summary.photos) == ("dead_letter", 0)
    assert drain() == 1
    assert see()[0] == []


def test_dead_letters_that_are_no_events_are_left_alone(photos, work, see, aws, stack):
    aws.sqs.send_message(QueueUrl=stack.dead_letters, MessageBody="poison")
    photos.put("x.jpg")
    [finding], _ = see(repair=True)
    assert finding.kind == "missing"
    dead = aws.sqs.receive_message(QueueUrl=stack.dead_letters)["Messages"]
    assert [message["Body"] for message in dead] == ["poison"]


def test_the_dead_letter_of_a_removal_mends_no_photo_that_is_there(
    photos, work, drain, see, queues, aws
):
    work(photos.put("x.jpg"))
    removed = photos.remove("x.jpg")
    photos.put("x.jpg", b"it is there again, and nobody told")
    aws.sqs.send_message(QueueUrl=queues.dead, MessageBody=message_body(removed))
    [finding], _ = see(repair=True)
    assert finding.kind == "outdated"
    assert drain() == 1
    findings, summary = see()
    assert (findings, summary.labelled) == ([], 1)


def test_the_dead_letter_of_a_photo_mends_none_that_is_gone(photos, work, drain, see, queues, aws):
    work(photos.put("x.jpg"))
    newer = photos.put("x.jpg", b"newer")
    photos.remove("x.jpg")
    aws.sqs.send_message(QueueUrl=queues.dead, MessageBody=message_body(newer))
    [finding], _ = see(repair=True)
    assert finding.kind == "orphaned"
    assert drain() == 1
    assert see()[0] == []


def test_where_not_all_dead_letters_were_seen_nothing_waits_for_sure(
    photos, see, aws, stack, monkeypatch
):
    few = partial(dead_letters.held, limit=2)
    monkeypatch.setattr("labelctl.inquiry.dead_letters.held", few)
    for number in range(4):
        photos.put(f"{number}.jpg")
        aws.sqs.send_message(QueueUrl=stack.dead_letters, MessageBody="poison")
        aws.sqs.send_message(QueueUrl=stack.queue, MessageBody="something else")
    findings, summary = see()
    assert findings == []
    assert (summary.waiting, summary.unclear, summary.lost) == (0, 4, 0)
