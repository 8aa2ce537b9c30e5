"""The pipeline's status, read from all services, and its concerns."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from labelctl.aws.clients import Aws
from labelctl.aws.queues import QueueDepth
from labelctl.contract.schema import STATE_INDEX
from labelctl.deploy import notifications
from labelctl.operations import status
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.unit.conftest import REGION
from tests.unit.photo_items import event, failed, labelled, removed, store
from tests.unit.status_values import FINE, STACK

CLOCK = time.time()  # moto's log takes nothing much older


@pytest.fixture
def sqs(moto):
    return boto3.client("sqs", region_name=REGION)


@pytest.fixture
def logs(moto):
    return boto3.client("logs", region_name=REGION)


@pytest.fixture
def cloudwatch(moto):
    return boto3.client("cloudwatch", region_name=REGION)


@pytest.fixture
def aws(sqs, logs, s3, cloudwatch):
    return SimpleNamespace(dynamodb=PhotoTables(), sqs=sqs, logs=logs, s3=s3, cloudwatch=cloudwatch)


@pytest.fixture
def stack(s3, sqs, bucket):
    """A deployed stack whose bucket notifies its queue."""
    queue = sqs.create_queue(QueueName="queue")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    to_queue = {"QueueArn": arn["Attributes"]["QueueArn"], "Events": list(notifications.EVENTS)}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [to_queue]}
    )
    sqs.purge_queue(QueueUrl=queue)  # of S3's test event
    return replace(
        STACK,
        outputs={
            "PhotosBucket": bucket,
            "Table": PHOTOS,
            "LabelsTable": LABELS,
            "Queue": queue,
            "DeadLetterQueue": sqs.create_queue(QueueName="dead")["QueueUrl"],
            "LogGroup": "group",
        },
    )


def read(aws, stack):
    return status.read(aws, stack, clock=lambda: CLOCK)


def test_a_new_pipeline_is_quiet_though_its_log_is_not_there_yet(aws, stack):
    assert read(aws, stack) == FINE


def test_the_requests_do_not_depend_on_the_number_of_photos(aws, stack):
    store(aws.dynamodb, *(labelled(event(f"{n}.jpg")) for n in range(10)))
    assert read(aws, stack).labelled == 10
    few = aws.dynamodb.calls.total()
    store(aws.dynamodb, *(labelled(event(f"{n}.jpg")) for n in range(200)))
    aws.dynamodb.page_items = 10  # as if 200 photos were far more than a response holds
    before = aws.dynamodb.calls.total()
    now = read(aws, stack)
    assert (now.labelled, now.approximate) == (200, {"labelled": "about"})
    assert aws.dynamodb.calls.total() - before == few + 1  # the size of the index


def test_photos_are_counted_by_their_items(aws, stack):
    store(aws.dynamodb, *(labelled(event(f"{n}.jpg")) for n in range(5)))
    store(aws.dynamodb, *(failed(event(f"f{n}.jpg")) for n in range(2)), removed(event("gone.jpg")))
    now = read(aws, stack)
    assert (now.labelled, now.failed) == (5, 2)
    assert {index for _, index in aws.dynamodb.reads} == {STATE_INDEX}


def test_messages_are_counted_by_what_becomes_of_them(aws, stack, sqs):
    for _ in range(5):
        sqs.send_message(QueueUrl=stack.queue, MessageBody="x")
    sqs.send_message(QueueUrl=stack.queue, MessageBody="x", DelaySeconds=900)
    sqs.receive_message(QueueUrl=stack.queue, MaxNumberOfMessages=2)
    sqs.send_message(QueueUrl=stack.dead_letter_queue, MessageBody="x")
    now = read(aws, stack)
    assert now.queue == QueueDepth(waiting=3, in_flight=2, delayed=1)
    assert now.queue.depth == 6
    assert now.dead_letters == QueueDepth(1, 0, 0)


def test_the_latest_errors_of_the_last_hour(aws, stack, logs):
    logs.create_log_group(logGroupName="group")
    logs.create_log_stream(logGroupName="group", logStreamName="stream")
    texts = [
        (-4000, {"image": "old.jpg", "status": "retrying", "reason": "long ago"}),
        (-500, {"image": "1.jpg", "status": "retrying", "reason": "throttled"}),
        (-400, {"image": "2.jpg", "status": "retrying", "reason": "throttled"}),
        (-300, {"image": "fine.jpg", "status": "labelled", "labels": 1, "ms": 3}),
        (-250, {"image": "bad.jpg", "status": "failed", "reason": "timeout of nothing"}),
        (-200, {"image": None, "status": "dead_letter", "reason": "no JSON"}),
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
    now = read(aws, stack)
    assert now.error_count == 4
    result = [(line.image, line.status, line.reason) for line in now.errors]
    assert result == [
        ("2.jpg", "retrying", "throttled"),
        (None, "dead_letter", "no JSON"),
        (None, "error", "Task timed out"),
    ]


class Log:
    """A log group of `retrying` lines at these times (seconds before now), a hundred a page.

    Within a page they have no order, as those of several streams.
    """

    def __init__(self, *ago):
        self._at = sorted(round((CLOCK - each) * 1000) for each in ago)
        self.pages = 0

    def get_paginator(self, name):
        return SimpleNamespace(paginate=self._paginate)

    def _paginate(self, *, logGroupName, filterPattern, startTime, endTime=10**14):  # noqa: N803
        times = [at for at in self._at if startTime <= at <= endTime]
        for start in range(0, len(times) or 1, 100):
            self.pages += 1
            page = times[start : start + 100]
            yield {
                "events": [
                    {"timestamp": at, "message": '{"image": "a.jpg", "status": "retrying"}'}
                    for at in reversed(page)
                ]
            }


def seen(aws, stack, *ago):
    """The status with errors at these times, and the number of log pages read."""
    log = Log(*ago)
    now = read(SimpleNamespace(**{**vars(aws), "logs": log}), stack)
    ages = [round(CLOCK - datetime.fromisoformat(line.at).timestamp()) for line in now.errors]
    return now, ages, log.pages


@pytest.mark.parametrize(
    ("ago", "ages"),
    [
        ((3599, 3000, 61, 60, 59), [61, 60, 59]),
        ((3599, 601, 600, 599), [601, 600, 599]),
        ((3000, 2000, 30), [3000, 2000, 30]),
        ((3601, -30), [-30]),
    ],
)
def test_each_error_is_counted_once_and_the_latest_are_reported(aws, stack, ago, ages):
    now, result, _ = seen(aws, stack, *ago)
    assert result == ages
    assert now.error_count == len([each for each in ago if each <= 3600])


def test_in_an_outage_counting_errors_stops(aws, stack):
    now, ages, pages = seen(aws, stack, *(number / 10 for number in range(1, 36_000)))
    assert ages == [0, 0, 0]
    assert pages < 110  # of 360
    assert [concern.message for concern in now.concerns] == [
        "More than 10,000 function errors in the last hour."
    ]


def test_10000_errors_are_counted_exactly(aws, stack):
    now, *_ = seen(aws, stack, *(number / 10 for number in range(1, 10_001)))
    assert now.error_count == 10_000
    assert now.concerns[0].message == "10,000 function errors in the last hour."


# ---- since when the oldest waits


def measure(cloudwatch, *ages, queue="queue"):
    """The metric as SQS publishes it: (seconds before now, age in seconds)."""
    for ago, age in ages:
        cloudwatch.put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[
                {
                    "MetricName": "ApproximateAgeOfOldestMessage",
                    "Dimensions": [{"Name": "QueueName", "Value": queue}],
                    "Timestamp": datetime.fromtimestamp(CLOCK - ago, UTC),
                    "Value": age,
                }
            ],
        )


def waits(stack, sqs, cloudwatch, *ages):
    sqs.send_message(QueueUrl=stack.queue, MessageBody="x")
    measure(cloudwatch, *ages)


def test_the_oldest_message_age_is_the_latest_datapoint(aws, stack, sqs, cloudwatch):
    measure(cloudwatch, (60, 99999), queue="dead")
    waits(stack, sqs, cloudwatch, (400, 70), (120, 3600), (300, 80))
    since = read(aws, stack).waiting_since
    assert since is not None
    assert abs(CLOCK - 120 - 3600 - since.timestamp()) <= 60  # a figure is of a minute


@pytest.mark.parametrize("ages", [[], [(1200, 3600)], [(120, 0)], [(300, 3600), (120, 0)]])
def test_without_a_figure_of_late_nothing_is_known(aws, stack, sqs, cloudwatch, ages):
    waits(stack, sqs, cloudwatch, *ages)
    assert read(aws, stack).waiting_since is None


def test_a_queue_that_is_empty_by_now_has_no_oldest(aws, stack, cloudwatch):
    measure(cloudwatch, (120, 3600))
    assert read(aws, stack).waiting_since is None


def test_without_permission_for_cloudwatch_or_the_bucket_the_rest_is_shown(aws, stack, sqs):
    sqs.send_message(QueueUrl=stack.queue, MessageBody="x")
    refused = "User: me is not authorized to perform: cloudwatch:GetMetricStatistics"
    with Stubber(aws.cloudwatch) as metrics, Stubber(aws.s3) as bucket:
        metrics.add_client_error("get_metric_statistics", "AccessDenied", refused)
        bucket.add_client_error("get_bucket_notification_configuration", "AccessDenied")
        now = read(aws, stack)
    assert now == replace(
        FINE,
        queue=QueueDepth(1, 0, 0),
        has_notifications=None,
        destroy_interrupted=False,
        unknown=(
            "Your AWS identity is not allowed to perform cloudwatch:GetMetricStatistics.",
            "Your AWS identity is not allowed to perform GetBucketNotificationConfiguration.",
        ),
    )


def test_another_refusal_is_not_hidden(aws, stack, sqs):
    sqs.send_message(QueueUrl=stack.queue, MessageBody="x")
    with Stubber(aws.cloudwatch) as metrics:
        metrics.add_client_error("get_metric_statistics", "InvalidClientTokenId")
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            read(aws, stack)


def test_a_log_that_may_not_be_read_is_not_taken_for_a_quiet_one(aws, stack):
    with Stubber(aws.logs) as log:
        log.add_client_error("filter_log_events", "AccessDeniedException")
        now = read(aws, stack)
    assert (now.errors, now.error_count) == ((), None)
    assert now.unknown == ("Your AWS identity is not allowed to perform FilterLogEvents.",)


@pytest.mark.parametrize("code", ["AccessDenied", "ThrottlingException", "ServiceUnavailable"])
def test_what_can_be_read_is_shown_although_the_queues_cannot(aws, stack, code):
    with Stubber(aws.sqs) as queues:
        for _ in range(2):
            queues.add_client_error("get_queue_attributes", code)
        now = read(aws, stack)
    assert replace(now, unknown=()) == replace(FINE, queue=None, dead_letters=None)
    assert len(now.unknown) == 1  # the same reason for both queues
    assert "GetQueueAttributes" in now.unknown[0]
    assert not now.concerns


@pytest.mark.parametrize("code", ["AccessDenied", "ProvisionedThroughputExceededException"])
def test_what_can_be_read_is_shown_although_the_table_cannot(aws, stack, monkeypatch, code):
    def refuse(*_):
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "Query")

    monkeypatch.setattr(status.Reader, "count_photos", refuse)
    now = read(aws, stack)
    assert replace(now, unknown=()) == replace(FINE, labelled=None, failed=None)
    assert "Query" in now.unknown[0]


@pytest.mark.parametrize(
    ("protected", "kind"), [(True, "no_notifications"), (False, "destroy_interrupted")]
)
def test_missing_bucket_notifications_are_noticed(aws, stack, tables, protected, kind):
    """`destroy` turns off both the stack's and the table's protection first."""
    aws.s3.put_bucket_notification_configuration(Bucket=stack.bucket, NotificationConfiguration={})
    tables.client.update_table(TableName=PHOTOS, DeletionProtectionEnabled=protected)
    aws.dynamodb.describe_table = tables.client.describe_table
    now = read(aws, replace(stack, protected=protected))
    assert [concern.kind for concern in now.concerns] == [kind]


def test_deleted_resources_are_named_and_the_rest_is_shown(aws, stack, sqs):
    real = Aws()
    real.s3.delete_bucket(Bucket=stack.bucket)
    sqs.delete_queue(QueueUrl=stack.queue)
    aws.s3, aws.sqs = real.s3, real.sqs
    now = read(aws, stack)
    assert now.missing == ("The queue queue does not exist.", "The bucket photos does not exist.")
    assert [each.kind for each in now.concerns] == ["missing_resource"]
    assert (now.labelled, now.queue, now.dead_letters) == (0, None, QueueDepth(0, 0, 0))


def with_alarms(aws, stack):
    aws.sns = boto3.client("sns", region_name=REGION)
    topic = aws.sns.create_topic(Name="alarms")["TopicArn"]
    outputs, parameters = stack.outputs | {"AlarmTopic": topic}, {"AlarmEmail": "me@example.com"}
    return replace(stack, outputs=outputs, parameters=parameters)


def test_an_unconfirmed_address_is_noticed(aws, stack):
    assert [each.kind for each in read(aws, with_alarms(aws, stack)).concerns] == ["no_alarms"]


def test_without_permission_for_sns_the_rest_is_shown(aws, stack):
    stack = with_alarms(aws, stack)
    refused = "User: me is not authorized to perform: SNS:ListSubscriptionsByTopic on resource: x"
    with Stubber(aws.sns) as topic:
        topic.add_client_error("list_subscriptions_by_topic", "AuthorizationError", refused)
        now = read(aws, stack)
    result = ("Your AWS identity is not allowed to perform SNS:ListSubscriptionsByTopic.",)
    assert now == replace(FINE, mails_alarms=None, unknown=result)
