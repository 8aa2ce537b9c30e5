"""The gateway and the emulator interpret each request alike: what was signed is what is done."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from labelctl.local import engine
from tests.e2e.engine.conftest import choose_model, client, end_all

boto3 = pytest.importorskip("boto3")

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LIST_USERS = "Action=ListUsers&Version=2010-05-08"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, toy_model: Path) -> Iterator[engine.Cloud]:
    """A local cloud with one photo in a bucket."""
    home = tmp_path_factory.mktemp("cloud")
    choose_model(home, toy_model)
    started = engine.start(home=home)
    s3 = client(started, "s3")
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="a.jpg", Body=b"a photo")
    yield started
    end_all(home)


@pytest.fixture(scope="module")
def user(cloud: engine.Cloud) -> Credentials:
    """The access key of an IAM user without permissions."""
    people = client(cloud, "iam")
    people.create_user(UserName="user")
    key = people.create_access_key(UserName="user")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def send(
    cloud: engine.Cloud, method: str, target: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=10)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def link(cloud: engine.Cloud, operation: str) -> str:
    """The path and query of a URL presigned by root for one photo."""
    s3 = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=cloud.credentials.access_key_id,
        aws_secret_access_key=cloud.credentials.secret_access_key,
        config=Config(signature_version="s3v4"),
    )
    params = {"Bucket": "photos", "Key": "a.jpg"}
    url = urlsplit(s3.generate_presigned_url(operation, Params=params, ExpiresIn=60))
    return f"{url.path}?{url.query}"


def presigned(
    cloud: engine.Cloud, who: Credentials, service: str, method: str, path: str, first: str = ""
) -> str:
    """A path and query signed here, as botocore cannot sign a second X-Amz-Credential (`first`)."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/us-east-1/{service}/aws4_request"
    fields = [("X-Amz-Credential", f"{first}/{scope}")] if first else []
    fields += [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{who.access_key}/{scope}"),
        ("X-Amz-Date", now),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if service == "iam":
        fields += [("Action", "ListUsers"), ("Version", "2010-05-08")]
    query = "&".join(sorted(f"{name}={quote(value, safe='')}" for name, value in fields))
    host = urlsplit(cloud.endpoint).netloc
    payload = "UNSIGNED-PAYLOAD" if service == "s3" else hashlib.sha256(b"").hexdigest()
    canonical = f"{method}\n{path}\n{query}\nhost:{host}\n\nhost\n{payload}"
    key = f"AWS4{who.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return f"{path}?{urlencode([*fields, ('X-Amz-Signature', signature)])}"


def test_a_second_key_in_the_header_is_refused(cloud: engine.Cloud, user: Credentials) -> None:
    request = AWSRequest("POST", f"{cloud.endpoint}/", data=LIST_USERS, headers=FORM)
    SigV4Auth(user, "iam", "us-east-1").add_auth(request)
    signed = dict(request.headers)
    for key in ("test", cloud.credentials.access_key_id):
        scope = f"{signed['X-Amz-Date'][:8]}/us-east-1/iam/aws4_request"
        both = f" Credential={key}/{scope}, Credential="
        changed = signed | {"Authorization": signed["Authorization"].replace(" Credential=", both)}
        assert send(cloud, "POST", "/", changed, LIST_USERS.encode())[0] == 403


def test_a_second_key_in_the_query_is_refused(cloud: engine.Cloud, user: Credentials) -> None:
    root = cloud.credentials
    owner = Credentials(root.access_key_id, root.secret_access_key)
    assert send(cloud, "GET", presigned(cloud, owner, "iam", "GET", "/"), {})[0] == 200
    for first in ("test", root.access_key_id):
        target = presigned(cloud, user, "iam", "GET", "/", first)
        assert send(cloud, "GET", target, {})[0] == 403


@pytest.mark.parametrize("operation", ["get_object", "put_object"])
def test_a_link_to_a_photo_is_not_valid_for_other_services(
    cloud: engine.Cloud, operation: str
) -> None:
    method = operation[:3].upper()
    target = link(cloud, operation)
    _, answer = send(cloud, method, target, FORM, LIST_USERS.encode())
    assert b"ListUsers" not in answer
    assert b"IAM" not in answer
    trailer = b"2\r\n{}\r\n0\r\nx-amz-target:DynamoDB_20120810.ListTables\r\n\r\n"
    _, answer = send(cloud, method, target, {"Content-Encoding": "aws-chunked"}, trailer)
    assert b"TableNames" not in answer


def test_a_trailer_cannot_name_another_user(cloud: engine.Cloud, user: Credentials) -> None:
    scope = f"{datetime.now(UTC):%Y%m%d}/us-east-1/s3/aws4_request"
    target = presigned(cloud, user, "s3", "PUT", "/photos/new.jpg")
    for key in ("test", cloud.credentials.access_key_id):
        trailer = f"authorization:AWS4-HMAC-SHA256 Credential={key}/{scope}"
        body = f"2\r\nhi\r\n0\r\n{trailer}\r\n\r\n".encode()
        code, _ = send(cloud, "PUT", target, {"Content-Encoding": "aws-chunked"}, body)
        assert code == 403
    listed = client(cloud, "s3").list_objects_v2(Bucket="photos")
    assert "new.jpg" not in json.dumps([each["Key"] for each in listed["Contents"]])
