"""The one door to AWS: clients, made when first used, and what AWS's refusals mean in words.

Everything about where AWS is (profile, region, endpoint, credentials) is boto3's own configuration;
the local cloud is one more set of those variables. Nothing here or above asks which it is.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from labelctl.errors import (
    AccessDeniedError,
    CredentialsError,
    LabelctlError,
    RefusedError,
    UsageError,
)
from labelctl.text import without_passwords

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONNECTIONS = 16
"""How many requests a client sends at once at the most."""


class Aws:
    """boto3 clients of one account and region; `trace` hears of each call that was made.

    Clients may be shared between threads, but the first use of each is the main thread's: boto3's
    sessions are not made for threads.
    """

    def __init__(
        self,
        profile: str | None = None,
        region: str | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self._profile = profile
        self._region = region
        self._trace = trace

    @cached_property
    def _session(self) -> Any:
        import boto3

        # boto3 itself reads AWS_DEFAULT_REGION only; every other SDK and the AWS CLI this one first.
        region = self._region or os.environ.get("AWS_REGION")
        session = boto3.Session(profile_name=self._profile, region_name=region)
        if self._trace:
            self._listen(session.events, self._trace)
        return session

    @staticmethod
    def _listen(events: Any, trace: Callable[[str], None]) -> None:
        def before(context: dict[str, Any], **_: Any) -> None:
            context["labelctl_started"] = time.monotonic()

        def after(http_response: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
            spent = (time.monotonic() - context["labelctl_started"]) * 1000
            service = model.service_model.service_name
            trace(f"{service} {model.name}: {http_response.status_code}, {spent:.0f} ms")

        events.register("before-call", before)
        events.register("after-call", after)

    def _client(self, service: str, **more: Any) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            retries={"mode": "standard"},  # 3 attempts, or AWS_MAX_ATTEMPTS
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=CONNECTIONS,
            user_agent_extra="labelctl",
            **more,
        )
        try:
            client = self._session.client(service, config=config)
            urlsplit(client.meta.endpoint_url).port  # noqa: B018 - else only the first call checks it
            return client
        except ValueError as error:  # whose text may hold a part of the endpoint's password
            if isinstance(error, BotoCoreError):
                raise
            raise UsageError(
                "The AWS endpoint is not a valid URL.",
                "Check AWS_ENDPOINT_URL and endpoint_url in your AWS configuration: http://HOST:PORT",
            ) from error

    @property
    def region(self) -> str | None:
        """The region that the clients talk to, once there is one."""
        region: str | None = self._session.region_name
        return region

    def has_rekognition(self) -> bool:
        """Whether botocore's list of regions, which lags behind AWS, knows Rekognition in this one."""
        if self.region is None:
            return True  # the first call says so, and better
        partition = self._session.get_partition_for_region(self.region)
        known: list[str] = self._session.get_available_regions("rekognition", partition)
        return self.region in known

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        client: CloudFormationClient = self._client("cloudformation")
        return client

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def signer(self) -> S3Client:
        """S3 for links that others open: it signs them as all regions and all buckets take them.

        boto3's own choice here is SigV2, which newer buckets refuse, and the endpoint of us-east-1,
        which redirects (and so breaks the signature) while a bucket elsewhere is new.
        """
        more = {"signature_version": "s3v4", "s3": {"addressing_style": "virtual"}}
        client: S3Client = self._client("s3", **more)
        return client

    @property
    def credentials_end(self) -> bool:
        """Whether the credentials are temporary, and what they signed ends with them."""
        credentials = self._session.get_credentials()
        return bool(credentials and credentials.get_frozen_credentials().token)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self._client("dynamodb")
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self._client("sqs")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self._client("sns")
        return client


def code_of(error: ClientError) -> str:
    """The error's code, such as NoSuchKey; a HEAD request's is its HTTP status, such as 404."""
    return error.response.get("Error", {}).get("Code", "")


def is_missing(error: ClientError) -> bool:
    """Whether S3, DynamoDB, SQS, SNS or CloudWatch says that the thing is not there."""
    return code_of(error) in (
        "404",
        "NoSuchKey",
        "NoSuchVersion",
        "NoSuchBucket",
        "NotFound",
        "ResourceNotFoundException",
        "TableNotFoundException",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    )


_LOCAL = "Or try it without an account: add --local."
_INVALID = {
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "UnrecognizedClientException",
    "AuthFailure",
    "IncompleteSignature",
    "InvalidToken",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",  # SNS
    "UnauthorizedOperation",
    "403",
    "Forbidden",
}
_ACTION = re.compile(r"perform:? ([\w-]+:\w+)")
_HTTP_ACTIONS = {"HeadObject": "s3:GetObject", "HeadBucket": "s3:ListBucket"}


def explain(error: Exception) -> LabelctlError | None:
    """What a boto3 error means to a user, or None for an error that is not boto3's.

    Passwords in URLs are left out.
    """
    found = _explain(error)
    if found is None:
        return None
    return type(found)(without_passwords(found.message), without_passwords(found.hint))


def _explain(error: Exception) -> LabelctlError | None:
    import botocore.exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, boto.ClientError):
        return _explain_refusal(error)
    if isinstance(error, boto.ProfileNotFound):
        return UsageError(f"{error}.", "`aws configure list-profiles` lists those there are.")
    if isinstance(error, boto.NoRegionError):
        return UsageError(
            "No AWS region is set.", f"Give one with --region, or set AWS_REGION. {_LOCAL}"
        )
    if isinstance(error, boto.NoCredentialsError):
        return CredentialsError(
            "No AWS credentials were found.",
            f"Give a profile (--profile), or run `aws configure` or `aws sso login`.\n{_LOCAL}",
        )
    expired = (boto.SSOTokenLoadError, boto.UnauthorizedSSOTokenError, boto.TokenRetrievalError)
    if isinstance(error, expired):
        return CredentialsError("Your AWS login has expired.", "Log in again: aws sso login")
    credentials = (boto.PartialCredentialsError, boto.CredentialRetrievalError)
    if isinstance(error, credentials):
        return CredentialsError(f"{error}.", "Mend your AWS configuration: aws configure")
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return RefusedError(
            f"{error}.".replace("..", "."),
            "Check the network, the region and AWS_ENDPOINT_URL. With --local: the same command starts"
            " the local cloud, and goes on.",
        )
    if isinstance(error, boto.BotoCoreError):
        return _explain_other(error)
    if isinstance(error, ResponseParserError):
        return RefusedError(
            f"The answer cannot be read: {str(error).splitlines()[0]}",
            "Check that AWS_ENDPOINT_URL, if it is set, leads to AWS or a service like it.",
        )
    return None


def _explain_refusal(error: ClientError) -> LabelctlError:
    code, operation = code_of(error), error.operation_name
    message = error.response.get("Error", {}).get("Message", "")
    if code in _EXPIRED:
        return CredentialsError(
            "Your AWS credentials have expired.", "Get new ones, for example: aws sso login"
        )
    if code == "400" and operation.startswith("Head"):
        # The answer to a HEAD has no body, so that it cannot say why.
        return CredentialsError(
            f"AWS refused {operation} without a reason, as it does when credentials have expired.",
            "Get new ones, for example: aws sso login",
        )
    if code in _INVALID:
        return CredentialsError(
            f"AWS does not accept your credentials ({code}).",
            f"Check which are used: aws configure list\n{_LOCAL}",
        )
    if code in _DENIED:
        found = _ACTION.search(message)
        action = found[1] if found else _HTTP_ACTIONS.get(operation, operation)
        return AccessDeniedError(
            f"Your AWS identity may not do {action}.",
            "Ask for that right, or use another identity (--profile)."
            + (f"\nAWS says: {message}" if found else ""),
        )
    return RefusedError(
        f"AWS refused {operation}: {message or code or 'it gave no reason'}",
        "" if message else "Run the command again with --verbose to see each call.",
    )


def _explain_other(error: BotoCoreError) -> LabelctlError:
    return RefusedError(f"The call to AWS failed: {error}", "Try again; --verbose shows each call.")
