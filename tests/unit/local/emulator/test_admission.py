"""Which requests the local cloud refuses, and which may change something."""

from __future__ import annotations

import pytest

from labelctl.local.emulator import admission
from labelctl.local.emulator.admission import Effect, Request

HOST = {"host": "127.0.0.1:20001"}
PRESIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0"
    "&X-Amz-Credential=LCTL%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
)


def get(path: str, headers: dict[str, str], query: str = "") -> Request:
    return Request("GET", path, query, headers)


@pytest.mark.parametrize("host", ["127.0.0.1:20001", "localhost", "LOCALHOST:1", "[::1]:20001"])
def test_allows_every_name_of_this_machine(host: str) -> None:
    assert admission.refusal(get("/photos/a.jpg", {"host": host})) is None


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "photos.localhost",
        "10.0.0.1", "[::1", "[::1].evil.example", "[::1].evil", "evil@127.0.0.1", "127.0.0.1:80:80",
        "127.0.0.1:", "127.0.0.1 ", "127.1", "0.0.0.0", "2130706433",
    ],
)  # fmt: skip
def test_refuses_host_names_that_may_be_rebound(host: str) -> None:
    assert admission.refusal(get("/photos/a.jpg", {"host": host})) is not None


@pytest.mark.parametrize("target", ["http://127.0.0.1/", "http://evil.example/", "*", ""])
def test_refuses_targets_that_are_not_paths(target: str) -> None:
    assert admission.refusal(get(target, HOST)) is not None


@pytest.mark.parametrize(
    "path", ["/photos/a.jpg#b", "/#", "/a\tb", "/a\nb", "/a b", "/a\x7f", "/é"]
)
def test_refuses_paths_that_a_url_parser_would_shorten(path: str) -> None:
    assert admission.refusal(get(path, HOST)) is not None


def test_allows_paths_as_clients_encode_them() -> None:
    assert (
        admission.refusal(get("/photos/%C3%A9%23/a%20b!\"$&'()*+,;=:@[]{}|^`~.jpg", HOST)) is None
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "file://"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "none", "sec-purpose": "prefetch"},
        {"sec-fetch-site": "none", "sec-purpose": "prefetch;prerender"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/", "/photos/a.jpg", "/_labelctl/health"])
def test_refuses_web_pages(path: str, headers: dict[str, str]) -> None:
    assert admission.refusal(get(path, HOST | headers)) is not None


def test_an_address_typed_into_a_browser_needs_a_signature() -> None:
    assert admission.refusal(get("/photos/a.jpg", HOST | {"sec-fetch-site": "none"})) is None


def test_allows_a_page_to_open_objects_by_presigned_urls() -> None:
    page = HOST | {"sec-fetch-site": "cross-site"}
    assert admission.refusal(get("/photos/a.jpg", page, PRESIGNED)) is None
    assert admission.refusal(Request("HEAD", "/photos/a.jpg", PRESIGNED, page)) is None


@pytest.mark.parametrize(
    ("method", "path", "query", "more"),
    [
        ("PUT", "/photos/a.jpg", PRESIGNED, {}),
        ("POST", "/photos/a.jpg", PRESIGNED, {}),
        ("GET", "/photos", PRESIGNED, {}),
        ("GET", "/", PRESIGNED, {}),
        ("GET", "/photos/a.jpg", PRESIGNED.replace("s3", "cloudformation"), {}),
        ("GET", "/photos/a.jpg", PRESIGNED, {"origin": "https://evil.example"}),
        ("GET", "/photos/a.jpg", PRESIGNED, {"host": "evil.example"}),
    ],
)
def test_a_page_can_do_nothing_else_with_presigned_urls(
    method: str, path: str, query: str, more: dict[str, str]
) -> None:
    page = HOST | {"sec-fetch-site": "cross-site"} | more
    assert admission.refusal(Request(method, path, query, page)) is not None


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
    assert admission.refusal(get(path, HOST)) is not None


@pytest.mark.parametrize("path", ["/_ministack/cfn-response/token", "/_ministack/cfn-signal/token"])
def test_allows_cloudformations_callbacks(path: str) -> None:
    assert admission.refusal(Request("PUT", path, "", HOST)) is None
    assert admission.refusal(Request("POST", path, "", HOST)) is not None
    assert admission.refusal(Request("PUT", path, "", HOST | {"origin": "null"})) is not None


def signed(service: str, **headers: str) -> dict[str, str]:
    scope = f"AWS4-HMAC-SHA256 Credential=LCTL/20260101/us-east-1/{service}/aws4_request, Signed…"
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
def test_s3_objects_are_on_disk_immediately_but_buckets_are_not(
    method: str, path: str, query: str, expected: Effect
) -> None:
    assert admission.effect(Request(method, path, query, signed("s3"))) is expected


def test_a_presigned_upload_changes_an_object() -> None:
    assert admission.effect(Request("PUT", "/photos/a.jpg", PRESIGNED, HOST)) is Effect.OBJECT


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
def test_json_requests_are_classified_by_their_verb(
    service: str, target: str, expected: Effect
) -> None:
    headers = signed(service, x_amz_target=target)
    assert admission.effect(Request("POST", "/", "", headers)) is expected


@pytest.mark.parametrize(
    ("service", "body", "expected"),
    [
        ("iam", b"Action=CreateRole&Version=1", Effect.REST),
        ("iam", b"Version=1&Action=GetRole", Effect.READ),
        ("iam", b"RoleName=Action=GetRole&Action=DeleteRole", Effect.REST),
        ("sts", b"Action=GetCallerIdentity", Effect.READ),
        ("sts", b"", Effect.REST),
        # Stacks change in the background, so even reads wait until the state is saved.
        ("cloudformation", b"Action=DescribeStacks", Effect.REST),
        ("cloudformation", b"Action=ExecuteChangeSet", Effect.REST),
    ],
)
def test_form_requests_are_classified_by_their_action(
    service: str, body: bytes, expected: Effect
) -> None:
    headers = signed(service, content_type="application/x-www-form-urlencoded; charset=utf-8")
    assert admission.effect(Request("POST", "/", "", headers), body) is expected


def test_lambda_requests_are_classified_by_their_method() -> None:
    path = "/2015-03-31/functions/worker"
    invoke = Request("POST", f"{path}/invocations", "", signed("lambda"))
    assert admission.effect(get(path, signed("lambda"))) is Effect.READ
    assert admission.effect(invoke) is Effect.REST


def test_finds_the_access_key_of_a_signed_request() -> None:
    assert admission.access_key(signed("s3")) == "LCTL"
    assert admission.access_key(HOST) == ""
