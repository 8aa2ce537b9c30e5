"""The local cloud is killed at critical moments and must lose nothing that was confirmed.

Each moment comes once here; `python -m tests.bench chaos` kills it many times at random moments.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local import engine, processes
from tests.e2e.engine.conftest import client, kill_engine, killed_and_started, until
from tests.e2e.engine.small_pipeline import TRUST, make_pipeline


@pytest.fixture
def home(light_home: Path) -> Path:
    """These tests need no labels."""
    return light_home


def store_first_version(s3: Any) -> Any:
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    return s3.put_object(Bucket="photos", Key="a b/ä.jpg", Body=b"one", ChecksumAlgorithm="SHA256")


def store_second_version_and_marker(s3: Any) -> tuple[Any, str]:
    """The second version and the delete marker after it; another photo comes and goes for good."""
    second = s3.put_object(Bucket="photos", Key="a b/ä.jpg", Body=b"two")
    gone = s3.put_object(Bucket="photos", Key="gone", Body=b"x")["VersionId"]
    s3.delete_object(Bucket="photos", Key="gone", VersionId=gone)
    return second, s3.delete_object(Bucket="photos", Key="a b/ä.jpg")["VersionId"]


def check_versions(s3: Any, versions: list[Any], marker: str) -> None:
    listed = s3.list_object_versions(Bucket="photos")
    assert [each["VersionId"] for each in listed["DeleteMarkers"]] == [marker]
    ids = {each["VersionId"] for each in versions}
    assert {each["VersionId"] for each in listed["Versions"]} == ids
    first = versions[0]
    head = s3.head_object(
        Bucket="photos", Key="a b/ä.jpg", VersionId=first["VersionId"], ChecksumMode="ENABLED"
    )
    assert head["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"one").digest()).decode()
    assert head["ETag"] == first["ETag"]
    for version, body in zip(versions, (b"one", b"two"), strict=True):
        got = s3.get_object(Bucket="photos", Key="a b/ä.jpg", VersionId=version["VersionId"])
        assert got["Body"].read() == body


def test_a_kill_loses_no_object_no_item_and_no_message(home: Path) -> None:
    cloud = engine.start(home=home)
    rows, queues, s3 = (client(cloud, name) for name in ("dynamodb", "sqs", "s3"))
    rows.create_table(
        TableName="labels",
        KeySchema=[{"AttributeName": "image", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "image", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    url = queues.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    odd = {"S": '"quoted" ü\u2028\0'}
    for key in (odd, {"S": "plain"}):
        rows.put_item(TableName="labels", Item={"image": key, "n": {"N": "1"}})
    rows.update_item(
        TableName="labels",
        Key={"image": odd},
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    for number in range(3):
        queues.send_message(QueueUrl=url, MessageBody=f"message {number}")
    first = store_first_version(s3)
    cloud = killed_and_started(cloud)
    second, marker = store_second_version_and_marker(s3)
    found = rows.scan(TableName="labels")["Items"]
    assert {item["image"]["S"]: item["n"]["N"] for item in found} == {odd["S"]: "2", "plain": "1"}

    received = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in received} == {f"message {n}" for n in range(3)}
    queues.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])
    rows.delete_item(TableName="labels", Key={"image": odd})
    killed_and_started(cloud)
    assert rows.scan(TableName="labels")["Count"] == 1
    check_versions(s3, [first, second], marker)
    # The client still has the receipt handles of the other two messages.
    queues.delete_message(QueueUrl=url, ReceiptHandle=received[1]["ReceiptHandle"])
    back = until(lambda: queues.receive_message(QueueUrl=url).get("Messages"))
    assert [message["Body"] for message in back] == [received[2]["Body"]]
    engine.stop(home)
    engine.start(home=home)
    check_versions(s3, [first, second], marker)


TEMPLATE = """
Resources:
  Photos: {Type: 'AWS::S3::Bucket'}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: %s
      Policies:
        - PolicyName: rows
          PolicyDocument:
            Statement: [{Effect: Allow, Action: 'dynamodb:PutItem', Resource: '*'}]
Outputs:
  Bucket: {Value: !Ref Photos}
  Role: {Value: !Ref Role}
"""


WAITS = """
Resources:
  Handle: {Type: 'AWS::CloudFormation::WaitConditionHandle'}
  Wait:
    Type: AWS::CloudFormation::WaitCondition
    Properties: {Handle: !Ref Handle, Timeout: '600'}
"""


def test_a_kill_loses_no_finished_stack_and_an_interrupted_one_can_be_deleted(home: Path) -> None:
    cloud = engine.start(home=home)
    stacks = client(cloud, "cloudformation")
    half = stacks.create_stack(StackName="half", TemplateBody=WAITS)["StackId"]
    made = stacks.create_change_set(
        StackName="photos",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=TEMPLATE % TRUST,
        Capabilities=["CAPABILITY_IAM"],
    )
    cloud = killed_and_started(cloud)
    stacks.execute_change_set(ChangeSetName=made["Id"])

    def described(name: str) -> Any:
        return stacks.describe_stacks(StackName=name)["Stacks"][0]

    assert described(half)["StackStatus"] == "CREATE_FAILED"
    assert "stopped during this operation" in described(half)["StackStatusReason"]
    newest = stacks.describe_stack_events(StackName=half)["StackEvents"][0]
    assert newest["ResourceStatus"] == "CREATE_FAILED"
    stacks.delete_stack(StackName=half)
    until(lambda: described(half)["StackStatus"] == "DELETE_COMPLETE")
    until(lambda: described("photos")["StackStatus"] == "CREATE_COMPLETE")
    cloud = killed_and_started(cloud)
    outputs = {out["OutputKey"]: out["OutputValue"] for out in described("photos")["Outputs"]}
    client(cloud, "s3").head_bucket(Bucket=outputs["Bucket"])
    client(cloud, "iam").get_role(RoleName=outputs["Role"])
    stacks.delete_stack(StackName=made["StackId"])
    stacks.get_waiter("stack_delete_complete").wait(
        StackName=made["StackId"], WaiterConfig={"Delay": 1}
    )
    cloud = killed_and_started(cloud)
    assert client(cloud, "s3").list_buckets()["Buckets"] == []


def test_kills_during_labelling_lose_no_photo(home: Path) -> None:
    cloud = engine.start(home=home)
    make_pipeline(cloud, pause="0.02")
    s3, rows = client(cloud, "s3"), client(cloud, "dynamodb")
    uploaded: list[str] = []

    def upload(number: int) -> None:
        with contextlib.suppress(
            Exception
        ):  # the engine is being killed: the upload is not confirmed
            s3.put_object(Bucket="photos", Key=f"photo {number}.jpg", Body=b"x" * 1000)
            uploaded.append(f"photo {number}.jpg")

    with ThreadPoolExecutor(4) as pool:
        for kill in range(2):
            work = [pool.submit(upload, kill * 25 + number) for number in range(25)]
            before = len(uploaded)
            until(lambda before=before: len(uploaded) > before + 10)  # type: ignore[misc]
            kill_engine(cloud)
            for each in work:
                each.result()
            cloud = engine.start(home=home)
    assert len(uploaded) > 20

    def stored() -> dict[str, int]:
        count: dict[str, int] = {}
        for page in rows.get_paginator("scan").paginate(TableName="labels"):
            for item in page["Items"]:
                count[item["image"]["S"]] = count.get(item["image"]["S"], 0) + 1
        return count

    until(lambda: all(stored().get(key) == 3 for key in uploaded), 60)


def test_a_killed_engine_leaves_no_worker_and_messages_return_immediately(home: Path) -> None:
    cloud = engine.start(home=home)
    make_pipeline(cloud, pause="3")
    s3, rows = client(cloud, "s3"), client(cloud, "dynamodb")
    s3.put_object(Bucket="photos", Key="a.jpg", Body=b"x")
    queues = client(cloud, "sqs")
    url = queues.get_queue_url(QueueName="work")["QueueUrl"]
    asked = ["ApproximateNumberOfMessagesNotVisible"]
    until(
        lambda: (
            queues.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"][asked[0]]
            == "1"
        )
    )
    workers = until(lambda: processes.find_processes(home) - {cloud.pid, cloud.recogniser_pid})
    killed_and_started(cloud)
    assert not [pid for pid in workers if processes.alive(pid)]
    # Its visibility timeout is 300 seconds, but its worker is dead.
    until(lambda: rows.scan(TableName="labels")["Count"] == 3, 30)


def test_a_damaged_state_is_reported_and_the_previous_one_restored(home: Path) -> None:
    cloud = engine.start(home=home)
    queues = client(cloud, "sqs")
    queues.create_queue(QueueName="first")
    queues.create_queue(QueueName="second")
    kill_engine(cloud)
    (home / "state/current/sqs.json").write_text('{"half": ')
    cloud = engine.start(home=home)
    assert "damaged" in cloud.notice
    assert [url.rpartition("/")[2] for url in queues.list_queues()["QueueUrls"]] == ["first"]
    kept = list((home / "state").glob("damaged-*/sqs.json"))
    assert [path.read_text() for path in kept] == ['{"half": ']

    engine.stop(home)
    for path in (home / "state").glob("0*/sqs.json"):
        path.write_text("")
    with pytest.raises(LocalCloudError, match="damaged") as failure:
        engine.start(home=home)
    assert "labelctl local reset" in failure.value.hint
    engine.reset(home)
    assert not home.exists()
