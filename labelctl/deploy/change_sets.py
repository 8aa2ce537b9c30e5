"""Changing a stack through CloudFormation: plan (a change set), carry out, follow, delete.

It knows nothing of labelctl's own template. A plan is a value that can be shown, carried out or
discarded, so that a dry run is not another way through the code. What CloudFormation does is told
as a stream of events; the first failed one is the cause, the rest is fall-out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from labelctl.aws.clients import code_of
from labelctl.deploy import stack as stacks
from labelctl.errors import DeployError, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

HOLDS_DATA = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue"}
"""The types of resources that lose something when they are replaced or removed."""

_FALL_OUT = ("creation cancelled", "creation Cancelled", "update cancelled", "update Cancelled")
_PASSING = "Unable to validate the following destination"
"""S3's words while a new queue's policy is not known to it: SQS needs up to 60 seconds to spread one
[SQS API, SetQueueAttributes]."""
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_PAUSES = (
    0.3,
    0.5,
    1.0,
    1.0,
    2.0,
    2.0,
    3.0,
    5.0,
)  # then 5 s: CloudFormation throttles who asks often

_IDLE = 4  # looks without an event, about 3 s

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Change:
    """One resource that a plan adds, modifies, replaces, may replace, or removes.

    `action` is Add, Modify, Replace, "May replace", Remove or Import; `why` names the properties.
    """

    action: str
    name: str
    type: str
    why: str

    @property
    def loses_data(self) -> bool:
        """Whether carrying it out may lose photos, labels or waiting messages."""
        return self.type in HOLDS_DATA and self.action in ("Replace", "May replace", "Remove")


@dataclass(frozen=True)
class Plan:
    """A change set that waits to be carried out; with no changes there is nothing left of it."""

    stack: str
    stack_id: str
    change_set: str
    creates: bool
    changes: Sequence[Change]
    parameters: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The parameters that change: their values before and after."""


@dataclass(frozen=True)
class Progress:
    """One event of a stack: a resource (or the stack itself, `is_stack`) reached a status."""

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
        """Whether it failed by itself, and not because something else had failed."""
        return self.failed and not self.is_stack and not self.reason.endswith(_FALL_OUT)


def pauses() -> Iterator[float]:
    """Seconds to wait between two looks: short at first, then 5."""
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
    """Make a change set. Parameters in `keep` that are not given keep their deployed value; tags
    are added to those there are.

    Raises RefusedError when CloudFormation will not have the template or the stack is busy.
    """
    stack = stacks.find(cloudformation, name)
    creates = stack is None or stack.status == "REVIEW_IN_PROGRESS"
    before = {} if stack is None or creates else stack.parameters
    kept = [key for key in keep if key in before and key not in parameters]
    given: list[Any] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
    ]
    given += [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]
    every_tag = {**(stack.tags if stack else {}), **tags}
    made = cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=f"labelctl-{time.time_ns()}",
        ChangeSetType="CREATE" if creates else "UPDATE",
        TemplateBody=template,
        Parameters=given,
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": key, "Value": value} for key, value in every_tag.items()],
    )
    changed = {
        key: (before[key], value)
        for key, value in parameters.items()
        if key in before and before[key] != value
    }
    planned = Plan(name, made["StackId"], made["Id"], creates, (), changed)
    try:
        status, reason, changes = _await_change_set(cloudformation, made["Id"], sleep)
    except BaseException:  # Ctrl-C too
        discard(cloudformation, planned, sleep=sleep)
        raise
    planned = replace(planned, changes=changes)
    if status == "FAILED":
        discard(cloudformation, planned, sleep=sleep)
        if not any(words in reason for words in _NO_CHANGES):
            raise DeployError(f"CloudFormation cannot plan the change: {reason}")
        return Plan(name, made["StackId"], made["Id"], creates, ())
    return planned


def _await_change_set(
    cloudformation: CloudFormationClient, change_set: str, sleep: Sleep
) -> tuple[str, str, list[Change]]:
    for pause in pauses():
        pages = cloudformation.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set
        )
        described = list(pages)
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
    """Leave nothing of a plan: its change set, and the empty stack that a first plan makes."""
    from botocore.exceptions import ClientError

    # One that is still being made cannot be deleted; it goes with its empty stack.
    with contextlib.suppress(ClientError):
        cloudformation.delete_change_set(ChangeSetName=planned.change_set)
    if not planned.creates:
        return
    stack = stacks.find(cloudformation, planned.stack_id)
    if stack and stack.status == "REVIEW_IN_PROGRESS":  # and not somebody else's deploy by now
        for _ in remove(cloudformation, planned.stack_id, sleep=sleep):
            pass


def carry_out(
    cloudformation: CloudFormationClient, planned: Plan, *, sleep: Sleep = time.sleep
) -> Iterator[Progress]:
    """Execute a plan and tell what happens, until it is over.

    Raises DeployError with the first cause when it fails; CloudFormation has rolled back by then.
    """
    seen = {event.id for event in _events(cloudformation, planned.stack_id, set())}
    _execute(cloudformation, planned)
    cause: Progress | None = None
    last: Progress | None = None
    for last in follow(cloudformation, planned.stack_id, seen, sleep=sleep):
        cause = cause or (last if last.may_be_cause else None)
        yield last
    if last is None or last.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise failure(planned.stack, cause or last)


def _execute(cloudformation: CloudFormationClient, planned: Plan) -> None:
    from botocore.exceptions import ClientError

    try:
        cloudformation.execute_change_set(ChangeSetName=planned.change_set)
    except ClientError as error:
        if code_of(error) not in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
            raise
        # Executing one change set of a stack deletes the others.
        raise RefusedError(
            f'Somebody else is changing the stack "{planned.stack}" right now.',
            "Try again when that has ended; `labelctl status` tells.",
        ) from error


def remove(
    cloudformation: CloudFormationClient, stack_id: str, *, sleep: Sleep = time.sleep
) -> Iterator[Progress]:
    """Delete a stack and tell what happens. Raises DeployError with the first cause."""
    before = _events(cloudformation, stack_id, set())
    if before and before[-1].is_stack and before[-1].status == "DELETE_COMPLETE":
        return  # an earlier deletion has just ended: there will be no more events
    cloudformation.delete_stack(StackName=stack_id)
    gone = False

    def is_gone() -> bool:
        nonlocal gone
        stack = stacks.find(cloudformation, stack_id)
        gone = stack is None or stack.status == "DELETE_COMPLETE"
        return gone

    cause: Progress | None = None
    last: Progress | None = None
    seen = {event.id for event in before}
    for last in follow(cloudformation, stack_id, seen, is_over=is_gone, sleep=sleep):
        cause = cause or (last if last.may_be_cause else None)
        yield last
    if not gone and (last is None or last.status != "DELETE_COMPLETE"):
        name = stack_id.split("/")[-2] if "/" in stack_id else stack_id
        raise failure(name, cause or last, "Mend the cause and run the command again; it goes on.")


def failure(
    name: str,
    cause: Progress | None,
    hint: str = "Mend the cause and deploy again.",
) -> DeployError:
    """The error that tells of a failed change by its first cause."""
    if cause is None:
        return DeployError(
            f'The change of the stack "{name}" failed.', "Look at `labelctl status`."
        )
    if _PASSING in cause.reason:
        hint = "S3 did not know the new queue's policy yet, which passes: deploy again."
    return DeployError(
        f'The change of the stack "{name}" failed at {cause.name} ({cause.type}): '
        f"{cause.reason or cause.status}",
        hint,
    )


def first_cause(cloudformation: CloudFormationClient, stack_id: str) -> Progress | None:
    """The event that a failed stack's last change failed by, if it is still told."""
    cause: Progress | None = None
    for event in _events(cloudformation, stack_id, set()):
        if event.is_stack and event.status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
            cause = None  # a new attempt begins
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
) -> Iterator[Progress]:
    """A stack's events that are not in `seen`, oldest first, until the stack is at rest.

    `is_over` is asked when no event has come for a while: a stack that was only ever planned may go
    without one.
    """
    idle = 0
    for pause in pauses():
        fresh = _events(cloudformation, stack_id, seen)
        for event in fresh:
            seen.add(event.id)
            yield event
            if event.is_stack and not event.status.endswith("_IN_PROGRESS"):
                return
        idle = 0 if fresh else idle + 1
        if idle >= _IDLE and is_over():
            return
        sleep(pause)


def _events(cloudformation: CloudFormationClient, stack_id: str, seen: set[str]) -> list[Progress]:
    """The events before the first one that was seen (they come newest first), oldest first."""
    fresh: list[Progress] = []
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    for event in chain.from_iterable(page["StackEvents"] for page in pages):
        if event["EventId"] in seen:
            break
        fresh.append(
            Progress(
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
    """Raise RefusedError when somebody else's change of the stack is under way."""
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise RefusedError(
            f'The stack "{stack.name}" is being changed right now ({stack.status}).',
            "Try again when that has ended; `labelctl status` tells.",
        )
