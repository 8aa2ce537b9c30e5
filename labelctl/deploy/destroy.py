"""Deleting a stack with everything in it: photos, labels, queues, function, log, zips.

Each step can be interrupted and repeated. Names come from CloudFormation's list of the stack's
resources, not from its outputs, so a partly deleted stack can be destroyed, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labelctl.aws import objects
from labelctl.aws.clients import Aws
from labelctl.aws.errors import error_code, is_missing
from labelctl.deploy import change_sets
from labelctl.deploy import stack as stacks
from labelctl.deploy.stack import Stack, artifacts_name
from labelctl.deploy.stack_events import Sleep, StackEvent
from labelctl.errors import DeployError, NotDeployedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef

_TRIES = 5
"""How often a bucket is emptied if new objects keep arriving."""


def stacks_to_delete(aws: Aws, name: str) -> list[Stack]:
    """Return the existing stacks that `labelctl destroy` would delete.

    Raises NotDeployedError if there are none, and RefusedError for a stack that does not belong to
    labelctl or is being changed.
    """
    main = stacks.find(aws.cloudformation, name)
    if main:
        stacks.refuse_if_foreign(main, stacks.PIPELINE)
    artifacts = stacks.find(aws.cloudformation, artifacts_name(name))
    if artifacts and not artifacts.is_kind(stacks.ARTIFACTS):
        artifacts = None
    existing = [stack for stack in (main, artifacts) if stack]
    if not existing:
        raise NotDeployedError(
            f'There is no stack "{name}".',
            "Use --stack and --region to choose another one.",
        )
    for stack in existing:
        if stack.status != "DELETE_IN_PROGRESS":
            change_sets.refuse_if_busy(stack)
    return existing


def find_data(aws: Aws, stack: Stack) -> list[str]:
    """Return the names of the stack's buckets and tables that are not empty."""
    resources = _resources(aws, stack)
    return [
        *(each for each in resources.get("AWS::S3::Bucket", ()) if _has_objects(aws, each)),
        *(each for each in resources.get("AWS::DynamoDB::Table", ()) if _has_items(aws, each)),
    ]


def _has_objects(aws: Aws, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        page = aws.s3.list_object_versions(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return bool(page.get("Versions") or page.get("DeleteMarkers"))


def _has_items(aws: Aws, table: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        return aws.dynamodb.scan(TableName=table, Limit=1)["Count"] > 0
    except ClientError as error:
        if is_missing(error):
            return False
        raise


def destroy(aws: Aws, stack: Stack, *, sleep: Sleep = time.sleep) -> Iterator[int | StackEvent]:
    """Delete a stack and all its data.

    Yields the number of object versions deleted by each request, and stack events. Raises
    DeployError if CloudFormation cannot delete the stack; the call can then be repeated.
    """
    if stack.protected:
        aws.cloudformation.update_termination_protection(
            StackName=stack.name, EnableTerminationProtection=False
        )
    resources = _resources(aws, stack)
    for table in resources.get("AWS::DynamoDB::Table", ()):
        _unprotect(aws, table)
    for attempt in range(_TRIES):
        for bucket in resources.get("AWS::S3::Bucket", ()):
            yield from empty(aws.s3, bucket)
        try:
            yield from change_sets.remove(aws.cloudformation, stack.id, sleep=sleep)
        except DeployError as error:
            is_not_empty = "not empty" in error.message or "BucketNotEmpty" in error.message
            if not is_not_empty or attempt == _TRIES - 1:
                raise
        else:
            return


def _resources(aws: Aws, stack: Stack) -> dict[str, list[str]]:
    """Return the physical ids of the stack's remaining resources, by type."""
    resources: dict[str, list[str]] = {}
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.id)
    for page in pages:
        for resource in page["StackResourceSummaries"]:
            physical = resource.get("PhysicalResourceId")
            if physical and resource["ResourceStatus"] != "DELETE_COMPLETE":
                resources.setdefault(resource["ResourceType"], []).append(physical)
    return resources


def _unprotect(aws: Aws, table: str) -> None:
    """Turn off a table's deletion protection and backups."""
    from botocore.exceptions import ClientError

    try:
        # Otherwise AWS keeps a backup of the table for 35 days. [DynamoDB, Point-in-time recovery]
        aws.dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        )
        described = aws.dynamodb.describe_table(TableName=table)["Table"]
        if described.get("DeletionProtectionEnabled"):
            aws.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
            # A table cannot be deleted while it is being updated.
            until_active = aws.dynamodb.get_waiter("table_exists")
            until_active.wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    except ClientError as error:
        if not is_missing(error):
            raise


def empty(s3: S3Client, bucket: str) -> Iterator[int]:
    """Delete all versions, delete markers and multipart uploads; yields the number per request.

    Turns off the event notifications first: otherwise each deletion would invoke the function.
    """
    from botocore.exceptions import ClientError

    try:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        for count, _ in objects.delete_all_versions(s3, bucket):
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
        if error_code(error) != "NoSuchUpload":  # finished since it was listed
            raise
