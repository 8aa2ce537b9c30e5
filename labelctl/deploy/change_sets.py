"""Changing a CloudFormation stack: plan (a change set), execute, delete.

This module does not depend on labelctl's template. A plan (a change set) can be shown, executed or
discarded, so a dry run uses the same code. Progress is a stream of stack events.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from labelctl.aws.errors import error_code
from labelctl.aws.throttling import poll
from labelctl.deploy import stack as stacks
from labelctl.deploy import stack_events
from labelctl.deploy.stack_events import Sleep, StackEvent, failure
from labelctl.errors import Command, DeployError, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

DATA_RESOURCE_TYPES = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue"}
"""Resource types that lose data when they are replaced or removed."""

_RACES = ("ChangeSetNotFound", "InvalidChangeSetStatus", "AlreadyExistsException")
_RACE_WORDS = ("cannot be created again", "_IN_PROGRESS state", "does not exist")
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_FIX_OR_REMOVE = (
    "Fix the cause and deploy again. To remove what was created instead: ",
    Command("destroy"),
)
_WAIT = ("Try again when `", Command("status"), "` shows that the change has finished.")


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


def merge_tags(*several: Mapping[str, str]) -> dict[str, str]:
    """Return all tags; later ones replace earlier ones whose keys differ at most in case.

    IAM rejects a role with two such keys. [IAM User Guide, Tags for IAM resources]
    """
    merged: dict[str, tuple[str, str]] = {}
    for tags in several:
        merged.update({key.casefold(): (key, value) for key, value in tags.items()})
    return dict(merged.values())


def plan(
    cloudformation: CloudFormationClient,
    name: str,
    template: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    *,
    default_tags: Mapping[str, str] = MappingProxyType({}),
    keep: Collection[str] = (),
    initial: Mapping[str, str] = MappingProxyType({}),
    sleep: Sleep = time.sleep,
) -> Plan:
    """Create a change set for a stack that may not exist yet.

    Parameters in `keep` that are not in `parameters` keep their deployed values; those in `initial`
    are set only if they have none. Existing tags are kept, too; they replace `default_tags`, and
    `tags` replace both. Raises DeployError if CloudFormation cannot create the change set.
    """
    stack = stacks.find(cloudformation, name)
    creates = stack is None or stack.status == "REVIEW_IN_PROGRESS"
    before = {} if stack is None or creates else stack.parameters
    parameters = {
        **{key: value for key, value in initial.items() if key not in before},
        **parameters,
    }
    kept = [key for key in keep if key in before and key not in parameters]
    parameter_list: list[Any] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
    ]
    parameter_list += [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]
    all_tags = merge_tags(default_tags, stack.tags if stack else {}, tags)
    with _refusing_races(name):
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
        with _refusing_races(name):
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
    for pause in stack_events.pauses():
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
    if stack and stack.status == "REVIEW_IN_PROGRESS" and not _others(cloudformation, planned):
        for _ in remove(cloudformation, planned.stack_id, sleep=sleep):
            pass


def _others(cloudformation: CloudFormationClient, planned: Plan) -> bool:
    """Return whether another user has planned a change of the same stack, or it is unknown."""
    from botocore.exceptions import ClientError

    try:
        summaries = cloudformation.list_change_sets(StackName=planned.stack)["Summaries"]
    except ClientError:
        return True
    return any(
        each["ChangeSetId"] != planned.change_set and each["Status"].startswith("CREATE_")
        for each in summaries
    )


def execute(
    cloudformation: CloudFormationClient, planned: Plan, *, sleep: Sleep = time.sleep
) -> Iterator[StackEvent]:
    """Execute a plan; yields stack events until it has finished. Without a change set, does nothing.

    Raises DeployError with the root cause if it fails, after CloudFormation has rolled back.
    """
    if planned.change_set is None:
        return
    cause: StackEvent | None = None
    last: StackEvent | None = None
    with _refusing_races(planned.stack):
        seen = {event.id for event in stack_events.read(cloudformation, planned.stack_id, set())}
        # Executing a change set deletes all others of the stack.
        cloudformation.execute_change_set(ChangeSetName=planned.change_set)
    for last in stack_events.follow(cloudformation, planned.stack_id, seen, sleep=sleep):
        cause = cause or (last if last.may_be_cause else None)
        yield last
    if last is None or last.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise failure(planned.stack, cause or last, *(_FIX_OR_REMOVE if planned.creates else ()))


@contextlib.contextmanager
def _refusing_races(stack: str) -> Iterator[None]:
    """Raise RefusedError for a refusal that means that another process is changing the stack."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message", "")
        if error_code(error) not in _RACES and not any(words in message for words in _RACE_WORDS):
            raise
        raise RefusedError(
            f'The stack "{stack}" is being changed by another process.',
            *_WAIT,
        ) from error


def remove(
    cloudformation: CloudFormationClient, stack_id: str, *, sleep: Sleep = time.sleep
) -> Iterator[StackEvent]:
    """Delete a stack; yields stack events. Raises DeployError with the root cause if it fails."""
    before = stack_events.read(cloudformation, stack_id, set())
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
    for last in stack_events.follow(cloudformation, stack_id, seen, is_over=is_gone, sleep=sleep):
        cause = cause or (last if last.may_be_cause else None)
        yield last
    if not gone and (last is None or last.status != "DELETE_COMPLETE"):
        name = stack_id.split("/")[-2] if "/" in stack_id else stack_id
        raise failure(name, cause or last, "Fix the cause, then run the same command to resume.")


def refuse_if_busy(stack: stacks.Stack) -> None:
    """Raise RefusedError if the stack is being changed."""
    if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise RefusedError(
            f'The stack "{stack.name}" is being changed right now ({stack.status}).',
            *_WAIT,
        )
