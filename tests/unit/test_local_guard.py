"""Who is let into the local cloud, and which answers wait until a change is saved."""

from __future__ import annotations

import pytest

from labelctl.local import guard
from labelctl.local.guard import Effect

HOST = {"host": "127.0.0.1:20001"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:20001", "localhost", "LOCALHOST:1", "[::1]:20001", "photos.localhost:20001"]
)
def test_lets_in_this_machine_by_any_of_its_names(host: str) -> None:
    assert guard.refusal("/photos/a.jpg", {"host": host}) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::1"],
)
def test_refuses_names_that_somebody_else_may_point_here(host: str) -> None:
    assert guard.refusal("/photos/a.jpg", {"host": host}) is not None


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "file://", "http://[::1"])
def test_refuses_pages_of_other_sites(origin: str) -> None:
    assert guard.refusal("/", HOST | {"origin": origin}) is not None


def test_lets_in_pages_of_this_machine() -> None:
    assert guard.refusal("/", HOST | {"origin": "http://localhost:3000"}) is None


@pytest.mark.parametrize(
    "path",
    [
        "/_ministack",
        "/_ministack/reset",
        "/_ministack/config",
        "/_ministack/health",
        "/_localstack/health",
        "/_aws/execute-api/a/b",
    ],
)
def test_closes_the_emulators_admin_interface(path: str) -> None:
    assert guard.refusal(path, HOST) is not None


def test_leaves_cloudformation_its_callbacks() -> None:
    assert guard.refusal("/_ministack/cfn-response/token", HOST) is None
    assert guard.refusal("/_ministack/cfn-signal/token", HOST) is None


def signed(service: str, **headers: str) -> dict[str, str]:
    scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, Signed…"
    return {"authorization": scope} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/photos/a.jpg", "", Effect.READ),
        ("HEAD", "/photos/a.jpg", "", Effect.READ),
        ("GET", "/photos", "list-type=2", Effect.READ),
        ("PUT", "/photos/a.jpg", "", Effect.OBJECT),
        ("PUT", "/photos/a.jpg", "partNumber=1&uploadId=x", Effect.OBJECT),
        ("DELETE", "/photos/a.jpg", "versionId=x", Effect.OBJECT),
        ("POST", "/photos", "delete", Effect.OBJECT),
        ("PUT", "/photos", "", Effect.DATA),
        ("PUT", "/photos/", "", Effect.DATA),
        ("PUT", "/photos", "notification", Effect.DATA),
        ("DELETE", "/photos", "", Effect.DATA),
    ],
)
def test_s3_objects_are_safe_at_once_but_buckets_are_not(
    method: str, path: str, query: str, expected: Effect
) -> None:
    assert guard.effect(method, path, query, signed("s3")) is expected


def test_a_presigned_upload_changes_an_object() -> None:
    query = "X-Amz-Credential=test%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
    assert guard.effect("PUT", "/photos/a.jpg", query, HOST) is Effect.OBJECT


@pytest.mark.parametrize(
    ("service", "target", "expected"),
    [
        ("dynamodb", "DynamoDB_20120810.PutItem", Effect.DATA),
        ("dynamodb", "DynamoDB_20120810.ExecuteStatement", Effect.DATA),
        ("dynamodb", "DynamoDB_20120810.Query", Effect.SEEN),
        ("dynamodb", "DynamoDB_20120810.BatchGetItem", Effect.SEEN),
        ("dynamodb", "DynamoDB_20120810.TransactGetItems", Effect.SEEN),
        ("sqs", "AmazonSQS.SendMessage", Effect.DATA),
        ("sqs", "AmazonSQS.ReceiveMessage", Effect.DATA),
        ("sqs", "AmazonSQS.GetQueueAttributes", Effect.SEEN),
        ("logs", "Logs_20140328.FilterLogEvents", Effect.READ),
        ("logs", "Logs_20140328.CreateLogGroup", Effect.REST),
    ],
)
def test_json_services_are_told_by_their_verbs(service: str, target: str, expected: Effect) -> None:
    headers = signed(service, x_amz_target=target)
    assert guard.effect("POST", "/", "", headers) is expected


@pytest.mark.parametrize(
    ("service", "body", "expected"),
    [
        ("iam", b"Action=CreateRole&Version=1", Effect.REST),
        ("iam", b"Version=1&Action=GetRole", Effect.READ),
        ("iam", b"RoleName=Action=GetRole&Action=DeleteRole", Effect.REST),
        ("sts", b"Action=GetCallerIdentity", Effect.READ),
        ("sts", b"", Effect.REST),
        # Stacks change behind one's back, so what is told of them is saved first.
        ("cloudformation", b"Action=DescribeStacks", Effect.REST),
        ("cloudformation", b"Action=ExecuteChangeSet", Effect.REST),
    ],
)
def test_form_services_are_told_by_their_action(
    service: str, body: bytes, expected: Effect
) -> None:
    headers = signed(service, content_type="application/x-www-form-urlencoded; charset=utf-8")
    assert guard.effect("POST", "/", "", headers, body) is expected


def test_lambda_is_told_by_its_methods() -> None:
    path = "/2015-03-31/functions/worker"
    assert guard.effect("GET", path, "", signed("lambda")) is Effect.READ
    assert guard.effect("POST", f"{path}/invocations", "", signed("lambda")) is Effect.REST


def test_finds_the_access_key_of_a_signed_request() -> None:
    assert guard.access_key(signed("s3")) == "test"
    assert guard.access_key(HOST) == ""
