"""The local cloud's real processes: started, killed at bad moments, and asked what they still know."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local import engine, processes

pytest.importorskip("ministack")
boto3 = pytest.importorskip("boto3")

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data folder of its own; whatever runs in it is ended afterwards."""
    folder = tmp_path / "cloud"
    yield folder
    processes.end(processes.ours(folder), 5)


def client(cloud: engine.Cloud, service: str, **keys: str) -> Any:
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys.get("key", "test"),
        aws_secret_access_key=keys.get("secret", "test"),
        config=Config(retries={"total_max_attempts": 1}),
    )


def kill_engine(cloud: engine.Cloud) -> None:
    os.kill(cloud.pid, signal.SIGKILL)
    until(lambda: not processes.alive(cloud.pid))


def killed_and_started(cloud: engine.Cloud) -> engine.Cloud:
    kill_engine(cloud)
    return engine.start(home=cloud.home)


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.02)
    raise AssertionError("it did not come true in time")


def status_of(url: str, method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(
        url, method=method, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_starts_once_stays_and_keeps_its_ports(home: Path) -> None:
    assert engine.status(home) is None
    cloud = engine.start(home=home)
    assert engine.start(home=home) == cloud == engine.status(home)
    stopped = engine.stop(home)
    assert stopped is not None
    assert (stopped.pid, stopped.endpoint) == (cloud.pid, cloud.endpoint)
    assert engine.status(home) is None
    assert processes.ours(home) == set()
    assert engine.stop(home) is None
    again = engine.start(home=home)
    assert (again.endpoint, again.recogniser) == (cloud.endpoint, cloud.recogniser)
    assert again.pid != cloud.pid
    assert (home.stat().st_mode & 0o777) == 0o700


def test_two_commands_at_once_share_one_engine(home: Path) -> None:
    program = "import sys, pathlib; from labelctl.local import engine;"
    program += "print(engine.start(home=pathlib.Path(sys.argv[1])).pid)"
    commands = [
        subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    pids = {command.communicate(timeout=90)[0] for command in commands}
    assert len(pids) == 1
    assert len(processes.ours(home)) == 2


def test_a_killed_command_leaves_no_second_engine(home: Path) -> None:
    program = "import sys, pathlib; from labelctl.local import engine;"
    program += "engine.start(home=pathlib.Path(sys.argv[1]))"
    command = subprocess.Popen([sys.executable, "-c", program, str(home)])
    until(lambda: processes.ours(home))
    command.kill()
    command.wait()
    cloud = engine.start(home=home)
    assert processes.ours(home) == {cloud.pid, cloud.recogniser_pid}


def test_ctrl_c_during_the_start_leaves_nothing_running(home: Path) -> None:
    program = "import sys, pathlib; from labelctl.local import engine;"
    program += "engine._engine_answers = lambda record: False;"
    program += "engine.start(home=pathlib.Path(sys.argv[1]))"
    command = subprocess.Popen(
        [sys.executable, "-c", program, str(home)], stderr=subprocess.DEVNULL
    )
    until(lambda: len(processes.ours(home)) == 2)
    command.send_signal(signal.SIGINT)
    command.wait(timeout=30)
    assert processes.ours(home) == set()


def test_either_dead_process_is_replaced_alone(home: Path) -> None:
    cloud = engine.start(home=home)
    os.kill(cloud.recogniser_pid, signal.SIGKILL)
    until(lambda: not processes.alive(cloud.recogniser_pid))
    assert engine.status(home) is None
    repaired = engine.start(home=home)
    assert repaired.pid == cloud.pid
    assert repaired.recogniser_pid != cloud.recogniser_pid
    again = killed_and_started(repaired)
    assert again.pid != repaired.pid
    assert again.recogniser_pid == repaired.recogniser_pid


@pytest.mark.skipif(not shutil.which("ss"), reason="needs ss")
def test_listens_on_loopback_only(home: Path) -> None:
    cloud = engine.start(home=home)
    client(cloud, "s3").create_bucket(Bucket="photos")
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True)
    addresses = {
        line.split()[3]
        for line in listening.stdout.splitlines()
        if any(f"pid={pid}," in line for pid in processes.ours(home))
    }
    assert addresses == {
        cloud.endpoint.removeprefix("http://"),
        cloud.recogniser.removeprefix("http://"),
    }


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_the_users_credentials_do_not_reach_the_children(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-users-secret")
    monkeypatch.setenv("AWS_PROFILE", "the-users-profile")
    monkeypatch.setenv("GITHUB_TOKEN", "the-users-token")
    cloud = engine.start(home=home)
    for pid in (cloud.pid, cloud.recogniser_pid):
        handed = Path(f"/proc/{pid}/environ").read_text()
        assert "the-users" not in handed
        assert "AWS_SECRET_ACCESS_KEY=test\0" in handed


def test_only_programs_of_this_machine_are_let_in(home: Path) -> None:
    cloud = engine.start(home=home)
    assert status_of(f"{cloud.endpoint}/_ministack/reset", "POST") == 403
    assert status_of(f"{cloud.endpoint}/%5Fministack/reset", "POST") == 403
    assert status_of(f"{cloud.endpoint}/_localstack/health") == 403
    assert status_of(f"{cloud.endpoint}/", "POST", Origin="https://evil.example") == 403
    assert status_of(f"{cloud.endpoint}/", Host="evil.example") == 403
    assert status_of(f"{cloud.endpoint}/_labelctl/health") == 200
    assert status_of(f"{cloud.endpoint}/_labelctl/nothing") == 404
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    key = {"Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert status_of(f"{cloud.endpoint}/_aws/execute-api/a/b", **upgrade, **key) == 403


def test_a_strangers_port_is_named(home: Path) -> None:
    cloud = engine.start(home=home)
    engine.stop(home)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(cloud.endpoint.rpartition(":")[2])
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        with pytest.raises(LocalCloudError, match=str(port)) as failure:
            engine.start(home=home)
        assert "labelctl local reset" in failure.value.hint
    assert processes.ours(home) == set()
    assert engine.start(home=home).endpoint == cloud.endpoint


def test_a_start_that_fails_ends_even_what_it_started_that_moment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has just been made shows no environment to be recognised by."""
    cloud = engine.start(home=home)
    engine.stop(home)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", int(cloud.recogniser.rpartition(":")[2])))
        stranger.listen()
        with monkeypatch.context() as moment:
            moment.setattr(processes, "ours", lambda home: set())
            with pytest.raises(LocalCloudError, match="is taken by"):
                engine.start(home=home)
    assert processes.ours(home) == set()


def test_a_model_that_is_none_changes_nothing(home: Path, tmp_path: Path) -> None:
    cloud = engine.start(home=home)
    broken = tmp_path / "broken.onnx"
    broken.write_text("not a model")
    with pytest.raises(LocalCloudError, match="is not an ONNX model"):
        engine.start(home=home, model=broken)
    assert engine.status(home) == cloud
    assert engine.stop(home)
    assert engine.start(home=home).model is None


def test_a_model_that_has_gone_bad_can_be_left_out(home: Path, tmp_path: Path) -> None:
    model = toy_model(tmp_path / "toy.onnx")
    engine.start(home=home, model=model)
    engine.stop(home)
    model.write_text("not a model any more")
    with pytest.raises(LocalCloudError, match="recogniser ended at once") as failure:
        engine.start(home=home)
    assert "is not an ONNX model" in failure.value.hint
    assert "--no-model" in failure.value.hint
    assert processes.ours(home) == set()
    assert engine.start(home=home, forget_model=True).model is None


def test_another_model_restarts_the_recogniser_alone(home: Path, tmp_path: Path) -> None:
    cloud = engine.start(home=home)
    model = toy_model(tmp_path / "toy.onnx")
    with_model = engine.start(home=home, model=model)
    assert with_model.pid == cloud.pid
    assert with_model.recogniser == cloud.recogniser
    assert with_model.recogniser_pid != cloud.recogniser_pid
    assert with_model.model == str(model)
    assert with_model.model_version != cloud.model_version
    assert engine.start(home=home) == with_model
    engine.stop(home)
    assert engine.start(home=home).model == str(model)


def toy_model(path: Path) -> Path:
    """An ONNX classifier of two labels, in the convention of Ultralytics."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2])
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["mean", "from", "to", "axis"], ["scores"]),
    ]
    values = [("from", [0]), ("to", [2]), ("axis", [1])]
    fixed = [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in values]
    graph = helper.make_graph(nodes, "toy", [image], [scores], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    told = {"names": "{0: 'cat', 1: 'dog'}", "task": "classify", "imgsz": "[32, 32]"}
    helper.set_model_props(model, told)
    onnx.save(model, path)
    return path


def test_a_kill_loses_no_object_version_or_delete_marker(home: Path) -> None:
    cloud = engine.start(home=home)
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="photos", Key="a b/ä.jpg", Body=b"one", ChecksumAlgorithm="SHA256")
    killed_and_started(cloud)
    second = s3.put_object(Bucket="photos", Key="a b/ä.jpg", Body=b"two")
    marker = s3.delete_object(Bucket="photos", Key="a b/ä.jpg")["VersionId"]
    s3.put_object(Bucket="photos", Key="gone", Body=b"x")
    s3.delete_object(
        Bucket="photos",
        Key="gone",
        VersionId=s3.head_object(Bucket="photos", Key="gone")["VersionId"],
    )
    cloud = killed_and_started(engine.start(home=home))
    for _ in ("after a kill", "after a graceful restart"):
        listed = s3.list_object_versions(Bucket="photos")
        assert [each["VersionId"] for each in listed["DeleteMarkers"]] == [marker]
        assert {each["VersionId"] for each in listed["Versions"]} == {
            first["VersionId"],
            second["VersionId"],
        }
        head = s3.head_object(
            Bucket="photos", Key="a b/ä.jpg", VersionId=first["VersionId"], ChecksumMode="ENABLED"
        )
        digest = base64.b64encode(hashlib.sha256(b"one").digest()).decode()
        assert head["ChecksumSHA256"] == digest
        assert head["ETag"] == first["ETag"]
        for version, body in ((first, b"one"), (second, b"two")):
            got = s3.get_object(Bucket="photos", Key="a b/ä.jpg", VersionId=version["VersionId"])
            assert got["Body"].read() == body
        engine.stop(home)
        engine.start(home=home)


def test_a_kill_loses_no_row_and_no_message(home: Path) -> None:
    cloud = engine.start(home=home)
    rows, queues = client(cloud, "dynamodb"), client(cloud, "sqs")
    rows.create_table(
        TableName="labels",
        KeySchema=[{"AttributeName": "image", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "image", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    url = queues.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    for round_number in range(3):
        cloud = killed_and_started(cloud)
        odd = {"S": f'{round_number} "quoted" ü\u2028\0'}
        rows.put_item(TableName="labels", Item={"image": odd, "n": {"N": "1"}})
        kill_engine(cloud)
        cloud = engine.start(home=home)
        rows.update_item(
            TableName="labels",
            Key={"image": odd},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        cloud = killed_and_started(cloud)
        queues.send_message(QueueUrl=url, MessageBody=f"message {round_number}")
        cloud = killed_and_started(cloud)
    found = rows.scan(TableName="labels")["Items"]
    assert sorted(item["n"]["N"] for item in found) == ["2", "2", "2"]
    rows.delete_item(TableName="labels", Key={"image": found[0]["image"]})
    killed_and_started(cloud)
    assert rows.scan(TableName="labels")["Count"] == 2

    received = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in received} == {f"message {n}" for n in range(3)}
    queues.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])
    kill_engine(engine.start(home=home))
    engine.start(home=home)
    # The other two were in flight at a client, which still holds their receipts.
    queues.delete_message(QueueUrl=url, ReceiptHandle=received[1]["ReceiptHandle"])
    back = until(lambda: queues.receive_message(QueueUrl=url).get("Messages"))
    assert [message["Body"] for message in back] == [received[2]["Body"]]


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


def test_a_kill_loses_no_finished_stack(home: Path) -> None:
    cloud = engine.start(home=home)
    stacks = client(cloud, "cloudformation")
    made = stacks.create_change_set(
        StackName="photos",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=TEMPLATE % TRUST,
        Capabilities=["CAPABILITY_IAM"],
    )
    cloud = killed_and_started(cloud)
    stacks.execute_change_set(ChangeSetName=made["Id"])

    def described() -> Any:
        return stacks.describe_stacks(StackName="photos")["Stacks"][0]

    until(lambda: described()["StackStatus"] == "CREATE_COMPLETE")
    cloud = killed_and_started(cloud)
    outputs = {out["OutputKey"]: out["OutputValue"] for out in described()["Outputs"]}
    client(cloud, "s3").head_bucket(Bucket=outputs["Bucket"])
    client(cloud, "iam").get_role(RoleName=outputs["Role"])
    stacks.delete_stack(StackName=made["StackId"])
    stacks.get_waiter("stack_delete_complete").wait(
        StackName=made["StackId"], WaiterConfig={"Delay": 1}
    )
    cloud = killed_and_started(cloud)
    assert client(cloud, "s3").list_buckets()["Buckets"] == []


def test_a_stack_that_was_being_made_can_be_deleted_after_a_kill(home: Path) -> None:
    cloud = engine.start(home=home)
    stacks = client(cloud, "cloudformation")
    waits = "Resources: {Handle: {Type: 'AWS::CloudFormation::WaitConditionHandle'}, Wait: "
    waits += "{Type: 'AWS::CloudFormation::WaitCondition', "
    waits += "Properties: {Handle: !Ref Handle, Timeout: '600'}}}"
    stack = stacks.create_stack(StackName="half", TemplateBody=waits)["StackId"]
    cloud = killed_and_started(cloud)
    described = stacks.describe_stacks(StackName=stack)["Stacks"][0]
    assert described["StackStatus"] == "CREATE_FAILED"
    assert "stopped during this operation" in described["StackStatusReason"]
    newest = stacks.describe_stack_events(StackName=stack)["StackEvents"][0]
    assert newest["ResourceStatus"] == "CREATE_FAILED"
    stacks.delete_stack(StackName=stack)
    until(
        lambda: (
            stacks.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"
        )
    )


FUNCTION = """
import json, os, time, urllib.parse, boto3
rows = boto3.client("dynamodb")
def handler(event, context):
    for record in event["Records"]:
        for photo in json.loads(record["body"]).get("Records", []):
            key = urllib.parse.unquote_plus(photo["s3"]["object"]["key"])
            time.sleep(float(os.environ["PAUSE"]))
            for label in range(3):
                item = {"image": {"S": key}, "label": {"N": str(label)}}
                rows.put_item(TableName="labels", Item=item)
"""


def make_pipeline(cloud: engine.Cloud, pause: str) -> None:
    """Bucket → queue → function → table, with rights for just that."""
    rows, queues, s3 = (client(cloud, name) for name in ("dynamodb", "sqs", "s3"))
    rows.create_table(
        TableName="labels",
        KeySchema=[
            {"AttributeName": "image", "KeyType": "HASH"},
            {"AttributeName": "label", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "image", "AttributeType": "S"},
            {"AttributeName": "label", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    queue_arn = "arn:aws:sqs:us-east-1:000000000000:work"
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
            }
        ]
    }
    queues.create_queue(
        QueueName="work", Attributes={"VisibilityTimeout": "300", "Policy": json.dumps(policy)}
    )
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_notification_configuration(
        Bucket="photos",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    role = client(cloud, "iam").create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)
    rights = {"Statement": [{"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*"}]}
    client(cloud, "iam").put_role_policy(
        RoleName="worker", PolicyName="rows", PolicyDocument=json.dumps(rights)
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("work.py", FUNCTION)
    functions = client(cloud, "lambda")
    functions.create_function(
        FunctionName="worker",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="work.handler",
        Timeout=60,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"PAUSE": pause}},
    )
    functions.create_event_source_mapping(
        FunctionName="worker", EventSourceArn=queue_arn, BatchSize=5
    )


def test_kills_during_the_work_lose_no_photo(home: Path) -> None:
    cloud = engine.start(home=home)
    make_pipeline(cloud, pause="0.02")
    s3, rows = client(cloud, "s3"), client(cloud, "dynamodb")
    uploaded: list[str] = []

    def upload(number: int) -> None:
        with contextlib.suppress(Exception):  # the engine is being killed: not told it is done
            s3.put_object(Bucket="photos", Key=f"photo {number}.jpg", Body=b"x" * 1000)
            uploaded.append(f"photo {number}.jpg")

    with ThreadPoolExecutor(4) as pool:
        for kill in range(4):
            work = [pool.submit(upload, kill * 40 + number) for number in range(40)]
            before = len(uploaded)
            until(lambda before=before: len(uploaded) > before + 10)  # type: ignore[misc]
            kill_engine(cloud)
            for each in work:
                each.result()
            cloud = engine.start(home=home)
    assert len(uploaded) > 40

    def stored() -> dict[str, int]:
        count: dict[str, int] = {}
        for page in rows.get_paginator("scan").paginate(TableName="labels"):
            for item in page["Items"]:
                count[item["image"]["S"]] = count.get(item["image"]["S"], 0) + 1
        return count

    until(lambda: all(stored().get(key) == 3 for key in uploaded), 60)


def test_a_killed_engine_leaves_no_worker_and_its_messages_come_back_at_once(home: Path) -> None:
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
    workers = until(lambda: processes.ours(home) - {cloud.pid, cloud.recogniser_pid})
    cloud = killed_and_started(cloud)
    assert not [pid for pid in workers if processes.alive(pid)]
    # Its visibility time-out is 300 seconds, but the worker that had it is dead.
    until(lambda: rows.scan(TableName="labels")["Count"] == 3, 30)
    killed_and_started(cloud)
    assert rows.scan(TableName="labels")["Count"] == 3  # what was seen stays


def test_policies_are_enforced_and_can_be_asked_for(home: Path) -> None:
    from botocore.exceptions import ClientError

    cloud = engine.start(home=home)
    people = client(cloud, "iam")
    people.create_user(UserName="ann")
    key = people.create_access_key(UserName="ann")["AccessKey"]
    rights = {
        "Statement": [{"Effect": "Allow", "Action": "rekognition:DetectLabels", "Resource": "*"}]
    }
    people.put_user_policy(UserName="ann", PolicyName="look", PolicyDocument=json.dumps(rights))
    cloud = killed_and_started(cloud)
    ann = client(cloud, "s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    with pytest.raises(ClientError, match="AccessDenied"):
        ann.list_buckets()

    def may(access_key: str, action: str) -> Any:
        question = {"access_key": access_key, "action": action, "resource": "*"}
        request = urllib.request.Request(
            f"{cloud.endpoint}/_labelctl/authorize", data=json.dumps(question).encode()
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    arn = "arn:aws:iam::000000000000:user/ann"
    look, put = "rekognition:DetectLabels", "s3:PutObject"
    assert may(key["AccessKeyId"], look) == {"allowed": True, "principal": arn}
    assert may(key["AccessKeyId"], put) == {"allowed": False, "principal": arn}
    assert may("test", put)["allowed"]
    assert may("123456789012", put)["principal"] == "arn:aws:iam::123456789012:root"
    assert may("AKIANOBODY", look) == {"allowed": False, "principal": ""}


def test_a_damaged_state_falls_back_and_says_so(home: Path) -> None:
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
    engine.start(home=home)
    assert engine.status(home) is not None
