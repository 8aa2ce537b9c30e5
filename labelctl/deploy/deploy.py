"""Deploying: the zip into the artifact bucket, then labelctl's template, in steps one can show.

    leftover          what an earlier failed first deploy left, to be cleaned up
    ensure_artifacts  make the artifact bucket
    plan              put the zip there under its hash, make the change set
    carry_out         execute it and protect the stack against deletion

It prints nothing and asks nothing: what happens is told as `changes.Progress` events, and what is
to be asked is the caller's to see in the plan.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelctl.aws.clients import Aws, is_missing
from labelctl.deploy import assets, change_sets, package
from labelctl.deploy import stack as stacks
from labelctl.deploy.change_sets import Plan, Progress, Sleep
from labelctl.deploy.stack import SETTINGS, Settings, Stack, artifacts_name
from labelctl.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TAGS = {"application": "labelctl"}
NO_BUCKET_YET = "not-made-yet"
"""Stands for the artifact bucket's name in a dry run before the first deploy."""

_FAILED_FIRST = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
"""A stack whose first deploy failed: it cannot be updated, only deleted and made anew."""


@dataclass(frozen=True)
class Leftover:
    """A stack that cannot be deployed over, and the cause that its last deploy failed by."""

    stack: Stack
    cause: Progress | None


def leftover(aws: Aws, name: str) -> Leftover | None:
    """What an earlier failed first deploy left, if anything.

    Raises RefusedError for a stack that is busy, stuck, or not labelctl's.
    """
    stack = stacks.find(aws.cloudformation, name)
    if stack is None:
        return None
    stacks.refuse_if_foreign(stack)
    change_sets.refuse_if_busy(stack)
    if stack.status == "DELETE_FAILED":
        raise RefusedError(
            f'The stack "{name}" was being destroyed, and that did not end.',
            "Finish it first: labelctl destroy",
        )
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        raise RefusedError(
            f'The stack "{name}" could not be rolled back: {stack.reason}',
            f"Mend the cause, then: aws cloudformation continue-update-rollback --stack-name {name}",
        )
    if stack.status in _FAILED_FIRST:
        return Leftover(stack, change_sets.first_cause(aws.cloudformation, stack.id))
    if "PhotosBucket" in stack.outputs and not stacks.takes_photos(aws.s3, stack.bucket):
        raise RefusedError(
            f'The stack "{name}" was being destroyed, and that was cut off.',
            "Finish it first: labelctl destroy",
        )
    return None


def ensure_artifacts(
    aws: Aws, name: str, tags: Mapping[str, str], *, sleep: Sleep = time.sleep
) -> Iterator[Progress]:
    """Make (or bring up to date) the small stack that holds this stack's zips."""
    artifacts = artifacts_name(name)
    left = leftover(aws, artifacts)
    if left:
        yield from change_sets.remove(aws.cloudformation, left.stack.id, sleep=sleep)
    planned = change_sets.plan(
        aws.cloudformation,
        artifacts,
        assets.template("artifacts.yaml"),
        {},
        {**TAGS, **tags},
        sleep=sleep,
    )
    if planned.changes:
        yield from change_sets.carry_out(aws.cloudformation, planned, sleep=sleep)


def plan(
    aws: Aws, name: str, settings: Settings, *, dry: bool = False, sleep: Sleep = time.sleep
) -> Plan:
    """What a deploy would change. Puts the zip into the artifact bucket first, unless `dry`."""
    artifacts = stacks.find(aws.cloudformation, artifacts_name(name))
    bucket = artifacts.outputs.get("Bucket", NO_BUCKET_YET) if artifacts else NO_BUCKET_YET
    zipped = package.build()
    if not dry:
        _put_once(aws.s3, bucket, zipped)
    parameters = {"CodeBucket": bucket, "CodeKey": zipped.name, **settings.parameters()}
    return change_sets.plan(
        aws.cloudformation,
        name,
        assets.template("template.yaml"),
        parameters,
        {**TAGS, **settings.tags},
        keep=SETTINGS,
        sleep=sleep,
    )


def _put_once(s3: S3Client, bucket: str, zipped: package.Bundle) -> None:
    from botocore.exceptions import ClientError

    try:
        s3.head_object(Bucket=bucket, Key=zipped.name)
    except ClientError as error:
        if not is_missing(error):
            raise
        s3.put_object(Bucket=bucket, Key=zipped.name, Body=zipped.content)


def carry_out(aws: Aws, planned: Plan, *, sleep: Sleep = time.sleep) -> Iterator[Progress]:
    """Execute the plan, tell what happens, and protect the stack. Raises DeployError."""
    if planned.changes:
        yield from change_sets.carry_out(aws.cloudformation, planned, sleep=sleep)
    deployed = stacks.find(aws.cloudformation, planned.stack)
    if deployed and not deployed.protected:
        aws.cloudformation.update_termination_protection(
            StackName=planned.stack, EnableTerminationProtection=True
        )
