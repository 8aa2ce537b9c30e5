"""The local cloud only accepts requests signed with one of its own keys."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from labelctl.local import engine
from labelctl.local.credentials import Credentials as Root
from labelctl.local.emulator import patches
from tests.e2e.engine.conftest import choose_model, client, end_all

boto3 = pytest.importorskip("boto3")

CALLS: dict[str, Callable[[Any], Any]] = {
    "s3": lambda s3: s3.put_object(Bucket="photos", Key="a b.jpg", Body=b"a photo"),
    "sqs": lambda sqs: sqs.create_queue(QueueName="work"),
    "dynamodb": lambda dynamodb: dynamodb.list_tables(Limit=7),
    "cloudformation": lambda stacks: stacks.describe_stacks(),
    "lambda": lambda functions: functions.create_event_source_mapping(FunctionName="f"),
    "iam": lambda iam: iam.list_roles(),
    "sts": lambda sts: sts.get_caller_identity(),
    "logs": lambda logs: logs.describe_log_groups(limit=7),
    "cloudwatch": lambda metrics: metrics.list_metrics(),
    "sns": lambda topics: topics.create_topic(Name="alarms"),
    "rekognition": lambda client: client.detect_labels(Image={"Bytes": b"no picture"}),
}
"""A call, with a body if possible, to each service that labelctl or its function uses."""

each_service = pytest.mark.parametrize("service", CALLS)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, toy_model: Path) -> Iterator[engine.Cloud]:
    """A local cloud with a bucket."""
    home = tmp_path_factory.mktemp("cloud")
    choose_model(home, toy_model)
    started = engine.start(home=home)
    client(started, "s3").create_bucket(Bucket="photos")
    yield started
    end_all(home)


def status(called: Callable[[], Any]) -> tuple[int, str]:
    """The HTTP status and the error code of a call."""
    try:
        return called()["ResponseMetadata"]["HTTPStatusCode"], ""
    except ClientError as error:
        response = error.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def sent_with(
    cloud: engine.Cloud, service: str, change: Callable[[AWSPreparedRequest], None]
) -> tuple[int, str]:
    """Make the service's call, and change its request after it is signed."""
    changed = client(cloud, service)
    changed.meta.events.register("before-send", lambda request, **_: change(request))
    return status(lambda: CALLS[service](changed))


@each_service
def test_a_request_signed_by_root_is_accepted(cloud: engine.Cloud, service: str) -> None:
    code, error = status(lambda: CALLS[service](client(cloud, service)))
    # The service may return an error, which shows that the request was accepted.
    assert code != 403, error


@each_service
def test_an_unsigned_request_is_refused(cloud: engine.Cloud, service: str) -> None:
    def unsign(request: AWSPreparedRequest) -> None:
        del request.headers["Authorization"]

    assert sent_with(cloud, service, unsign)[0] == 403


@each_service
@pytest.mark.parametrize("key", ["test", "123456789012", "AKIANOBODYHASTHISKEY", "the owner's"])
def test_a_wrong_secret_is_refused(cloud: engine.Cloud, service: str, key: str) -> None:
    key = cloud.credentials.access_key_id if key == "the owner's" else key
    other = client(cloud, service, key=key, secret="test")
    assert status(lambda: CALLS[service](other))[0] == 403


@each_service
def test_an_old_signature_is_refused(
    cloud: engine.Cloud, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=16)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: then)
    assert status(lambda: CALLS[service](client(cloud, service)))[0] == 403


@pytest.mark.parametrize("service", CALLS)
def test_a_changed_body_is_refused(cloud: engine.Cloud, service: str) -> None:
    def change(request: AWSPreparedRequest) -> None:
        body = request.body.read() if hasattr(request.body, "read") else request.body
        body = body.encode() if isinstance(body, str) else body
        request.body = body[:-1] + bytes([body[-1] ^ 1])

    assert sent_with(cloud, service, change)[0] == 403


@each_service
def test_a_changed_path_is_refused(cloud: engine.Cloud, service: str) -> None:
    def change(request: AWSPreparedRequest) -> None:
        request.url += "x" if service in ("s3", "lambda") else "?x=1"

    assert sent_with(cloud, service, change)[0] in (400, 403)
    assert sent_with(cloud, service, change)[1] not in ("", "NoSuchBucket")


# -- keys issued by the emulator


def user(cloud: engine.Cloud, name: str) -> dict[str, str]:
    """The access key of a new IAM user who may do everything."""
    people = client(cloud, "iam")
    people.create_user(UserName=name)
    people.put_user_policy(
        UserName=name,
        PolicyName="all",
        PolicyDocument=json.dumps(
            {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        ),
    )
    key = people.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


@pytest.mark.parametrize("service", ["s3", "dynamodb", "rekognition"])
def test_a_users_key_needs_the_users_secret(cloud: engine.Cloud, service: str) -> None:
    ann = user(cloud, f"ann-{service}")
    call = CALLS[service]
    assert status(lambda: call(client(cloud, service, **ann)))[0] != 403
    for secret in ("test", "", cloud.credentials.secret_access_key):
        other = ann | {"secret": secret or "-"}
        assert status(lambda who=other: call(client(cloud, service, **who)))[0] == 403
    people = client(cloud, "iam")
    people.update_access_key(UserName=f"ann-{service}", AccessKeyId=ann["key"], Status="Inactive")
    assert status(lambda: call(client(cloud, service, **ann)))[0] == 403


def test_a_session_needs_its_token(cloud: engine.Cloud) -> None:
    issued = client(cloud, "sts", **user(cloud, "eve")).get_session_token()["Credentials"]
    session = {
        "key": issued["AccessKeyId"],
        "secret": issued["SecretAccessKey"],
        "token": issued["SessionToken"],
    }
    call = CALLS["dynamodb"]
    assert status(lambda: call(client(cloud, "dynamodb", **session)))[0] == 200
    for token in ("", "another"):
        other = session | {"token": token}
        assert status(lambda who=other: call(client(cloud, "dynamodb", **who)))[0] == 403


def test_a_functions_secret_cannot_be_derived_from_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The emulator derives a function's key, secret and token from its ARN and its role's."""
    from ministack import app
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    monkeypatch.setattr(app, "AUTH", True)
    original = lambda_runtime.execution_credentials
    config = {
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:labels",
        "Role": "arn:aws:iam::000000000000:role/labels",
    }
    issued = [original(config)]
    for secret in ("one", "another"):
        for module in (lambda_runtime, lambda_svc):
            monkeypatch.setattr(module, "execution_credentials", original)
        patches.give_workers_secrets(Root("LCTL", secret))
        issued.append(lambda_svc.execution_credentials(config))
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert len({one[name] for one in issued}) == 3


# -- presigned URLs, and browsers


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, target, headers=names)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.fixture
def link(cloud: engine.Cloud) -> str:
    """A presigned URL of an object."""
    s3 = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=cloud.credentials.access_key_id,
        aws_secret_access_key=cloud.credentials.secret_access_key,
        config=Config(signature_version="s3v4"),
    )
    s3.put_object(Bucket="photos", Key="a b.jpg", Body=b"a photo")
    params = {"Bucket": "photos", "Key": "a b.jpg"}
    return str(s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60))


def test_a_browser_can_only_open_objects_by_presigned_urls(cloud: engine.Cloud, link: str) -> None:
    page = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
    assert fetch(link, **page) == (200, b"a photo")
    assert fetch(link.partition("?")[0], **page)[0] == 403
    assert fetch(link, "PUT", **page)[0] == 403
    assert fetch(link, Origin="https://evil.example")[0] == 403
    assert fetch(link.replace("a%20b", "b"), **page)[0] == 403
    assert fetch(f"{cloud.endpoint}/?Action=DescribeStacks", **page)[0] == 403


def test_a_modified_presigned_url_is_refused(link: str) -> None:
    assert fetch(link)[0] == 200
    assert fetch(link.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))[0] == 403
    assert fetch(link, "DELETE")[0] == 403
    assert fetch(link, X_Amz_Acl="public-read")[0] == 403


@pytest.mark.parametrize(
    "head",
    [
        "GET {path} HTTP/1.1\r\nHost: evil.example",
        "GET {path} HTTP/1.1\r\nHost: [::1].evil:80",
        "GET http://evil.example{path} HTTP/1.1\r\nHost: 127.0.0.1",
        "GET http://127.0.0.1{path} HTTP/1.1\r\nHost: 127.0.0.1",
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example",
        "GET {path} HTTP/1.0\r\nX-Forwarded-Host: 127.0.0.1",
    ],
)
def test_other_host_names_are_refused(link: str, head: str) -> None:
    import socket

    parts = urlsplit(link)
    text = head.format(path=f"{parts.path}?{parts.query}")
    with socket.create_connection(("127.0.0.1", parts.port or 80), 10) as connection:
        connection.sendall(f"{text}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.split(b" ")[1] in (b"400", b"403")
    assert b"a photo" not in answer


def test_an_error_has_the_format_of_its_service(cloud: engine.Cloud) -> None:
    def code(service: str) -> str:
        return status(lambda: CALLS[service](client(cloud, service, key="AKIANOBODY")))[1]

    assert code("s3") == "InvalidAccessKeyId"
    assert code("iam") == "InvalidClientTokenId"
    assert code("dynamodb") == "UnrecognizedClientException"
    assert code("lambda") == "UnrecognizedClientException"
    assert code("rekognition") == "UnrecognizedClientException"
    head = client(cloud, "s3", key="AKIANOBODY")
    assert status(lambda: head.head_object(Bucket="photos", Key="a"))[0] == 403


# -- the gateway's own routes


def test_health_and_admin_pages_disclose_nothing(cloud: engine.Cloud) -> None:
    for path in ("/_labelctl/health", "/health", "/_ministack/health", "/_localstack/health", "/"):
        code, body = fetch(cloud.endpoint + path)
        assert code == 403
        for secret in (str(cloud.pid), cloud.credentials.secret_access_key, str(cloud.home)):
            assert secret.encode() not in body


def test_cloudformation_only_accepts_expected_callbacks(cloud: engine.Cloud) -> None:
    def put(url: str, body: bytes) -> int:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        connection.request("PUT", parts.path, body)
        code = connection.getresponse().status
        connection.close()
        return code

    for kind in ("cfn-response", "cfn-signal"):
        for token in ("", "a", "../reset", "00000000-0000-0000-0000-000000000000"):
            assert put(f"{cloud.endpoint}/_ministack/{kind}/{token}", b"{}") == 403
    stacks = client(cloud, "cloudformation")
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    stacks.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": {"Handle": handle}}))
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    made = stacks.describe_stack_resources(StackName="s")["StackResources"]
    url = made[0]["PhysicalResourceId"]
    signal = {"Status": "SUCCESS", "UniqueId": "1", "Reason": "done", "Data": "x"}
    assert put(url, json.dumps(signal).encode()) == 200
    assert put(url, json.dumps(signal | {"Data": "x" * 99_999}).encode()) >= 400


def test_only_root_may_check_permissions_of_others(cloud: engine.Cloud) -> None:
    def ask(key: str, secret: str) -> int:
        question = {"method": "POST", "path": "/", "headers": {}, "body_sha256": "", "needs": []}
        url = f"{cloud.endpoint}/_labelctl/authorize"
        request = AWSRequest("POST", url, data=json.dumps(question).encode())
        SigV4Auth(Credentials(key, secret), "labelctl", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.request("POST", "/_labelctl/authorize", request.data, dict(request.headers))
        code = connection.getresponse().status
        connection.close()
        return code

    root = cloud.credentials
    bob = user(cloud, "bob")
    assert ask(root.access_key_id, root.secret_access_key) == 200
    assert ask(bob["key"], bob["secret"]) == 403
    assert ask(root.access_key_id, "another") == 403
