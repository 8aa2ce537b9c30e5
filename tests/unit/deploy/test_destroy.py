"""Destroying a stack: all its data is deleted, interrupted runs resume, nothing else is touched."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import quote

import boto3
import pytest
from botocore.stub import Stubber
from moto.s3.models import s3_backends

from labelctl.deploy import destroy
from labelctl.deploy.stack import find
from labelctl.errors import DeployError, NotDeployedError, RefusedError
from tests.fakes.photos import LABELS, PHOTOS
from tests.unit.conftest import REGION, STACK_ID

FOREIGN = {"Description": "The pay roll"}  # though its tags say otherwise
ZIPS = {
    "StackName": "labelctl-artifacts",
    "Description": "labelctl - the bucket for the function's zip of one labelctl stack.",
}


@pytest.fixture
def aws(cloudformation, s3, dynamodb):
    return SimpleNamespace(
        cloudformation=cloudformation.client, s3=s3, dynamodb=dynamodb, region=REGION
    )


def calls_of(client):
    """A list that collects the names of the client's later calls."""
    calls: list[str] = []
    client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    return calls


def versions(s3, bucket):
    page = s3.list_object_versions(Bucket=bucket)
    return [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]


def emptied(s3, bucket):
    return sum(destroy.empty(s3, bucket))


# ---- a bucket


def test_versions_delete_markers_and_multipart_uploads_are_deleted(s3, bucket):
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="a.jpg", Body=body)
    s3.delete_object(Bucket=bucket, Key="a.jpg")  # adds a delete marker
    s3.put_object(Bucket=bucket, Key="b.jpg", Body=b"")
    s3.create_multipart_upload(Bucket=bucket, Key="c.jpg")

    assert emptied(s3, bucket) == 4

    assert versions(s3, bucket) == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    s3.delete_bucket(Bucket=bucket)  # fails unless it is empty


def test_objects_with_unusual_names_are_deleted(s3, bucket):
    for key in (odd := ["a\nb.jpg", "tab\t.jpg", "a&<b>.jpg", "é 💚.jpg", "a+b%20.jpg", " .jpg"]):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert emptied(s3, bucket) == len(odd)
    assert versions(s3, bucket) == []


def test_keys_invalid_in_xml_are_deleted_by_url(s3):
    """moto cannot list such keys, S3 can."""
    odd = ["a\rb.jpg", "bell\x07.jpg", "\x1f.jpg", "\ufffe.jpg", "\uffff.jpg"]
    keys = [*odd, "plain.jpg"]
    found = [
        {"Key": quote(key), "VersionId": f"v{at}", "IsLatest": True} for at, key in enumerate(keys)
    ]
    with Stubber(s3) as stub:
        stub.add_response("put_bucket_notification_configuration", {})
        listed = {"EncodingType": "url", "Versions": found}
        stub.add_response("list_object_versions", listed)
        for at, key in enumerate(odd):
            expected = {"Bucket": "photos", "Key": key, "VersionId": f"v{at}"}
            stub.add_response("delete_object", {}, expected)
        plain = {"Objects": [{"Key": "plain.jpg", "VersionId": "v5"}], "Quiet": True}
        stub.add_response("delete_objects", {}, {"Bucket": "photos", "Delete": plain})
        stub.add_response("list_object_versions", {})
        stub.add_response("list_multipart_uploads", {})
        assert emptied(s3, "photos") == len(keys)
        stub.assert_no_pending_responses()


def test_more_than_one_page_of_versions_is_deleted(s3, bucket, monkeypatch):
    monkeypatch.setattr("labelctl.aws.objects._PAGE", 20)
    backend = s3_backends["123456789012"]["aws"]
    for number in range(41):
        backend.put_object(bucket, f"{number}.jpg", b"")
    counts = list(destroy.empty(s3, bucket))
    assert sum(counts) == 41
    assert len(counts) == 3
    assert versions(s3, bucket) == []


def test_notifications_are_turned_off_first(s3, bucket):
    queue = boto3.client("sqs", region_name=REGION).create_queue(QueueName="queue")
    arn = f"arn:aws:sqs:{REGION}:123456789012:queue"
    assert queue
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}]
        },
    )
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"1")
    calls = calls_of(s3)
    emptied(s3, bucket)
    assert calls[0] == "PutBucketNotificationConfiguration"
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def test_missing_bucket_counts_as_empty(s3):
    assert emptied(s3, "no-such-bucket") == 0


def test_empty_bucket_yields_nothing(s3, bucket):
    assert list(destroy.empty(s3, bucket)) == []


def test_other_buckets_are_not_touched(s3, bucket):
    s3.create_bucket(Bucket="photos-of-others")
    s3.put_object(Bucket="photos-of-others", Key="a.jpg", Body=b"")
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"")
    emptied(s3, bucket)
    assert len(versions(s3, "photos-of-others")) == 1


def test_upload_that_finished_meanwhile_is_ignored(s3):
    with Stubber(s3) as stub:
        stub.add_response("put_bucket_notification_configuration", {})
        stub.add_response("list_object_versions", {})
        uploads = [{"Key": "a.jpg", "UploadId": "1"}, {"Key": "b.jpg", "UploadId": "2"}]
        stub.add_response("list_multipart_uploads", {"Uploads": uploads})
        stub.add_client_error("abort_multipart_upload", "NoSuchUpload", http_status_code=404)
        stub.add_response("abort_multipart_upload", {})
        assert emptied(s3, "photos") == 0
        stub.assert_no_pending_responses()


def test_objects_that_cannot_be_deleted_are_reported(s3, bucket, monkeypatch):
    s3.put_object(Bucket=bucket, Key="held.jpg", Body=b"")
    refused = {"Errors": [{"Key": "held.jpg", "Code": "AccessDenied", "Message": "legal hold"}]}
    monkeypatch.setattr(s3, "delete_objects", lambda **_: refused)
    with pytest.raises(RefusedError, match=r"held\.jpg: legal hold") as caught:
        emptied(s3, bucket)
    assert "resume" in caught.value.hint


# ---- a stack


def resources(cloudformation, *held):
    """Set the stack's resources: (type, physical id, status)."""
    cloudformation.answers(
        "list_stack_resources",
        {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": f"Resource{number}",
                    "ResourceType": type,
                    "ResourceStatus": status,
                    "LastUpdatedTimestamp": "2030-01-01T00:00:00Z",
                    **({"PhysicalResourceId": physical} if physical else {}),
                }
                for number, (type, physical, status) in enumerate(held)
            ]
        },
        StackName=STACK_ID,
    )


def deletes(cloudformation, *events):
    cloudformation.runs(*events, method="delete_stack")


def gone(cloudformation):
    return cloudformation.event("labelctl", "DELETE_COMPLETE")


def stack_of(cloudformation, status="CREATE_COMPLETE", **more):
    cloudformation.stack(status, **more)
    return find(cloudformation.client, "labelctl")


BUCKET = ("AWS::S3::Bucket", "photos", "CREATE_COMPLETE")
TABLES = [("AWS::DynamoDB::Table", name, "CREATE_COMPLETE") for name in (PHOTOS, LABELS)]


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "ROLLBACK_FAILED"])
def test_protections_are_removed_and_everything_is_deleted(
    aws, cloudformation, bucket, tables, naps, status
):
    aws.s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"")
    for table in (PHOTOS, LABELS):
        aws.dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
    stack = stack_of(cloudformation, status, EnableTerminationProtection=True)
    cloudformation.answers(
        "update_termination_protection",
        {"StackId": STACK_ID},
        StackName="labelctl",
        EnableTerminationProtection=False,
    )
    resources(cloudformation, BUCKET, *TABLES, ("AWS::SQS::Queue", "queue", "CREATE_COMPLETE"))
    deletes(cloudformation, gone(cloudformation))

    progress = list(destroy.destroy(aws, stack, sleep=naps))

    assert progress[0] == 1
    assert progress[-1].status == "DELETE_COMPLETE"
    assert versions(aws.s3, bucket) == []
    for table in (PHOTOS, LABELS):
        described = aws.dynamodb.describe_table(TableName=table)["Table"]
        assert not described["DeletionProtectionEnabled"]
        backups = aws.dynamodb.describe_continuous_backups(TableName=table)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "DISABLED", "a backup would be kept"


def test_interrupted_destroy_is_resumed(aws, cloudformation, bucket, naps):
    """The table is deleted, deleting one bucket failed, another was never created."""
    aws.s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"")
    aws.s3.create_bucket(
        Bucket="reused"
    )  # the name of a deleted bucket may be reused by another account
    aws.s3.put_object(Bucket="reused", Key="a.jpg", Body=b"")
    stack = stack_of(cloudformation, "DELETE_FAILED")
    resources(
        cloudformation,
        ("AWS::S3::Bucket", "photos", "DELETE_FAILED"),
        ("AWS::S3::Bucket", "reused", "DELETE_COMPLETE"),
        ("AWS::S3::Bucket", "", "CREATE_FAILED"),
        ("AWS::DynamoDB::Table", "gone", "DELETE_IN_PROGRESS"),
    )
    deletes(cloudformation, gone(cloudformation))
    assert next(iter(list(destroy.destroy(aws, stack, sleep=naps)))) == 1
    assert versions(aws.s3, bucket) == []
    assert len(versions(aws.s3, "reused")) == 1


def test_bucket_with_new_objects_is_emptied_again(aws, cloudformation, bucket, naps, monkeypatch):
    aws.s3.put_object(Bucket=bucket, Key="first.jpg", Body=b"")
    stack = stack_of(cloudformation)
    resources(cloudformation, BUCKET)
    for _ in range(2):
        deletes(
            cloudformation,
            cloudformation.event("Photos", "DELETE_FAILED", "The bucket is not empty (409)"),
            cloudformation.event("labelctl", "DELETE_FAILED", "failed to delete: [Photos]"),
        )
    deletes(cloudformation, gone(cloudformation))
    counts = []
    for progress in destroy.destroy(aws, stack, sleep=naps):
        if isinstance(progress, int):
            counts.append(progress)
        elif progress.status == "DELETE_FAILED":  # a delayed object arrives
            aws.s3.put_object(Bucket=bucket, Key="late.jpg", Body=b"")
    assert counts[0] == 1
    assert sum(counts) == 5
    assert versions(aws.s3, bucket) == []


def test_emptying_is_repeated_a_limited_number_of_times(aws, cloudformation, bucket, naps):
    stack = stack_of(cloudformation)
    resources(cloudformation, BUCKET)
    for _ in range(5):
        deletes(
            cloudformation,
            cloudformation.event("Photos", "DELETE_FAILED", "The bucket is not empty"),
            cloudformation.event("labelctl", "DELETE_FAILED"),
        )
    with pytest.raises(DeployError, match="not empty"):
        list(destroy.destroy(aws, stack, sleep=naps))


def test_other_failures_are_not_retried(aws, cloudformation, bucket, naps):
    stack = stack_of(cloudformation)
    resources(cloudformation, BUCKET)
    deletes(
        cloudformation,
        cloudformation.event("Role", "DELETE_FAILED", "iam:DeleteRole denied"),
        cloudformation.event("labelctl", "DELETE_FAILED"),
    )
    with pytest.raises(DeployError, match="iam:DeleteRole denied"):
        list(destroy.destroy(aws, stack, sleep=naps))


def test_deletion_that_just_finished_counts_as_done(aws, cloudformation, naps):
    stack = stack_of(cloudformation, "DELETE_IN_PROGRESS")
    resources(cloudformation, ("AWS::S3::Bucket", "photos", "DELETE_COMPLETE"))
    cloudformation.look(gone(cloudformation))
    assert list(destroy.destroy(aws, stack, sleep=naps)) == []


# ---- which stacks


def test_both_stacks_are_selected_main_stack_first(aws, cloudformation):
    cloudformation.stack("CREATE_COMPLETE")
    cloudformation.stack("CREATE_COMPLETE", **ZIPS)
    assert [stack.name for stack in destroy.stacks_to_delete(aws, "labelctl")] == [
        "labelctl",
        "labelctl-artifacts",
    ]


def test_artifact_stack_is_selected_without_the_main_stack(aws, cloudformation):
    cloudformation.no_stack()
    cloudformation.stack("CREATE_COMPLETE", **ZIPS)
    assert [stack.name for stack in destroy.stacks_to_delete(aws, "labelctl")] == [
        "labelctl-artifacts"
    ]


def test_nothing_to_destroy(aws, cloudformation):
    cloudformation.no_stack()
    cloudformation.no_stack("labelctl-artifacts")
    with pytest.raises(NotDeployedError, match="There is no stack"):
        destroy.stacks_to_delete(aws, "labelctl")


@pytest.mark.parametrize("status", ["DELETE_IN_PROGRESS", "DELETE_FAILED", "ROLLBACK_COMPLETE"])
def test_stack_in_any_final_status_can_be_destroyed(aws, cloudformation, status):
    cloudformation.stack(status)
    cloudformation.no_stack("labelctl-artifacts")
    assert [stack.status for stack in destroy.stacks_to_delete(aws, "labelctl")] == [status]


def test_stack_being_deployed_is_not_destroyed(aws, cloudformation):
    cloudformation.stack("UPDATE_IN_PROGRESS")
    cloudformation.no_stack("labelctl-artifacts")
    with pytest.raises(RefusedError, match="is being changed"):
        destroy.stacks_to_delete(aws, "labelctl")


def test_foreign_stack_is_never_destroyed(aws, cloudformation):
    cloudformation.stack("CREATE_COMPLETE", **FOREIGN)
    with pytest.raises(RefusedError, match="not created by labelctl"):
        destroy.stacks_to_delete(aws, "labelctl")


@pytest.mark.parametrize("other", [{}, FOREIGN], ids=["pipeline", "foreign"])
def test_stack_that_only_has_the_name_of_the_artifact_stack_is_kept(aws, cloudformation, other):
    cloudformation.stack("CREATE_COMPLETE")
    cloudformation.stack("CREATE_COMPLETE", StackName="labelctl-artifacts", **other)
    assert [stack.name for stack in destroy.stacks_to_delete(aws, "labelctl")] == ["labelctl"]


def test_stack_with_zips_is_not_destroyed_by_its_name(aws, cloudformation):
    """`destroy --stack labelctl-artifacts` would break the pipeline "labelctl"."""
    cloudformation.stack("CREATE_COMPLETE", **ZIPS)
    with pytest.raises(RefusedError, match='"labelctl-artifacts" is not a pipeline'):
        destroy.stacks_to_delete(aws, "labelctl-artifacts")


# ---- data at stake


def test_data_is_found_in_what_is_left_of_a_stack(aws, cloudformation, bucket, tables, naps):
    stack = stack_of(cloudformation, "ROLLBACK_FAILED")
    gone = ("AWS::S3::Bucket", "gone", "DELETE_IN_PROGRESS")
    for _ in range(2):
        resources(cloudformation, BUCKET, gone, *TABLES)
    assert destroy.find_data(aws, stack) == []
    aws.s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"")
    aws.dynamodb.put_item(TableName=PHOTOS, Item={"image": {"S": "a.jpg"}})
    assert destroy.find_data(aws, stack) == [bucket, PHOTOS]


def test_removed_photos_are_data_too(aws, cloudformation):
    """S3 lists the delete marker of a removed photo before its versions, which can be restored."""
    stack = stack_of(cloudformation, "CREATE_COMPLETE")
    resources(cloudformation, BUCKET)
    marker = {"Key": "a.jpg", "VersionId": "2", "IsLatest": True}
    with Stubber(aws.s3) as s3:
        s3.add_response(
            "list_object_versions",
            {"IsTruncated": True, "DeleteMarkers": [marker]},
            {"Bucket": BUCKET[1], "MaxKeys": 1},
        )
        assert destroy.find_data(aws, stack) == [BUCKET[1]]
