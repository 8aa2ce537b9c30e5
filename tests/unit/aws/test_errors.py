"""User-facing messages for boto3's errors."""

from __future__ import annotations

import botocore.exceptions as boto
import botocore.parsers
import pytest
import urllib3
from botocore.exceptions import ClientError

from labelctl.aws.errors import error_code, is_missing, to_user_error
from labelctl.cli.options import Options
from labelctl.cli.session import Session
from labelctl.errors import AccessDeniedError, CredentialsError, RefusedError, UsageError


def refusal(code, message="", operation="PutItem"):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    "code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"]
)
def test_expired_credentials(code):
    explained = to_user_error(refusal(code))
    assert type(explained) is CredentialsError
    assert (explained.message, explained.exit_code) == ("Your AWS credentials have expired.", 4)
    assert "aws sso login" in explained.hint


@pytest.mark.parametrize(
    "code",
    [
        "InvalidClientTokenId",  # CloudFormation, SQS
        "InvalidAccessKeyId",  # S3
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",  # DynamoDB, CloudWatch Logs
        "InvalidSignatureException",
        "AuthFailure",
        "InvalidToken",
        "IncompleteSignature",
    ],
)
def test_rejected_credentials(code):
    explained = to_user_error(refusal(code, "The security token AKIAIOSFODNN7EXAMPLE is invalid"))
    assert type(explained) is CredentialsError
    assert explained.message == f"AWS does not accept your credentials ({code})."
    assert "aws configure list" in explained.hint
    assert "--local" in explained.hint
    assert "the region is not enabled" in explained.hint
    assert "AWS says: The security token *** is invalid" in explained.hint
    assert "AKIA" not in explained.message + explained.hint


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (
            refusal(
                "AccessDenied",
                "User: arn:aws:iam::123456789012:user/a is not authorized to perform: "
                "cloudformation:CreateChangeSet on resource: arn:aws:cloudformation:…",
                "CreateChangeSet",
            ),
            "cloudformation:CreateChangeSet",
        ),
        (
            refusal(
                "AccessDeniedException",
                "User: x is not authorized to perform: dynamodb:Query because no identity-based",
                "Query",
            ),
            "dynamodb:Query",
        ),
        (
            refusal(
                "AuthorizationError",
                "User: x is not authorized to perform: SNS:ListSubscriptionsByTopic on resource: y",
                "ListSubscriptionsByTopic",
            ),
            "SNS:ListSubscriptionsByTopic",
        ),
        (refusal("AccessDenied", "Access Denied", "PutObject"), "PutObject"),
        (refusal("403", "Forbidden", "HeadObject"), "s3:GetObject or s3:ListBucket"),
        (refusal("403", "Forbidden", "HeadBucket"), "s3:ListBucket"),
        (refusal("UnauthorizedOperation", "", "Describe"), "Describe"),
        (refusal("AccessDeniedException", "An SCP forbids it", "GetItem"), "GetItem"),
    ],
)
def test_missing_permission_is_named(error, action):
    explained = to_user_error(error)
    assert type(explained) is AccessDeniedError
    assert explained.message == f"Your AWS identity is not allowed to perform {action}."
    assert explained.exit_code == 4
    assert "--profile" in explained.hint
    said = error.response["Error"]["Message"]
    assert (f"AWS says: {said}" in explained.hint) == (len(said) > len("Access Denied"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "SignatureDoesNotMatch",  # CloudFormation, SQS
            "Signature expired: 20261130T100000Z is now earlier than 20261130T101500Z",
        ),
        ("InvalidSignatureException", "Signature not yet current: 20261130T101500Z"),  # DynamoDB
        ("RequestTimeTooSkewed", "The difference between the request time and the"),  # S3
    ],
)
def test_a_wrong_clock_is_named(code, said):
    explained = to_user_error(refusal(code, said))
    assert type(explained) is CredentialsError
    assert "the clock of this computer" in explained.message
    assert f"AWS says: {said}" in explained.hint


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (refusal("ExpiredToken"), "aws sso login --profile 'my work'"),
        (boto.UnauthorizedSSOTokenError(), "aws sso login --profile 'my work'"),
        (boto.NoCredentialsError(), "run `aws configure --profile 'my work'` or `aws sso login "),
        (boto.LoginRefreshRequired(), "aws login --profile 'my work'"),
        (refusal("InvalidClientTokenId"), "aws configure list --profile 'my work'"),
        (
            boto.PartialCredentialsError(provider="env", cred_var="x"),
            "aws configure --profile 'my work'",
        ),
    ],
)
def test_commands_of_the_aws_cli_repeat_the_profile(capsys, error, command):
    Session(Options(profile="my work", region="eu-west-1")).view.error(to_user_error(error))
    assert command in capsys.readouterr().err


def test_other_errors_contain_the_message_of_aws():
    explained = to_user_error(
        refusal("ValidationError", "Template error: no such thing", "CreateChangeSet")
    )
    assert type(explained) is RefusedError
    assert explained.message == "AWS rejected CreateChangeSet: Template error: no such thing"
    silent = to_user_error(refusal("Odd", operation="GetThing"))
    assert silent.message == "AWS rejected GetThing: Odd"
    assert "--verbose" in silent.hint


@pytest.mark.parametrize(
    ("error", "kind", "words", "hint"),
    [
        (boto.ProfileNotFound(profile="nope"), UsageError, "(nope)", "list-profiles"),
        (boto.NoRegionError(), UsageError, "No AWS region is set.", "--region"),
        (boto.NoCredentialsError(), CredentialsError, "No AWS credentials", "--local"),
        (boto.SSLError(endpoint_url="https://x", error="x"), RefusedError, "SSL", "AWS_CA_BUNDLE"),
        (
            boto.MissingDependencyException(msg="x"),
            CredentialsError,
            "`aws login`",
            "botocore[crt]",
        ),
        (boto.SSOTokenLoadError(error_msg="x"), CredentialsError, "login has expired", "sso login"),
        (boto.UnauthorizedSSOTokenError(), CredentialsError, "login has expired", "sso login"),
        (
            boto.TokenRetrievalError(provider="sso", error_msg="x"),
            CredentialsError,
            "login has expired",
            "sso login",
        ),
        (
            boto.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"),
            CredentialsError,
            "aws_secret_access_key",
            "aws configure",
        ),
        (
            boto.CredentialRetrievalError(provider="process", error_msg="exit 1"),
            CredentialsError,
            "exit 1",
            "aws configure",
        ),
        (
            boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
            RefusedError,
            "http://127.0.0.1:1",
            "AWS_ENDPOINT_URL",
        ),
        (
            boto.ConnectTimeoutError(endpoint_url="http://10.0.0.1"),
            RefusedError,
            "http://10.0.0.1",
            "network",
        ),
        (
            boto.ReadTimeoutError(endpoint_url="http://10.0.0.1"),
            RefusedError,
            "The call to AWS failed: Read timeout",
            "Try again",
        ),
        (urllib3.exceptions.SSLError("closed"), RefusedError, "failed: closed", "Try again"),
        (boto.ConnectionClosedError(endpoint_url="http://x"), RefusedError, "closed", "Try again"),
        (boto.InvalidRegionError(region_name="a b"), UsageError, "'a b'", "eu-west-1"),
    ],
)
def test_errors_raised_by_boto3(error, kind, words, hint):
    explained = to_user_error(error)
    assert type(explained) is kind
    assert words in explained.message
    assert hint in explained.hint
    assert not explained.message.endswith("..")


def test_response_that_is_not_from_aws():
    parser = botocore.parsers.create_parser("query")
    page = {"status_code": 404, "headers": {}, "body": b"<p>Not found\nhere"}
    with pytest.raises(botocore.parsers.ResponseParserError) as unreadable:
        parser.parse(page, None)
    error = to_user_error(unreadable.value)
    assert type(error) is RefusedError
    assert error.message.startswith("Invalid response: Unable to parse response")
    assert "\n" not in error.message
    assert "AWS_ENDPOINT_URL" in error.hint


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError("x")])
def test_bugs_are_not_explained(error):
    assert to_user_error(error) is None


def test_is_missing_recognizes_missing_resources():
    for code in ("404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "ResourceNotFoundException"):
        assert is_missing(refusal(code))
    assert not is_missing(refusal("403"))
    assert error_code(ClientError({}, "X")) == ""


@pytest.mark.parametrize(
    "password", ["s3cret", "s3@cret", "s3/cret", "s3 cret", "s3#cret", "://s3cret"]
)
@pytest.mark.parametrize(
    "kind",
    [
        boto.EndpointConnectionError,
        boto.ConnectTimeoutError,
        boto.ReadTimeoutError,
        boto.ConnectionClosedError,
        lambda endpoint_url: boto.SSLError(endpoint_url=endpoint_url, error="self-signed"),
        lambda endpoint_url: boto.ProxyConnectionError(proxy_url=endpoint_url),
        lambda endpoint_url: boto.HTTPClientError(error=f"no route to {endpoint_url}"),
    ],
)
def test_passwords_in_urls_are_never_printed(kind, password):
    explained = to_user_error(kind(endpoint_url=f"http://user:{password}@example.com:4566/"))
    assert "cret" not in explained.message + explained.hint + str(explained)
    assert "http://***@example.com:4566/" in explained.message
