"""Deploying labelctl's stacks, in steps:

    find_failed_first_deploy  find a stack whose first deploy failed, to be removed
    plan_artifacts            plan the stack with the artifact bucket, to be executed
    plan                      upload the zip to the bucket under its hash, create the change set
    execute                   execute the change set, protect the stack against deletion

Nothing here prints or prompts: the steps yield stack events, and the caller confirms the plans.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.aws.clients import Aws
from labelctl.aws.errors import is_missing
from labelctl.aws.throttling import poll
from labelctl.deploy import assets, change_sets, notifications, package, stack_events
from labelctl.deploy import stack as stacks
from labelctl.deploy.change_sets import Plan
from labelctl.deploy.quotas import Quotas
from labelctl.deploy.stack import QUOTA, SETTINGS, Settings, Stack, artifacts_name
from labelctl.deploy.stack_events import Sleep, StackEvent
from labelctl.errors import Command, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TAGS = {"application": "labelctl"}
PLACEHOLDER_BUCKET = "NOT_CREATED_YET"
"""The artifact bucket's name in a dry run before the first deploy. S3 does not allow it.
[S3 User Guide, Bucket naming rules]
"""

_FAILED_FIRST = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
"""Statuses of a stack whose first deploy failed. It cannot be updated, only deleted and recreated."""
_FINISH_DESTROYING = ("Run `", Command("destroy"), "` to finish it, then deploy again.")


@dataclass(frozen=True)
class FailedFirstDeploy:
    """A stack whose first deploy failed, and the root cause of that."""

    stack: Stack
    cause: StackEvent | None


def find_failed_first_deploy(aws: Aws, name: str) -> FailedFirstDeploy | None:
    """Return the stack if its first deploy failed, else None.

    Raises RefusedError if the stack is being changed or destroyed, cannot be updated, or does not
    belong to labelctl, and ClientError if one of its resources was deleted.
    """
    return _failed_first(aws, name, stacks.PIPELINE)


def _failed_first(aws: Aws, name: str, kind: str) -> FailedFirstDeploy | None:
    stack = stacks.find(aws.cloudformation, name)
    if stack is None:
        return None
    stacks.refuse_if_foreign(stack, kind)
    change_sets.refuse_if_busy(stack)
    if stack.status == "DELETE_FAILED":
        raise RefusedError(
            f'Destroying the stack "{name}" failed.',
            *_FINISH_DESTROYING,
        )
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        raise RefusedError(
            f'The stack "{name}" could not be rolled back: {stack.reason}',
            "Fix the cause, then run: ",
            Command(
                *("cloudformation", "continue-update-rollback"),
                *("--stack-name", name, "--region", stack.region),
                program="aws",
            ),
            "\nTo delete the stack with all photos and labels instead: ",
            Command("destroy"),
        )
    if stack.status in _FAILED_FIRST:
        return FailedFirstDeploy(stack, stack_events.root_cause(aws.cloudformation, stack.id))
    if kind != stacks.PIPELINE or not stack.outputs.keys() >= stacks.OUTPUTS:
        return None
    _check_resources(aws, stack)
    if notifications.is_destroy_interrupted(aws, stack):
        raise RefusedError(
            f'Destroying the stack "{name}" was interrupted.',
            *_FINISH_DESTROYING,
        )
    return None


def _check_resources(aws: Aws, stack: Stack) -> None:
    """Raise ClientError if a bucket, table or queue no longer exists.

    CloudFormation does not notice this, and would report the stack as up to date.
    """
    from botocore.exceptions import ClientError

    arn: Any = ["QueueArn"]  # without a name, the response would be empty
    requests: list[Callable[[], Any]] = [
        lambda: aws.s3.get_bucket_notification_configuration(Bucket=stack.bucket),
        lambda: aws.dynamodb.describe_table(TableName=stack.table),
        lambda: aws.dynamodb.describe_table(TableName=stack.labels_table),
        lambda: aws.sqs.get_queue_attributes(QueueUrl=stack.queue, AttributeNames=arn),
        lambda: aws.sqs.get_queue_attributes(QueueUrl=stack.dead_letter_queue, AttributeNames=arn),
    ]
    for request in requests:
        try:
            request()
        except ClientError as error:
            if is_missing(error):
                raise


def plan_artifacts(
    aws: Aws, name: str, tags: Mapping[str, str], *, sleep: Sleep = time.sleep
) -> Plan:
    """Return how the small stack with the bucket for the function's zips would change.

    Raises RefusedError if another stack has its name.
    """
    artifacts = artifacts_name(name)
    failed = _failed_first(aws, artifacts, stacks.ARTIFACTS)
    if failed:
        for _ in change_sets.remove(aws.cloudformation, failed.stack.id, sleep=sleep):
            pass
    return change_sets.plan(
        aws.cloudformation,
        artifacts,
        assets.template("artifacts.yaml"),
        {},
        tags,
        default_tags=TAGS,
        sleep=sleep,
    )


def plan(
    aws: Aws,
    name: str,
    settings: Settings,
    quotas: Quotas = Quotas(),  # noqa: B008 - immutable
    *,
    dry: bool = False,
    sleep: Sleep = time.sleep,
    uploading: Callable[[int], object] = lambda _: None,
) -> Plan:
    """Return what a deploy would change. Uploads the function's zip first, unless `dry`.

    `quotas` decide the concurrency of a new stack, unless `settings` do. The stack's copy of
    Rekognition's quota is always updated, because nobody chooses it.

    `uploading` is called before the upload with the zip's size in bytes, and with 0 after it.
    """
    artifacts = stacks.find(aws.cloudformation, artifacts_name(name))
    if artifacts:
        stacks.refuse_if_foreign(artifacts, stacks.ARTIFACTS)
    bucket = artifacts.outputs.get("Bucket") if artifacts else None
    bundle = package.build()
    if bucket is None and not dry:
        raise RefusedError(
            f'The stack "{artifacts_name(name)}" was changed by another process: it has no bucket.',
            "Deploy again: ",
            Command("deploy"),
        )
    if bucket is not None and not dry:
        uploading(len(bundle.content))
        _put_once(aws.s3, bucket, bundle)
        uploading(0)
    bucket = bucket or PLACEHOLDER_BUCKET
    parameters = {"CodeBucket": bucket, "CodeKey": bundle.name, **settings.parameters()}
    if quotas.calls_per_second is not None:
        parameters[QUOTA] = str(quotas.calls_per_second)
    initial = {} if quotas.concurrency is None else {"Concurrency": str(quotas.concurrency)}
    return change_sets.plan(
        aws.cloudformation,
        name,
        assets.template("template.yaml"),
        parameters,
        settings.tags,
        default_tags=TAGS,
        keep=(*SETTINGS, QUOTA),
        initial=initial,
        sleep=sleep,
    )


def _put_once(s3: S3Client, bucket: str, bundle: package.Bundle) -> None:
    from botocore.exceptions import ClientError

    try:
        s3.head_object(Bucket=bucket, Key=bundle.name)
    except ClientError as error:
        if not is_missing(error):
            raise
        s3.put_object(Bucket=bucket, Key=bundle.name, Body=bundle.content)


def execute(aws: Aws, planned: Plan, *, sleep: Sleep = time.sleep) -> Iterator[StackEvent]:
    """Execute the plan, then protect the stack; yields stack events. Raises DeployError."""
    yield from change_sets.execute(aws.cloudformation, planned, sleep=sleep)
    deployed = poll(lambda: stacks.find(aws.cloudformation, planned.stack), sleep)
    if deployed and not deployed.protected:
        protection: Any = {"StackName": planned.stack, "EnableTerminationProtection": True}
        poll(lambda: aws.cloudformation.update_termination_protection(**protection), sleep)
