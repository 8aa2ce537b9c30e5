"""The bucket's event notifications, of which S3 keeps one configuration for all tools."""

from __future__ import annotations

from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from labelctl.aws.errors import is_missing
from labelctl.deploy import deploy, notifications
from labelctl.deploy.stack import find
from labelctl.errors import RefusedError
from tests.fakes.photos import LABELS, PHOTOS
from tests.unit.conftest import REGION

ALL = list(notifications.EVENTS)


def queue_configuration(name="queue", events=ALL, prefix=""):
    rules = {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}}
    arn = f"arn:aws:sqs:{REGION}:123456789012:{name}"
    return {"QueueArn": arn, "Events": list(events), **(rules if prefix else {})}


@pytest.fixture
def aws(cloudformation, s3, dynamodb, bucket):
    sqs = boto3.client("sqs", region_name=REGION)
    for name in ("queue", "dead", "theirs"):
        sqs.create_queue(QueueName=name)
    return SimpleNamespace(cloudformation=cloudformation.client, s3=s3, dynamodb=dynamodb, sqs=sqs)


def deployed(cloudformation, **more):
    url = f"https://sqs.{REGION}.amazonaws.com/123456789012/"
    outputs = {"PhotosBucket": "photos", "Table": PHOTOS, "LabelsTable": LABELS}
    outputs |= {"Queue": f"{url}queue", "DeadLetterQueue": f"{url}dead"}
    outputs |= {"Function": "function", "LogGroup": "group"}
    return cloudformation.stack(
        "CREATE_COMPLETE",
        Outputs=[{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        **more,
    )


@pytest.fixture
def stack(cloudformation):
    deployed(cloudformation)
    return find(cloudformation.client, "labelctl")


def configure(s3, *queues, **others):
    configuration = {"QueueConfigurations": list(queues), **others}
    s3.put_bucket_notification_configuration(
        Bucket="photos", NotificationConfiguration=configuration
    )


def configured(s3):
    return s3.get_bucket_notification_configuration(Bucket="photos")


def test_events_are_the_template_s(template):
    photos = template["Resources"]["Photos"]["Properties"]["NotificationConfiguration"]
    assert [each["Event"] for each in photos["QueueConfigurations"]] == ALL


@pytest.mark.parametrize("split", [True, False], ids=["as CloudFormation", "in one"])
def test_complete_notifications_are_kept(aws, stack, split):
    each = [[event] for event in ALL] if split else [ALL]
    configure(aws.s3, *(queue_configuration(events=events) for events in each))
    before = configured(aws.s3)["QueueConfigurations"]
    assert not notifications.restore(aws.s3, stack)
    assert configured(aws.s3)["QueueConfigurations"] == before


@pytest.mark.parametrize(
    "replaced",
    [
        [],
        [queue_configuration("theirs", ["s3:ObjectTagging:Put"])],
        [queue_configuration(events=ALL[:1])],
        [queue_configuration(prefix="holiday/")],
    ],
    ids=["none", "another queue", "some events", "some photos"],
)
def test_replaced_notifications_are_restored_beside_those_of_others(aws, stack, replaced):
    topic = boto3.client("sns", region_name=REGION).create_topic(Name="theirs")["TopicArn"]
    tagged = {"TopicArn": topic, "Events": ["s3:ObjectTagging:*"]}
    configure(aws.s3, *replaced, TopicConfigurations=[tagged])
    assert not notifications.are_complete(aws.s3, stack)

    assert notifications.restore(aws.s3, stack)

    assert notifications.are_complete(aws.s3, stack)
    now = configured(aws.s3)
    assert [each["TopicArn"] for each in now["TopicConfigurations"]] == [topic]
    names = {each["QueueArn"].rpartition(":")[2] for each in now["QueueConfigurations"]}
    assert names == {"queue"} | {each["QueueArn"].rpartition(":")[2] for each in replaced}


def test_overlap_with_another_tool_is_explained(stack, s3):
    theirs = {"QueueConfigurations": [queue_configuration("theirs")]}
    with Stubber(s3) as stub:
        stub.add_response("get_bucket_notification_configuration", theirs)
        overlap = "Configurations overlap. They cannot share a common event type."
        stub.add_client_error("put_bucket_notification_configuration", "InvalidArgument", overlap)
        with pytest.raises(
            RefusedError, match="on the bucket photos: Configurations overlap"
        ) as caught:
            notifications.restore(s3, stack)
    assert caught.value.hint.endswith("labelctl deploy")


# ---- an interrupted destroy


@pytest.mark.parametrize("protected", ["stack", "table", "neither"])
def test_interrupted_destroy_must_be_finished_first(aws, cloudformation, tables, protected):
    """After a deploy, the stack would lack part of its protection and photos."""
    aws.dynamodb.update_table(TableName=PHOTOS, DeletionProtectionEnabled=protected == "table")
    deployed(cloudformation, EnableTerminationProtection=protected == "stack")
    if protected == "neither":
        with pytest.raises(RefusedError, match="interrupted"):
            deploy.find_failed_first_deploy(aws, "labelctl")
    else:  # another tool replaced the notifications
        assert deploy.find_failed_first_deploy(aws, "labelctl") is None


# ---- deleted resources


@pytest.mark.parametrize("gone", ["photos", PHOTOS, LABELS, "queue", "dead"])
def test_deploy_does_not_take_a_stack_without_its_resources_for_up_to_date(
    aws, cloudformation, tables, gone
):
    aws.dynamodb.update_table(TableName=PHOTOS, DeletionProtectionEnabled=False)
    if gone == "photos":
        aws.s3.delete_bucket(Bucket=gone)
    elif gone in (PHOTOS, LABELS):
        aws.dynamodb.delete_table(TableName=gone)
    else:
        aws.sqs.delete_queue(QueueUrl=aws.sqs.get_queue_url(QueueName=gone)["QueueUrl"])
    deployed(cloudformation, EnableTerminationProtection=True)
    with pytest.raises(ClientError) as caught:
        deploy.find_failed_first_deploy(aws, "labelctl")
    assert is_missing(caught.value)


def test_deploy_needs_no_permission_to_check_resources(aws, cloudformation):
    deployed(cloudformation, EnableTerminationProtection=True)
    with Stubber(aws.dynamodb) as tables, Stubber(aws.sqs) as queues:
        for _ in range(2):
            tables.add_client_error("describe_table", "AccessDeniedException")
            queues.add_client_error("get_queue_attributes", "AccessDenied")
        assert deploy.find_failed_first_deploy(aws, "labelctl") is None
