"""Changing a CloudFormation stack: plan (a change set), execute, follow the events, delete.

This module does not depend on labelctl's template. A plan (a change set) can be shown, executed or
discarded, so a dry run uses the same code. Progress is a stream of stack events; the first failed
event is the root cause of a failure.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from labelctl.aws.errors import error_code
from labelctl.aws.throttling import poll
from labelctl.deploy import stack as stacks
from labelctl.errors import Command, DeployError, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

DATA_RESOURCE_TYPES = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue"}
"""Resource types that lose data when they are replaced or removed."""

_CONSEQUENCES = ("creation cancelled", "creation Cancelled", "update cancelled", "update Cancelled")
_POLICY_NOT_YET_VISIBLE = "Unable to validate the following destination"
"""S3's error while a new queue policy is not yet in effect, which takes SQS up to 60 seconds.
[SQS API, SetQueueAttributes]"""
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
# Seconds; the last one is repeated. CloudFormation throttles frequent requests.
_PAUSES = (0.3, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0)
_IDLE = 4  # requests without a new event, about 3 s
_FIX_OR_REMOVE = (
    "Fix the cause and deploy again. To remove what was created instead: ",
    Command("destroy"),
)
_WAIT = ("Try again when `", Command("status"), "` shows that the change has finished.")

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Change:
    """The planned change of one resource.

    `action` is Add, Modify, Replace, "May replace", Remove or Import. `why` lists the properties
    that cause the change.
    """

    action: str
    name: str
    type: str
    why: str

    @property
    def loses_data(self) -> bool:
        """Whether the change may delete photos, labels or waiting messages."""
        return self.type in DATA_RESOURCE_TYPES and self.action in (
            "Replace",
            "May replace",
            "Remove",
        )


@dataclass(frozen=True)
class Plan:
    """A change set that can be executed.

    `change_set` is None if nothing would change. `changes` are those of resources. It can be empty
    although there is a change set, which then changes only outputs, for example.
    """

    stack: str
    stack_id: str
    change_set: str | None
    creates: bool
    changes: Sequence[Change]
    parameters: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The parameters that change: (old value, new value)."""


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


def plan(
    cloudformation: CloudFormationClient,
    name: str,
    template: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    *,
    keep: Collection[str] = (),
    sleep: Sleep = time.sleep,
) -> Plan:
    """Create a change set for a stack that may not exist yet.

    Parameters in `keep` that are not in `parameters` keep their deployed values. Existing tags are
    kept, too. Raises DeployError if CloudFormation cannot create the change set.
    """
    stack = stacks.find(cloudformation, name)
    creates = stack is None or stack.status == "REVIEW_IN_PROGRESS"
    before = {} if stack is None or creates else stack.parameters
    kept = [key for key in keep if key in before and key not in parameters]
    parameter_list: list[Any] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
    ]
    parameter_list += [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]
    all_tags = {**(stack.tags if stack else {}), **tags}
    created = cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=f"labelctl-{time.time_ns()}",
        ChangeSetType="CREATE" if creates else "UPDATE",
        TemplateBody=template,
        Parameters=parameter_list,
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": key, "Value": value} for key, value in all_tags.items()],
    )
    changed = {
        key: (before[key], value)
        for key, value in parameters.items()
        if key in before and before[key] != value
    }
    planned = Plan(name, created["StackId"], created["Id"], creates, (), changed)
    try:
        status, reason, changes = _await_change_set(cloudformation, created["Id"], sleep)
    except BaseException:  # including Ctrl-C
        discard(cloudformation, planned, sleep=sleep)
        raise
    planned = replace(planned, changes=changes)
    if status == "FAILED":
        discard(cloudformation, planned, sleep=sleep)
        if not any(words in reason for words in _NO_CHANGES):
            raise DeployError(f"CloudFormation cannot plan the change: {reason}")
        return replace(planned, change_set=None, changes=(), parameters={})
    return planned


def _await_change_set(
    cloudformation: CloudFormationClient, change_set: str, sleep: Sleep
) -> tuple[str, str, list[Change]]:
    for pause in pauses():
        described = poll(lambda: _describe(cloudformation, change_set), sleep)
        if described[0]["Status"] in ("CREATE_COMPLETE", "FAILED"):
            break
        sleep(pause)
    changes = [
        _parse_change(change["ResourceChange"])
        for page in described
        for change in page.get("Changes", ())
        if "ResourceChange" in change
    ]
    return described[0]["Status"], described[0].get("StatusReason", ""), changes


def _describe(cloudformation: CloudFormationClient, change_set: str) -> list[Any]:
    paginator = cloudformation.get_paginator("describe_change_set")
    return list(paginator.paginate(ChangeSetName=change_set))


def _parse_change(change: Any) -> Change:
    action = change["Action"]
    if action == "Modify":
        action = {"True": "Replace", "Conditional": "May replace"}.get(
            change.get("Replacement", "False"), "Modify"
        )
    properties = {
        detail["Target"].get("Name") or detail["Target"].get("Attribute", "")
        for detail in change.get("Details", ())
        if "Target" in detail
    }
    return Change(
        action=action,
        name=change["LogicalResourceId"],
        type=change["ResourceType"],
        why=", ".join(sorted(properties - {""})),
    )


def discard(
    cloudformation: CloudFormationClient, planned: Plan, *, sleep: Sleep = time.sleep
) -> None:
    """Delete a plan's change set, and the empty stack that the first plan of a stack creates."""
    from botocore.exceptions import ClientError

    if planned.change_set is None:
        return
    # A change set that is still being created cannot be deleted; it is deleted with its empty stack.
    with contextlib.suppress(ClientError):
        cloudformation.delete_change_set(ChangeSetName=planned.change_set)
    if not planned.creates:
        return
    stack = stacks.find(cloudformation, planned.stack_id)
    if stack and stack.status == "REVIEW_IN_PROGRESS":  # not deployed by another user meanwhile
        for _ in remove(cloudformation, planned.stack_id, sleep=sleep):
            pass


def execute(
    cloudformation: CloudFormationClient, planned: Plan, *, sleep: Sleep = time.sleep
) -> Iterator[StackEvent]:
    """Execute a plan; yields stack events until it has finished. Without a change set, does nothing.

    Raises DeployError with the root cause if it fails, after CloudFormation has rolled back.
    """
    if planned.change_set is None:
        return
    seen = {event.id for event in _events(cloudformation, planned.stack_id, set())}
    _execute(cloudformation, planned.stack, planned.change_set)
    cause: StackEvent | None = None
    last: StackEvent | None = None
    for last in follow(cloudformation, planned.stack_id, seen, sleep=sleep):
        cause = cause or (last if last.may_be_cause else None)
        yield last
    if last is None or last.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise failure(planned.stack, cause or last, *(_FIX_OR_REMOVE if planned.creates else ()))


def _execute(cloudformation: CloudFormationClient, stack: str, change_set: str) -> None:
    from botocore.exceptions import ClientError

    try:
        cloudformation.execute_change_set(ChangeSetName=change_set)
    except ClientError as error:
        if error_code(error) not in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
            raise
        # Executing a change set deletes all others of the stack.
        raise RefusedError(
            f'The stack "{stack}" is being changed by another process.',
            *_WAIT,
        ) from error


def remove(
    cloudformation: CloudFormationClient, stack_id: str, *, sleep: Sleep = time.sleep
) -> Iterator[StackEvent]:
    """Delete a stack; yields stack events. Raises DeployError with the root cause if it fails."""
    before = _events(cloudformation, stack_id, set())
    if before and before[-1].is_stack and before[-1].status == "DELETE_COMPLETE":
        return  # an earlier deletion has just finished: no more events will come
    cloudformation.delete_stack(StackName=stack_id)
    gone = False

    def is_gone() -> bool:
        nonlocal gone
        stack = stacks.find(cloudformation, stack_id)
        gone = stack is None or stack.status == "DELETE_COMPLETE"
        return gone

    cause: StackEvent | None = None
    last: StackEvent | None = None
    seen = {event.id for event in before}
    for last in follow(cloudformation, stack_id, seen, is_over=is_gone, sleep=sleep):
        cause = cause or (last if last.may_be_cause else None)
        yield last
    if not gone and (last is None or last.status != "DELETE_COMPLETE"):
        name = stack_id.split("/")[-2] if "/" in stack_id else stack_id
        raise failure(name, cause or last, "Fix the cause, then run the same command to resume.")


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
    for event in _events(cloudformation, stack_id, set()):
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
        fresh = poll(lambda: _events(cloudformation, stack_id, seen), sleep)
        for event in fresh:
            seen.add(event.id)
            yield event
            if event.is_stack and not event.status.endswith("_IN_PROGRESS"):
                return
        idle = 0 if fresh else idle + 1
        if idle >= _IDLE and poll(is_over, sleep):
            return
        sleep(pause)


def _events(
    cloudformation: CloudFormationClient, stack_id: str, seen: set[str]
) -> list[StackEvent]:
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


def refuse_if_busy(stack: stacks.Stack) -> None:
    """Raise RefusedError if the stack is being changed."""
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise RefusedError(
            f'The stack "{stack.name}" is being changed right now ({stack.status}).',
            *_WAIT,
        )
