"""Taking everything down again: photos, labels, queues, function, log, zips.

Each step may be cut off and done again, and what is already gone is passed over: the names of what
is still there come from CloudFormation's list of the stack's resources, not from its outputs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labelctl.aws import objects
from labelctl.aws.clients import Aws, code_of, is_missing
from labelctl.deploy import change_sets
from labelctl.deploy import stack as stacks
from labelctl.deploy.change_sets import Progress, Sleep
from labelctl.deploy.stack import Stack, artifacts_name
from labelctl.errors import DeployError, NotDeployedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef

_TRIES = 5
"""How often a bucket is emptied again because somebody put something into it meanwhile."""


def doomed(aws: Aws, name: str) -> list[Stack]:
    """The stacks that there are to delete.

    Raises NotDeployedError when there is none, RefusedError for one that is not labelctl's or busy.
    """
    main = stacks.find(aws.cloudformation, name)
    if main:
        stacks.refuse_if_foreign(main)
    artifacts = stacks.find(aws.cloudformation, artifacts_name(name))
    there = [stack for stack in (main, artifacts) if stack and stack.ours]
    if not there:
        raise NotDeployedError(
            f'There is no stack "{name}", and nothing is left of one.',
            "--stack and --region choose another.",
        )
    for stack in there:
        if stack.status != "DELETE_IN_PROGRESS":
            change_sets.refuse_if_busy(stack)
    return there


def destroy(aws: Aws, stack: Stack, *, sleep: Sleep = time.sleep) -> Iterator[int | Progress]:
    """Delete one stack and all that it holds.

    Yields the number of object versions deleted since the last number, and the stack's events.
    Raises DeployError when CloudFormation cannot delete it; it can be run again then.
    """
    if stack.protected:
        aws.cloudformation.update_termination_protection(
            StackName=stack.name, EnableTerminationProtection=False
        )
    held = _resources(aws, stack)
    for table in held.get("AWS::DynamoDB::Table", ()):
        _unprotect(aws, table)
    for attempt in range(_TRIES):
        for bucket in held.get("AWS::S3::Bucket", ()):
            yield from empty(aws.s3, bucket)
        try:
            yield from change_sets.remove(aws.cloudformation, stack.id, sleep=sleep)
        except DeployError as error:
            full = "not empty" in error.message or "BucketNotEmpty" in error.message
            if not full or attempt == _TRIES - 1:
                raise
        else:
            return


def _resources(aws: Aws, stack: Stack) -> dict[str, list[str]]:
    """The physical ids of what is still there, by type."""
    held: dict[str, list[str]] = {}
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.id)
    for page in pages:
        for resource in page["StackResourceSummaries"]:
            physical = resource.get("PhysicalResourceId")
            if physical and resource["ResourceStatus"] != "DELETE_COMPLETE":
                held.setdefault(resource["ResourceType"], []).append(physical)
    return held


def _unprotect(aws: Aws, table: str) -> None:
    """Let a table be deleted, and no backup of it be kept."""
    from botocore.exceptions import ClientError

    try:
        # Otherwise a backup of the table stays for 35 days. [DynamoDB, Point-in-time recovery]
        aws.dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        )
        described = aws.dynamodb.describe_table(TableName=table)["Table"]
        if described.get("DeletionProtectionEnabled"):
            aws.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
            # While it is being updated it cannot be deleted.
            until_active = aws.dynamodb.get_waiter("table_exists")
            until_active.wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    except ClientError as error:
        if not is_missing(error):
            raise


def empty(s3: S3Client, bucket: str) -> Iterator[int]:
    """Delete every version, marker and unfinished upload; yields how many went with each request.

    The intake is stopped first, or each deletion would send a message and run the function.
    """
    from botocore.exceptions import ClientError

    try:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        for count, _ in objects.purge(s3, bucket):
            yield count
        uploads = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        for upload in [each for page in uploads for each in page.get("Uploads", ())]:
            _abort(s3, bucket, upload)
    except ClientError as error:
        if not is_missing(error):
            raise


def _abort(s3: S3Client, bucket: str, upload: MultipartUploadTypeDef) -> None:
    from botocore.exceptions import ClientError

    try:
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    except ClientError as error:
        if code_of(error) != "NoSuchUpload":  # it was ended since the listing
            raise
