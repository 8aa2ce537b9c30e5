"""Errors on the way to AWS: each becomes a sentence, and none shows a secret."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from labelctl.aws import calls, dynamodb, objects, queues, throttling
from labelctl.aws.clients import Aws
from labelctl.aws.dynamodb import TableReader
from labelctl.aws.errors import to_user_error
from labelctl.cli import app
from labelctl.deploy import stack
from labelctl.errors import MissingResourceError
from labelctl.labels import export
from labelctl.operations import function_log
from labelctl.photos import versions
from tests.unit.conftest import FALSE_CREDENTIALS


@pytest.fixture
def configure(monkeypatch, tmp_path):
    """Sets environment variables and writes the AWS configuration's default profile."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def write(config="", **variables):
        path = tmp_path / "config"
        path.write_text(f"[default]\n{config}")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
        if config or "AWS_WEB_IDENTITY_TOKEN_FILE" in variables:
            for name in FALSE_CREDENTIALS:
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return write


@pytest.fixture
def answer(monkeypatch):
    """Has a server answer each request with a status, a content type and a body."""
    given = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            status, media_type, body = given[-1]
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield lambda *response: given.append(response)
        server.shutdown()


def failure(call=lambda aws: aws.sqs.list_queues(), **more):
    """The user's error of a call to AWS."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the point is that any error is explained
        call(Aws(**more))
    error = to_user_error(caught.value)
    assert error, f"{caught.value!r} would show a traceback"
    return error


ROLE = "arn:aws:iam::123456789012:role/x"
SETTINGS = {
    "no number": ("", {"AWS_MAX_ATTEMPTS": "five"}, "AWS_MAX_ATTEMPTS has an invalid value"),
    "no number in a file": ("metadata_service_timeout = 1s\n", {}, "metadata_service_timeout has"),
    "no scheme": ("", {"AWS_ENDPOINT_URL": "localhost:1"}, "AWS_ENDPOINT_URL"),
    "no closing bracket": ("", {"AWS_ENDPOINT_URL": "http://[::1"}, "Invalid IPv6 URL"),
    "no token file": (
        "",
        {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"},
        'No such file or directory: "/nowhere/token"',
    ),
    "no such choice": ("", {"AWS_STS_REGIONAL_ENDPOINTS": "bogus"}, "bogus"),
    "no port of a proxy": ("", {"HTTP_PROXY": "http://127.0.0.1:x"}, "proxy is invalid"),
}


@pytest.mark.parametrize(("config", "variables", "words"), SETTINGS.values(), ids=SETTINGS)
def test_a_damaged_setting_is_a_sentence(configure, config, variables, words):
    configure(config, **variables)
    error = failure()
    assert words in error.message
    assert error.message.endswith(".")
    assert "AWS configuration" in error.hint or "HTTP_PROXY" in error.hint


NOT_VALID = "failed, or printed no valid credentials."
PROCESSES = {
    "no program": ("/nowhere/x --key s3cret", "/nowhere/x", "could not be run: No such file or"),
    "no program, after a variable": ("KEY=s3cret x", "KEY", "could not be run: No such file or"),
    "exit status": ("sh -c 'echo s3cret >&2; exit 1'", "sh", NOT_VALID),
    "no JSON": ("echo s3cret", "echo", NOT_VALID),
    "no text": (r"printf '\\377'", "printf", NOT_VALID),
    "no object": ("echo []", "echo", NOT_VALID),
    "another version": ("""echo '{"Version": "s3cret"}'""", "echo", NOT_VALID),
    "no key": ("""echo '{"Version": 1, "s3cret": 1}'""", "echo", NOT_VALID),
    "no closing quote": ('"x s3cret', '"x', NOT_VALID),
    "no word": ("' '", " ", "could not be run: "),
}


@pytest.mark.parametrize(("command", "program", "reason"), PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("profile", ["default", "my source"])
def test_a_credential_process_that_fails_is_named(configure, profile, command, program, reason):
    role = f"role_arn = {ROLE}\nsource_profile = my source\n[profile 'my source']\n"
    setting = f"credential_process = {command}\n"
    configure(setting if profile == "default" else role + setting)
    error = failure()
    assert error.message.startswith(
        f'The credential_process of the profile "{profile}" ({program}) {reason}'
    )
    assert "s3cret" not in error.message + error.hint
    assert "aws configure get credential_process" in error.hint


def test_a_command_ends_without_a_traceback(configure, capsys):
    configure(AWS_MAX_ATTEMPTS="five")
    assert app.run(["status"]) == 2
    assert capsys.readouterr().err == (
        "Error: Your AWS settings cannot be used: AWS_MAX_ATTEMPTS has an invalid value.\n"
        "Check your AWS configuration: AWS_ variables, ~/.aws/config and ~/.aws/credentials.\n"
    )


def test_an_mfa_code_that_nobody_can_enter(configure):
    keys = "aws_access_key_id = x\naws_secret_access_key = y\n"
    configure(f"role_arn = {ROLE}\nmfa_serial = arn:x\nsource_profile = b\n[profile b]\n{keys}")
    done = subprocess.run(
        [sys.executable, "-m", "labelctl", "status"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,  # without a terminal
        timeout=30,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.startswith(
        "Error: Your AWS profile needs an MFA code, but there is no terminal to enter it.\n"
        "Run the command on a terminal, or use "
    )


def test_what_a_later_call_raises_is_a_sentence_too(configure, monkeypatch):
    """Whatever a future botocore raises."""
    configure()

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", fail)
    for call in (
        lambda aws: aws.sqs.list_queues(),
        lambda aws: list(aws.s3.get_paginator("list_objects_v2").paginate(Bucket="b")),
        lambda aws: aws.dynamodb.get_waiter("table_exists").wait(TableName="t"),
    ):
        assert failure(call).message == "The call to AWS failed: ZeroDivisionError."


def test_a_value_that_is_not_utf_8(configure):
    configure()
    error = failure(lambda aws: aws.cloudformation.describe_stacks(StackName="x\udce9"))
    assert error.message == "The call to AWS failed: a name or a value is not valid UTF-8."


@pytest.mark.parametrize("status", [200, 302, 403, 407, 502])
@pytest.mark.parametrize("media_type", ["text/html", "text/html; charset=utf-8", "text/plain"])
@pytest.mark.parametrize(
    "call",
    [
        lambda aws: aws.sqs.list_queues(),
        lambda aws: aws.dynamodb.list_tables(),
        lambda aws: aws.cloudformation.describe_stacks(),
        lambda aws: aws.s3.list_buckets(),
    ],
    ids=["sqs", "dynamodb", "cloudformation", "s3"],
)
def test_a_web_page_instead_of_an_answer(answer, status, media_type, call):
    answer(status, media_type, b"<html><body><h1>Log in to the hotel's network</h1></body></html>")
    error = failure(call)
    assert "hotel" not in error.message
    assert "AWS_ENDPOINT_URL" in error.hint or error.message.endswith(": Bad Gateway")


CALLS = {
    "attributes": lambda aws: queues.depth(aws.sqs, "https://sqs/123456789012/q"),
    "send": lambda aws: [*queues.send(aws.sqs, "https://sqs/1/q", ["x"], sleep=time.sleep)],
    "query": lambda aws: [*TableReader(aws.dynamodb).query("t", KeyConditionExpression="a = b")],
    "batch": lambda aws: [
        *TableReader(aws.dynamodb).batch_get("t", [{"i": "x"}], decode=dict, consistent=True)
    ],
    "scan": lambda aws: [*TableReader(aws.dynamodb).scan("t", ["image"], dict)],
    "write": lambda aws: dynamodb.write(aws.dynamodb, "t", delete=[{"image": "x"}]),
    "table": lambda aws: export.photo_count_estimate(aws.dynamodb, "t"),
    "log": lambda aws: [*function_log.fetch_events(aws.logs, "g", "")],
    "stack": lambda aws: stack.find(aws.cloudformation, "labelctl"),
    "photos": lambda aws: [*versions.list_photos(aws.s3, "photos", "")],
    "versions": lambda aws: [*versions.list_newest(aws.s3, "photos", "")],
    "deletion": lambda aws: [*objects.delete_objects(aws.s3, "photos", ["a.jpg"])],
    "notifications": lambda aws: aws.s3.get_bucket_notification_configuration(Bucket="photos"),
    "upload": lambda aws: aws.s3.put_object(Bucket="photos", Key="a.jpg", Body=b"x"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_success_that_aws_never_sends(answer, call):
    """Otherwise an empty listing would mean that all photos are gone."""
    aws = Aws()
    for body in (b"", b"{}", b"null", b"<ok/>"):
        answer(200, "application/x-amz-json-1.0", body)
        error = failure(lambda _: call(aws))
        assert error.message.endswith("lacks what AWS always sends.")
        assert "AWS_ENDPOINT_URL" in error.hint


@pytest.mark.parametrize("stacks", [b"<Stacks/>", b"<Stacks><member><StackId/></member></Stacks>"])
def test_a_response_without_a_complete_stack(answer, stacks):
    result = b"<DescribeStacksResult>%s</DescribeStacksResult>" % stacks
    answer(200, "text/xml", b"<DescribeStacksResponse>%s</DescribeStacksResponse>" % result)
    error = failure(CALLS["stack"])
    assert error.message == "The response to DescribeStacks lacks what AWS always sends."


@pytest.mark.parametrize(
    ("call", "element", "entry"),
    [
        ("photos", "ListBucketResult", "Contents"),
        ("versions", "ListVersionsResult", "Version"),
        ("versions", "ListVersionsResult", "DeleteMarker"),
    ],
)
def test_a_listing_with_incomplete_entries(answer, call, element, entry):
    key = "<Key>a.jpg</Key>"
    answer(200, "text/xml", f"<{element}><{entry}>{key}</{entry}></{element}>".encode())
    assert failure(CALLS[call]).message.endswith("lacks what AWS always sends.")


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("query", b'{"__type": null, "message": null}'),
        ("stack", b"<ErrorResponse><Error><Code/><Message/></Error></ErrorResponse>"),
        ("upload", b"<Error><Code/><Message/></Error>"),
    ],
)
def test_an_error_without_code_and_message(answer, call, body):
    answer(400, "text/xml", body)
    assert failure(CALLS[call]).message.endswith("lacks what AWS always sends.")


@pytest.mark.parametrize(
    ("call", "status", "body"),
    [
        ("query", 400, b"[]"),
        ("query", 400, b'{"__type": 7}'),
        ("attributes", 200, b'{"Attributes": 7}'),
        ("upload", 400, b"<ErrorResponse><Error/></ErrorResponse>"),
        ("stack", 400, b"<ErrorResponse><Error/></ErrorResponse>"),
    ],
)
def test_an_error_that_aws_never_sends(answer, call, status, body):
    answer(status, "application/x-amz-json-1.0", body)
    assert "AWS_ENDPOINT_URL" in failure(CALLS[call]).hint


@pytest.mark.parametrize("call", ["query", "photos", "upload", "stack"])
def test_a_redirect_without_a_page(answer, call):
    answer(301, "", b"")
    assert failure(CALLS[call]).message == "Got a redirect instead of a response from AWS."


def test_an_answer_with_a_wrong_media_type_is_accepted(answer):
    result = b"<ListStacksResult><StackSummaries/></ListStacksResult>"
    answer(200, "text/html", b"<ListStacksResponse>" + result + b"</ListStacksResponse>")
    assert Aws().cloudformation.list_stacks()["StackSummaries"] == []


def test_a_load_balancers_page_is_an_error_for_now(answer):
    answer(503, "text/html", b"<!DOCTYPE html><title>503</title>")
    with pytest.raises(ClientError) as caught:
        Aws().dynamodb.list_tables()
    assert throttling.is_temporary(caught.value)
    assert to_user_error(caught.value).message == "Got a web page instead of a response from AWS."


# ---- secrets

TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE"


@pytest.mark.parametrize("damage", ["\n", "\r", "\nX-Other: 1", "…", "é"])
def test_a_damaged_token_is_refused_and_not_shown(configure, damage):
    configure(AWS_SESSION_TOKEN=TOKEN + damage)
    error = failure()
    assert "credentials contain a line break" in error.message
    assert TOKEN not in error.message + error.hint


def test_a_damaged_access_key_is_refused_and_not_shown(configure):
    configure(AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE\n")
    error = failure()
    assert "credentials contain a line break" in error.message
    assert "AKIA" not in error.message + error.hint


def test_a_token_in_the_words_of_aws_is_not_shown(monkeypatch, answer):
    """SQS shows the signed request, with the token, if the signature is wrong."""
    said = f"The canonical string should have been 'x-amz-security-token:{TOKEN}'".encode()
    answer(
        403, "application/json", b'{"__type": "InvalidSignatureException", "message": "%s"}' % said
    )
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    error = failure(lambda aws: aws.dynamodb.list_tables())
    assert "x-amz-security-token:***" in error.hint
    assert TOKEN not in error.message + error.hint


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_damaged_region_is_no_problem_of_the_credentials(configure, name):
    configure(**{name: "us-east-1\n"})
    assert "the region contains a line break" in failure().message


def test_the_query_of_an_endpoint_is_not_shown(configure):
    configure(AWS_ENDPOINT_URL="http://127.0.0.1:9/?token=hidden")
    error = failure()
    assert "http://127.0.0.1:9/" in error.message
    assert "hidden" not in error.message + error.hint


# ---- settings that count


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"])
def test_an_empty_variable_counts_as_unset(configure, monkeypatch, name):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    configure("region = eu-west-1\n", **{name: ""})
    assert Aws().region == "eu-west-1"


def test_a_calls_own_errors_stay_as_they_are(answer):
    answer(
        400, "application/json", b'{"__type": "ResourceNotFoundException", "message": "No table"}'
    )
    with pytest.raises(ClientError, match="No table"):
        Aws().dynamodb.list_tables()


# ---- deleted resources


@pytest.mark.parametrize(
    ("ask", "resource"),
    [
        (lambda aws: aws.dynamodb.query(TableName="gone", KeyConditionExpression="a = b"), "table"),
        (
            lambda aws: aws.dynamodb.batch_get_item(
                RequestItems={"gone": {"Keys": [{"image": {"S": "a.jpg"}}]}}
            ),
            "table",
        ),
        (lambda aws: aws.s3.list_objects_v2(Bucket="gone"), "bucket"),
        (lambda aws: aws.sqs.receive_message(QueueUrl="https://sqs/123456789012/gone"), "queue"),
    ],
    ids=["query", "batch", "list", "receive"],
)
def test_deleted_resource_is_named(moto, ask, resource):
    with pytest.raises(ClientError) as caught:
        ask(Aws())
    explained = to_user_error(caught.value)
    assert type(explained) is MissingResourceError
    assert explained.message == f"The {resource} gone does not exist."
    assert explained.hint.endswith("labelctl destroy && labelctl deploy")


def test_a_protocol_that_is_no_text_is_left_to_botocore():
    model = SimpleNamespace(
        name="GetMetricStatistics",
        output_shape=SimpleNamespace(serialization={"resultWrapper": "GetMetricStatisticsResult"}),
        service_model=SimpleNamespace(resolved_protocol="smithy-rpc-v2-cbor"),
    )
    calls.check_response({"headers": {}, "status_code": 200, "body": b"\xbf\xff"}, model)
