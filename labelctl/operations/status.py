"""The pipeline's status: photos by state, queues, recent function errors, and concerns.

The services are queried concurrently. Values that the user has no permission to read, or that AWS
does not return at the moment, are reported as unknown.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from labelctl.aws.clients import Aws
from labelctl.aws.errors import is_missing, to_user_error
from labelctl.aws.queues import QueueDepth, depth
from labelctl.aws.threads import pool
from labelctl.aws.throttling import is_temporary
from labelctl.contract import schema
from labelctl.deploy import notifications
from labelctl.deploy.stack import Stack
from labelctl.errors import AccessDeniedError, Command, LabelctlError, MissingResourceError
from labelctl.labels.reader import Reader
from labelctl.operations import function_log
from labelctl.text import counted, span

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sns import SNSClient

T = TypeVar("T")

RECENT = 3600
"""How far back function errors are reported, in seconds."""

_METRIC_MAX_AGE = 600
"""Seconds after which a metric is too old to use."""
_SHOWN_ERRORS = 3
_LOOKBACKS = (60, 600, RECENT)
"""Seconds to look back for errors, in steps: CloudWatch returns the oldest events first, so reading a
short period gets the latest soonest."""
_MAX_COUNT = 10_000
"""Counting errors stops here: in an outage there may be one for each waiting photo."""


@dataclass(frozen=True)
class Concern:
    """Something that needs attention: a sentence that describes it, and commands that help."""

    kind: str
    message: str
    commands: tuple[Command, ...]


@dataclass(frozen=True)
class Status:
    """The pipeline's state at one moment.

    `waiting_since` is when the oldest waiting message was sent, ignoring messages received three
    times or more; None if there is none or it is unknown. `has_notifications` is whether the bucket
    notifies the queue of new photos, `destroy_interrupted` whether that is because a destroy was
    interrupted; None if unknown. `mails_alarms` is whether the alarm address
    is confirmed, None if there is no address or it is unknown. `errors` are the function's latest
    errors, oldest first; `error_count` is their number in the last hour, at most 10,001.
    `approximate` has the words for counts that are not exact (see `PhotoCounts`). A number or a queue
    is None if it is unknown. `unknown` lists why values could not be read, and `missing` names the
    resources that no longer exist.
    """

    labelled: int | None
    failed: int | None
    queue: QueueDepth | None
    dead_letters: QueueDepth | None
    errors: tuple[function_log.LogEntry, ...]
    error_count: int | None
    waiting_since: datetime | None
    has_notifications: bool | None
    destroy_interrupted: bool | None = False
    mails_alarms: bool | None = None
    approximate: Mapping[str, str] = field(default_factory=dict)
    concerns: tuple[Concern, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def read(
    aws: Aws,
    stack: Stack,
    *,
    clock: Callable[[], float] = time.time,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Status:
    """Query the status. Photos are counted in the index.

    `report` is called with the number of queries that are done, and of all.
    """
    now = clock()
    # Clients are created here, in the main thread: creating them is not thread-safe.
    reader = Reader(aws.dynamodb, stack.table, stack.labels_table)
    sqs, logs, s3, cloudwatch = aws.sqs, aws.logs, aws.s3, aws.cloudwatch
    sns = aws.sns if stack.alarm_topic else None
    with pool(8, "ask") as threads:
        errors = threads.submit(_latest_errors, logs, stack.log_group, now)
        counted_photos = threads.submit(reader.count_states)
        queue = threads.submit(depth, sqs, stack.queue)
        dead_letters = threads.submit(depth, sqs, stack.dead_letter_queue)
        since = threads.submit(waiting_since, cloudwatch, stack.queue, now)
        notified = threads.submit(notifications.are_complete, s3, stack)
        interrupted = threads.submit(notifications.is_destroy_interrupted, aws, stack)
        mailed = threads.submit(mails_alarms, sns, stack)
        queries: list[Future[Any]] = [counted_photos, queue, dead_letters]
        queries += [errors, since, notified, interrupted, mailed]
        for done, _ in enumerate(as_completed(queries), 1):
            report(done, len(queries))
    problems: list[LabelctlError] = []
    # The metric lags by some minutes, so ignore it if the queue is empty now.
    waiting = _if_readable(queue, problems)
    known_since = _if_readable(since, problems) if waiting and waiting.depth else None
    latest, error_count = _if_readable(errors, problems) or ((), None)
    photos = _if_readable(counted_photos, problems)
    status = Status(
        labelled=photos.labelled if photos else None,
        failed=photos.failed if photos else None,
        approximate=photos.approximate if photos else {},
        queue=waiting,
        dead_letters=_if_readable(dead_letters, problems),
        errors=latest,
        error_count=error_count,
        waiting_since=known_since,
        has_notifications=_if_readable(notified, problems),
        destroy_interrupted=_if_readable(interrupted, []),
        mails_alarms=_if_readable(mailed, problems),
    )
    missing, unknown = dict[str, None](), dict[str, None]()  # each once, in this order
    for each in problems:
        (missing if isinstance(each, MissingResourceError) else unknown)[each.message] = None
    status = replace(status, missing=tuple(missing), unknown=tuple(unknown))
    return replace(status, concerns=tuple(concerns(status, stack, now)))


def _if_readable(response: Future[T], problems: list[LabelctlError]) -> T | None:
    """The result; None if access is denied, the resource is missing, or the request failed for now.

    Then the reason is added to `problems`.
    """
    try:
        return response.result()
    except Exception as error:
        explained = to_user_error(error)
        expected = isinstance(explained, AccessDeniedError | MissingResourceError)
        if explained is None or not (expected or is_temporary(error)):
            raise
        problems.append(explained)
        return None


def concerns(status: Status, stack: Stack, now: float) -> Iterator[Concern]:
    """What needs attention, most serious first."""
    if status.missing:
        yield Concern(
            "missing_resource",
            f"{' '.join(status.missing)} Restore what was deleted outside labelctl under the same name,"
            " or delete the stack with all photos and labels and deploy again:",
            (Command("destroy"), Command("deploy")),
        )
    if status.destroy_interrupted:
        yield Concern(
            "destroy_interrupted",
            "The bucket no longer reports new photos: destroying the stack was interrupted.",
            (Command("destroy"),),
        )
    elif status.has_notifications is False:
        yield Concern(
            "no_notifications",
            "The bucket no longer reports new photos, because another tool has replaced its event"
            " notifications. To restore them, and to queue the photos that were missed:",
            (Command("deploy"), Command("verify", "--repair")),
        )
    if status.dead_letters and (dead := status.dead_letters.depth):
        yield Concern(
            "dead_letters",
            f"{counted(dead, 'dead letter')} in the queue, after repeated errors.",
            (Command("failures"),),
        )
    if status.waiting_since:
        age = now - status.waiting_since.timestamp()
        if age >= stack.alarm_age:
            yield Concern(
                "too_old",
                f"The oldest waiting photo has been waiting for {span(age)}.",
                (Command("tail", "--since", "1h"),),
            )
    if status.error_count:
        count = f"More than {_MAX_COUNT:,} function errors"
        if status.error_count <= _MAX_COUNT:
            count = counted(status.error_count, "function error")
        yield Concern(
            "function_errors",
            f"{count} in the last hour.",
            (Command("tail", "--since", "1h"),),
        )
    if status.mails_alarms is False:
        address = stack.alarm_email
        yield Concern(
            "no_alarms",
            f"Alarms will not be sent: {address} has not confirmed the link in AWS's email. The link is"
            " valid for two days. To get a new one:",
            (Command("deploy", "--no-alarm"), Command("deploy", "--alarm-email", address)),
        )
    if status.failed:
        words = status.approximate.get(schema.FAILED, "")
        sentence = f"{words} {counted(status.failed, 'photo')} could not be labelled.".strip()
        yield Concern(
            "failed",
            sentence[0].upper() + sentence[1:],
            (Command("failures"),),
        )


def waiting_since(cloudwatch: CloudWatchClient, queue: str, now: float) -> datetime | None:
    """When the oldest message of the queue (by its URL) was sent, to the minute; None if unknown.

    From a CloudWatch metric, which lags by some minutes and is missing for a queue unused for hours. It
    ignores messages received three times or more. [SQS, Available CloudWatch metrics]
    """
    response = cloudwatch.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue.rpartition("/")[2]}],
        StartTime=datetime.fromtimestamp(now - _METRIC_MAX_AGE, UTC),
        EndTime=datetime.fromtimestamp(now + 60, UTC),
        Period=60,
        Statistics=["Maximum"],
    )
    points = response["Datapoints"]
    if not points:
        return None
    latest = max(points, key=lambda point: point["Timestamp"])
    age = latest["Maximum"]
    return latest["Timestamp"] - timedelta(seconds=age) if age else None


def mails_alarms(sns: SNSClient | None, stack: Stack) -> bool | None:
    """Whether the alarm address is confirmed; None without one.

    SNS lists an unconfirmed address without an ARN, and deletes it after two days.
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
        if is_missing(error):  # the topic was deleted by hand
            return False
        raise


def _latest_errors(
    logs: CloudWatchLogsClient, group: str, now: float
) -> tuple[tuple[function_log.LogEntry, ...], int]:
    """The latest errors of the last hour, oldest first, and their number, up to `_MAX_COUNT` + 1."""
    latest: tuple[function_log.LogEntry, ...] = ()
    found = 0
    until: dict[str, int] = {}  # no end for the first period: clocks differ
    for back in _LOOKBACKS:
        start = round((now - back) * 1000)
        last = deque[function_log.LogEntry](maxlen=_SHOWN_ERRORS)
        for line in islice(_errors(logs, group, startTime=start, **until), _MAX_COUNT + 1 - found):
            last.append(line)
            found += 1
        latest = (*last, *latest)[-_SHOWN_ERRORS:]
        until = {"endTime": start - 1}  # inclusive
    return latest, found


def _errors(
    logs: CloudWatchLogsClient, group: str, **period: int
) -> Iterator[function_log.LogEntry]:
    for events in function_log.fetch_events(logs, group, function_log.ERROR_PATTERN, **period):
        for event in sorted(events, key=lambda event: event["timestamp"]):
            line = function_log.parse(event["timestamp"], event["message"])
            if line is not None and line.is_error:
                yield line
