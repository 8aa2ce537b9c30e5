"""The event notifications of the bucket for photos: whether they are complete, and restoring them.

S3 keeps one notification configuration per bucket, so another tool that sets its own replaces
labelctl's. CloudFormation does not notice this, and an update does not restore them.
[S3 API, PutBucketNotificationConfiguration]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelctl.aws.clients import Aws
from labelctl.aws.errors import error_code, is_missing
from labelctl.deploy.stack import Stack
from labelctl.errors import Command, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EVENTS = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
)
"""The events that the template sends to the queue."""

_REJECTED = ("InvalidArgument", "InvalidRequest")


def are_complete(s3: S3Client, stack: Stack) -> bool:
    """Return whether the bucket sends all events of all photos to the stack's queue."""
    return _is_complete(s3.get_bucket_notification_configuration(Bucket=stack.bucket), stack)


def _is_complete(configuration: Any, stack: Stack) -> bool:
    sent = {
        event
        for each in configuration.get("QueueConfigurations", ())
        if each["QueueArn"] == stack.queue_arn and not _is_filtered(each)
        for event in each["Events"]
    }
    return sent.issuperset(EVENTS)


def restore(s3: S3Client, stack: Stack) -> bool:
    """Complete the notifications, and keep those of other tools. Returns whether this was necessary.

    Raises RefusedError if S3 rejects the combination, for example because both include the same event.
    """
    from botocore.exceptions import ClientError

    configuration: Any = s3.get_bucket_notification_configuration(Bucket=stack.bucket)
    if _is_complete(configuration, stack):
        return False
    configuration.pop("ResponseMetadata", None)
    others = [
        each
        for each in configuration.get("QueueConfigurations", ())
        if each["QueueArn"] != stack.queue_arn
    ]
    ours = {"QueueArn": stack.queue_arn, "Events": list(EVENTS)}
    configuration["QueueConfigurations"] = [*others, ours]
    try:
        s3.put_bucket_notification_configuration(
            Bucket=stack.bucket, NotificationConfiguration=configuration
        )
    except ClientError as error:
        if error_code(error) not in _REJECTED:
            raise
        raise RefusedError(
            f"S3 cannot add labelctl's event notifications to those of another tool on the bucket"
            f" {stack.bucket}: {error.response['Error'].get('Message', '')}",
            "S3 sends each event to one receiver. Remove the other tool's notifications, then run: ",
            Command("deploy"),
        ) from error
    return True


def _is_filtered(configuration: Any) -> bool:
    return bool(configuration.get("Filter", {}).get("Key", {}).get("FilterRules"))


def is_destroy_interrupted(aws: Aws, stack: Stack) -> bool:
    """Return whether `destroy` began to delete the stack's data, and did not finish.

    It turns off the stack's protection, the table's protection and the notifications, in this order.
    Other deployment tools may not protect the stack, but the template protects the table.
    """
    from botocore.exceptions import ClientError

    if stack.protected or are_complete(aws.s3, stack):
        return False
    try:
        table = aws.dynamodb.describe_table(TableName=stack.table)["Table"]
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return not table.get("DeletionProtectionEnabled", False)
