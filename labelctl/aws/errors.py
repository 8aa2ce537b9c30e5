"""boto3's errors: what they mean, and user-facing messages for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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


def error_code(error: ClientError) -> str:
    """Return the error's code, such as NoSuchKey; for a HEAD request the HTTP status, such as 404."""
    return error.response.get("Error", {}).get("Code", "")


def is_missing(error: ClientError) -> bool:
    """Return whether S3, DynamoDB, SQS, SNS or CloudWatch reports that a resource does not exist."""
    return error_code(error) in (
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


_LOCAL = "To try labelctl without an AWS account, add --local."
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


def to_user_error(error: Exception) -> LabelctlError | None:
    """Return a user-facing error for a boto3 error, or None for any other error.

    Passwords in URLs are removed.
    """
    explained = _explain(error)
    if explained is None:
        return None
    return type(explained)(without_passwords(explained.message), without_passwords(explained.hint))


def _explain(error: Exception) -> LabelctlError | None:
    import botocore.exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, boto.ClientError):
        return _explain_refusal(error)
    if isinstance(error, boto.ProfileNotFound):
        return UsageError(f"{error}.", "Run `aws configure list-profiles` to list your profiles.")
    if isinstance(error, boto.NoRegionError):
        return UsageError("No AWS region is set.", f"Use --region, or set AWS_REGION. {_LOCAL}")
    if isinstance(error, boto.NoCredentialsError):
        return CredentialsError(
            "No AWS credentials were found.",
            f"Use --profile, or run `aws configure` or `aws sso login`.\n{_LOCAL}",
        )
    expired = (boto.SSOTokenLoadError, boto.UnauthorizedSSOTokenError, boto.TokenRetrievalError)
    if isinstance(error, expired):
        return CredentialsError("Your AWS login has expired.", "Log in again: aws sso login")
    credentials = (boto.PartialCredentialsError, boto.CredentialRetrievalError)
    if isinstance(error, credentials):
        return CredentialsError(f"{error}.", "Fix your AWS configuration: aws configure")
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return RefusedError(
            f"{error}.".replace("..", "."),
            "Check the network, the region and AWS_ENDPOINT_URL. With --local, run the same command"
            " again: it restarts the local cloud.",
        )
    if isinstance(error, boto.BotoCoreError):
        return _explain_other(error)
    if isinstance(error, ResponseParserError):
        return RefusedError(
            f"Invalid response: {str(error).splitlines()[0]}",
            "Check that AWS_ENDPOINT_URL, if set, points to AWS or a compatible service.",
        )
    return None


def _explain_refusal(error: ClientError) -> LabelctlError:
    code, operation = error_code(error), error.operation_name
    message = error.response.get("Error", {}).get("Message", "")
    if code in _EXPIRED:
        return CredentialsError(
            "Your AWS credentials have expired.", "Renew them, for example: aws sso login"
        )
    if code == "400" and operation.startswith("Head"):
        # The response to a HEAD request has no body, and so no reason.
        return CredentialsError(
            f"AWS rejected {operation} without giving a reason. Your credentials may have expired.",
            "Renew them, for example: aws sso login",
        )
    if code in _INVALID:
        return CredentialsError(
            f"AWS does not accept your credentials ({code}).",
            f"Check which ones are used: aws configure list\n{_LOCAL}",
        )
    if code in _DENIED:
        match = _ACTION.search(message)
        action = match[1] if match else _HTTP_ACTIONS.get(operation, operation)
        return AccessDeniedError(
            f"Your AWS identity is not allowed to perform {action}.",
            "Ask for this permission, or use another identity (--profile)."
            + (f"\nAWS says: {message}" if match else ""),
        )
    return RefusedError(
        f"AWS rejected {operation}: {message or code or 'no reason given'}",
        "" if message else "Run the command again with --verbose to see each request.",
    )


def _explain_other(error: BotoCoreError) -> LabelctlError:
    return RefusedError(
        f"The call to AWS failed: {error}", "Try again, with --verbose to see each request."
    )
