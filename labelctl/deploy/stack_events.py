"""The events of a CloudFormation stack: reading and following them, and the root cause of a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING

from labelctl.aws.throttling import poll
from labelctl.errors import Command, DeployError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_CONSEQUENCES = ("creation cancelled", "creation Cancelled", "update cancelled", "update Cancelled")
_POLICY_NOT_YET_VISIBLE = "Unable to validate the following destination"
"""S3's error while a new queue policy is not yet in effect, which takes SQS up to 60 seconds.
[SQS API, SetQueueAttributes]"""
# Seconds; the last one is repeated. CloudFormation throttles frequent requests.
_PAUSES = (0.3, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0)
_IDLE = 4  # requests without a new event, about 3 s

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class StackEvent:
    """A stack event: a resource, or the stack itself (`is_stack`), reached a status."""

    id: str
    at: datetime
    name: str
    type: str
    status: str
    reason: str
    is_stack: bool

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")

    @property
    def may_be_cause(self) -> bool:
        """Whether this may be a root cause, and not a consequence of another failure."""
        return self.failed and not self.is_stack and not self.reason.endswith(_CONSEQUENCES)


def pauses() -> Iterator[float]:
    """Yield the pauses between two requests, in seconds: short at first, then 5."""
    return chain(_PAUSES, repeat(_PAUSES[-1]))


def failure(
    name: str,
    cause: StackEvent | None,
    *hint: str | Command,
) -> DeployError:
    """Return the error for a failed change, given its root cause."""
    if cause is None:
        return DeployError(
            f'Changing the stack "{name}" failed.', "Run `", Command("status"), "` for details."
        )
    if _POLICY_NOT_YET_VISIBLE in cause.reason:
        hint = ("The new queue policy was not yet in effect. Deploy again.",)
    return DeployError(
        f'Changing the stack "{name}" failed at {cause.name} ({cause.type}): '
        f"{cause.reason or cause.status}",
        *(hint or ("Fix the cause and deploy again.",)),
    )


def root_cause(cloudformation: CloudFormationClient, stack_id: str) -> StackEvent | None:
    """Return the event that made the last change of a stack fail, if it is still available."""
    cause: StackEvent | None = None
    for event in read(cloudformation, stack_id, set()):
        if event.is_stack and event.status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
            cause = None  # a new change begins
        elif cause is None and event.may_be_cause:
            cause = event
    return cause


def follow(
    cloudformation: CloudFormationClient,
    stack_id: str,
    seen: set[str],
    *,
    is_over: Callable[[], bool] = lambda: False,
    sleep: Sleep = time.sleep,
) -> Iterator[StackEvent]:
    """Yield the events of a stack that are not in `seen`, oldest first, until it has settled.

    `is_over` is called after a while without events, because a stack that was never deployed may be
    deleted without an event.
    """
    idle = 0
    for pause in pauses():
        fresh = poll(lambda: read(cloudformation, stack_id, seen), sleep)
        for event in fresh:
            seen.add(event.id)
            yield event
            if event.is_stack and not event.status.endswith("_IN_PROGRESS"):
                return
        idle = 0 if fresh else idle + 1
        if idle >= _IDLE and poll(is_over, sleep):
            return
        sleep(pause)


def read(cloudformation: CloudFormationClient, stack_id: str, seen: set[str]) -> list[StackEvent]:
    """Return the events that are newer than those in `seen`, oldest first."""
    fresh: list[StackEvent] = []
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    for event in chain.from_iterable(page["StackEvents"] for page in pages):  # newest first
        if event["EventId"] in seen:
            break
        fresh.append(
            StackEvent(
                id=event["EventId"],
                at=event["Timestamp"],
                name=event.get("LogicalResourceId", ""),
                type=event.get("ResourceType", ""),
                status=event.get("ResourceStatus", ""),
                reason=event.get("ResourceStatusReason", ""),
                is_stack=event.get("PhysicalResourceId") == event["StackId"],
            )
        )
    return fresh[::-1]
