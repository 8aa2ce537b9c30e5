"""How the pipeline stands: photos by state, queues, the function's last troubles, and what to heed.

The services are asked at the same time. What a user may not ask (CloudWatch's metrics, the bucket's
notifications) stays unknown, and the rest is told all the same.
"""

from __future__ import annotations

import shlex
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from labelctl.aws.clients import Aws, explain, is_missing
from labelctl.aws.queues import Queue, depth
from labelctl.aws.threads import pool
from labelctl.contract import schema
from labelctl.deploy.stack import Stack, takes_photos
from labelctl.errors import AccessDeniedError
from labelctl.labels.tables import Reader
from labelctl.operations import function_log
from labelctl.text import counted, span

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sns import SNSClient

T = TypeVar("T")

RECENT = 3600
"""The function's troubles are told for so many seconds back."""

_FRESH = 600
"""A metric older than so many seconds says nothing of now."""
_TOLD = 3
_LOOKS = (60, 600, RECENT)
"""Troubles are looked for so many seconds back, then further: CloudWatch tells the oldest first."""
_COUNTED = 10_000
"""Troubles are counted no further: in an outage there may be one for each photo that waits."""


@dataclass(frozen=True)
class Concern:
    """Something that needs somebody's eye: a sentence that names it, and the command that helps."""

    kind: str
    message: str
    command: str


@dataclass(frozen=True)
class Status:
    """The pipeline's state at one moment.

    `waiting_since` is when the oldest message that waits was sent, None when none waits or when that
    is not known; messages received three times or more do not count there. `takes_photos` is whether
    the bucket tells the queue of new photos, None when not known. `mails_alarms` is whether somebody
    has confirmed the alarms' address, None when there is none, or that is not known. `troubles` are the
    function's latest, oldest first, of the `trouble_count` of the last hour, which is counted to 10,001
    at most. `unknown` says what could not be asked, and why.
    """

    labelled: int
    failed: int
    queue: Queue
    dead_letters: Queue
    troubles: tuple[function_log.Line, ...]
    trouble_count: int
    waiting_since: datetime | None
    takes_photos: bool | None
    mails_alarms: bool | None = None
    concerns: tuple[Concern, ...] = ()
    unknown: tuple[str, ...] = ()


def read(aws: Aws, stack: Stack, *, clock: Callable[[], float] = time.time) -> Status:
    """Ask for all of it. The photos are counted by their index."""
    now = clock()
    # Clients are made here: the first use of each is the main thread's.
    reader = Reader(aws.dynamodb, stack.table, stack.labels_table)
    sqs, logs, s3, cloudwatch = aws.sqs, aws.logs, aws.s3, aws.cloudwatch
    sns = aws.sns if stack.alarm_topic else None
    with pool(8, "ask") as threads:
        troubles = threads.submit(_troubles, logs, stack.log_group, now)
        labelled = threads.submit(reader.count_photos, schema.LABELLED)
        failed = threads.submit(reader.count_photos, schema.FAILED)
        queue = threads.submit(depth, sqs, stack.queue)
        dead_letters = threads.submit(depth, sqs, stack.dead_letters)
        since = threads.submit(waiting_since, cloudwatch, stack.queue, now)
        told = threads.submit(takes_photos, s3, stack.bucket)
        mailed = threads.submit(mails_alarms, sns, stack)
    unknown: list[str] = []
    # A metric is some minutes old: a queue that is empty by now has none that waits.
    known_since = _if_allowed(since, unknown) if queue.result().depth else None
    latest, trouble_count = troubles.result()
    status = Status(
        labelled=labelled.result(),
        failed=failed.result(),
        queue=queue.result(),
        dead_letters=dead_letters.result(),
        troubles=latest,
        trouble_count=trouble_count,
        waiting_since=known_since,
        takes_photos=_if_allowed(told, unknown),
        mails_alarms=_if_allowed(mailed, unknown),
        unknown=tuple(unknown),
    )
    return replace(status, concerns=tuple(concerns(status, stack, now)))


def _if_allowed(answer: Future[T], unknown: list[str]) -> T | None:
    """The answer; None, and a line in `unknown`, where the user may not ask for it."""
    from botocore.exceptions import ClientError

    try:
        return answer.result()
    except ClientError as error:
        told = explain(error)
        if not isinstance(told, AccessDeniedError):
            raise
        unknown.append(told.message)
        return None


def concerns(status: Status, stack: Stack, now: float) -> Iterator[Concern]:
    """What to heed, the gravest first."""
    if status.takes_photos is False:
        yield Concern(
            "not_told",
            "The bucket does not tell of new photos any more, as after a destroy that was cut off.",
            "labelctl destroy",
        )
    if dead := status.dead_letters.depth:
        yield Concern(
            "dead_letters",
            f"There are dead letters: {counted(dead, 'message')} that kept failing.",
            "labelctl failures",
        )
    if status.waiting_since:
        age = now - status.waiting_since.timestamp()
        if age >= stack.alarm_age:
            yield Concern(
                "too_old",
                f"The oldest photo that waits has been waiting for {span(age)}.",
                "labelctl tail --since 1h",
            )
    if status.trouble_count:
        more = f"more than {_COUNTED:,} times"
        often = more if status.trouble_count > _COUNTED else counted(status.trouble_count, "time")
        yield Concern(
            "trouble",
            f"The function had trouble {often} in the last hour.",
            "labelctl tail --since 1h",
        )
    if status.mails_alarms is False:
        address = stack.alarm_email
        yield Concern(
            "no_alarms",
            f"No alarm will arrive: the link in AWS's mail to {address} was not clicked. It is good for"
            " two days; for another mail, begin anew.",
            f"labelctl deploy --no-alarm && labelctl deploy --alarm-email {shlex.quote(address)}",
        )
    if status.failed:
        yield Concern(
            "failed",
            f"{counted(status.failed, 'photo')} could not be labelled.",
            "labelctl failures",
        )


def waiting_since(cloudwatch: CloudWatchClient, queue: str, now: float) -> datetime | None:
    """When the oldest message of the queue (by its URL) was sent, to the minute; None for none.

    By CloudWatch's metric, which comes some minutes late, and not at all for a queue that nobody has
    used for hours. It leaves out messages that were received three times or more. [SQS, Available
    CloudWatch metrics]
    """
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue.rpartition("/")[2]}],
        StartTime=datetime.fromtimestamp(now - _FRESH, UTC),
        EndTime=datetime.fromtimestamp(now + 60, UTC),
        Period=60,
        Statistics=["Maximum"],
    )
    points = answer["Datapoints"]
    if not points:
        return None
    latest = max(points, key=lambda point: point["Timestamp"])
    age = latest["Maximum"]
    return latest["Timestamp"] - timedelta(seconds=age) if age else None


def mails_alarms(sns: SNSClient | None, stack: Stack) -> bool | None:
    """Whether the alarms' address is confirmed; None without one.

    SNS names no ARN for an address whose link has not been clicked, and drops it after two days.
    [SNS, ListSubscriptionsByTopic; SNS Developer Guide, "Deleting an Amazon SNS topic and
    subscription"]
    """
    from botocore.exceptions import ClientError

    if sns is None or stack.alarm_topic is None:
        return None
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=stack.alarm_topic)
    try:
        return any(
            each["Endpoint"].casefold() == stack.alarm_email.casefold()
            and each["SubscriptionArn"].startswith("arn:")
            for page in pages
            for each in page["Subscriptions"]
        )
    except ClientError as error:
        if is_missing(error):  # somebody took the topic away
            return False
        raise


def _troubles(
    logs: CloudWatchLogsClient, group: str, now: float
) -> tuple[tuple[function_log.Line, ...], int]:
    """The latest of the last hour, oldest first, and how many there were, as far as is counted."""
    latest: tuple[function_log.Line, ...] = ()
    found = 0
    until: dict[str, int] = {}  # the first look has no end: clocks differ
    for back in _LOOKS:
        start = round((now - back) * 1000)
        last = deque[function_log.Line](maxlen=_TOLD)
        for line in islice(_lines(logs, group, startTime=start, **until), _COUNTED + 1 - found):
            last.append(line)
            found += 1
        latest = (*last, *latest)[-_TOLD:]
        until = {"endTime": start - 1}  # which counts as well
    return latest, found


def _lines(logs: CloudWatchLogsClient, group: str, **period: int) -> Iterator[function_log.Line]:
    for events in function_log.look(logs, group, function_log.TROUBLE_PATTERN, **period):
        for event in sorted(events, key=lambda event: event["timestamp"]):
            line = function_log.parse(event["timestamp"], event["message"])
            if line is not None and line.is_trouble:
                yield line
