"""boto3's errors: what they mean, and user-facing messages for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labelctl.aws.secrets import without_secrets
from labelctl.errors import (
    AccessDeniedError,
    Command,
    CredentialsError,
    LabelctlError,
    MissingResourceError,
    RefusedError,
    UsageError,
)

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


_MISSING = {
    "NoSuchBucket",
    "ResourceNotFoundException",  # DynamoDB
    "TableNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
}
_LOCAL = "To try labelctl without an AWS account, add --local."
_CONFIGURATION = (
    "Check your AWS configuration: AWS_ variables, ~/.aws/config and ~/.aws/credentials."
)
_TRY_AGAIN = "Try again, with --verbose to see each request."
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
_CLOCK = {"RequestTimeTooSkewed", "RequestInTheFuture"}
_CLOCK_MESSAGE = re.compile("Signature (expired|not yet current)")
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",  # SNS
    "UnauthorizedOperation",
    "403",
    "Forbidden",
}
_NO_REASON = {"Access Denied", "Forbidden"}
_ACTION = re.compile(r"perform:? ([\w-]+:\w+)")
_HTTP_ACTIONS = {
    # Without s3:ListBucket, S3 answers 403 for a key that does not exist. [S3 API, HeadObject]
    "HeadObject": "s3:GetObject or s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
}
_LOG_IN = Command("sso", "login", program="aws")


def to_user_error(error: Exception) -> LabelctlError | None:
    """Return a user-facing error for a boto3 error, or None for any other error.

    Secrets are removed.
    """
    explained = _explain(error)
    if explained is None:
        return None
    hint = (
        without_secrets(part) if isinstance(part, str) else part for part in explained.hint_parts
    )
    return type(explained)(without_secrets(explained.message), *hint)


def _explain(error: Exception) -> LabelctlError | None:
    import botocore.exceptions as boto
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    from labelctl.aws import calls

    if isinstance(error, boto.ClientError):
        return _explain_refusal(error)
    if isinstance(error, boto.BotoCoreError):
        return _explain_credentials(error) or _explain_connection(error) or _explain_other(error)
    if isinstance(error, HTTPError):  # raised while reading the body of a response
        return RefusedError(f"The call to AWS failed: {error}", _TRY_AGAIN)
    if isinstance(error, ResponseParserError):
        reason = str(error).splitlines()[0].rstrip(":.")
        return RefusedError(f"Invalid response: {reason}.", calls.NOT_AWS_HINT)
    return None


def _explain_credentials(error: BotoCoreError) -> LabelctlError | None:
    import botocore.exceptions as boto

    from labelctl.aws import calls
    from labelctl.aws.credential_process import CredentialProcessError

    if isinstance(error, boto.ProfileNotFound):
        return UsageError(f"{error}.", "To list your profiles: aws configure list-profiles")
    if isinstance(error, boto.InvalidRegionError):
        return UsageError(f"{str(error).rstrip('.')}.", "Use a region's name, such as eu-west-1.")
    if isinstance(error, boto.NoRegionError):
        return UsageError("No AWS region is set.", f"Use --region, or set AWS_REGION. {_LOCAL}")
    if isinstance(error, boto.NoCredentialsError):
        return CredentialsError(
            "No AWS credentials were found.",
            "Use --profile, or run `",
            Command("configure", program="aws"),
            "` or `",
            _LOG_IN,
            f"`.\n{_LOCAL}",
        )
    if isinstance(error, boto.SSOError | boto.TokenRetrievalError):
        return CredentialsError("Your AWS login has expired.", "Log in again: ", _LOG_IN)
    if isinstance(error, boto.LoginError):
        return CredentialsError(
            f"{str(error).rstrip('. ')}.", "Log in again: ", Command("login", program="aws")
        )
    if isinstance(error, boto.MissingDependencyException):
        return CredentialsError(
            "Your AWS profile comes from `aws login`, which needs a further package.",
            "Install it where labelctl is installed: pip install 'botocore[crt]'",
        )
    if isinstance(error, calls.NoMfaCodeError):
        return CredentialsError(
            f"{error}.",
            "Run the command on a terminal, or use temporary credentials that were created with an MFA"
            " code (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN).",
        )
    if isinstance(error, CredentialProcessError):
        return CredentialsError(
            f"{error}.",
            "Run the command from your AWS configuration to see why: ",
            Command("configure", "get", "credential_process", program="aws"),
        )
    if isinstance(error, boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return CredentialsError(
            f"{error}.", "Fix your AWS configuration: ", Command("configure", program="aws")
        )
    return None


def _explain_connection(error: BotoCoreError) -> LabelctlError | None:
    import botocore.exceptions as boto
    from urllib3.exceptions import LocationValueError

    sentence = f"{str(error).rstrip('.')}."
    if isinstance(error, boto.SSLError):
        return RefusedError(
            sentence,
            "Check AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE, and ca_bundle in your AWS configuration. If a"
            " proxy inspects TLS traffic, the file must contain the proxy's certificate.",
        )
    if isinstance(error, boto.ProxyConnectionError):
        return RefusedError(sentence, "Check HTTPS_PROXY and HTTP_PROXY.")
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return RefusedError(
            sentence,
            "Check the network, the region and AWS_ENDPOINT_URL. With --local, run the same command"
            " again: it restarts the local cloud.",
        )
    cause = error.kwargs.get("error")
    if isinstance(cause, LocationValueError):  # its text may contain a part of a password
        return UsageError(
            "The URL of the endpoint or of the proxy is invalid.",
            "Check AWS_ENDPOINT_URL, HTTPS_PROXY and HTTP_PROXY.",
        )
    return None


def _explain_other(error: BotoCoreError) -> LabelctlError:
    import botocore.exceptions as boto

    from labelctl.aws import calls

    if isinstance(error, calls.SettingsError):
        return UsageError(f"Your AWS settings cannot be used: {error}.", _CONFIGURATION)
    if isinstance(error, calls.ForeignResponseError):
        return RefusedError(f"{error}.", calls.NOT_AWS_HINT)
    interrupted = (boto.HTTPClientError, boto.IncompleteReadError, boto.FlexibleChecksumError)
    if isinstance(error, interrupted):
        return RefusedError(f"The call to AWS failed: {error}", _TRY_AGAIN)
    return RefusedError(f"The call to AWS failed: {str(error).rstrip('.')}.", _CONFIGURATION)


def _explain_refusal(error: ClientError) -> LabelctlError:
    from labelctl.aws import calls

    code, operation = error_code(error), error.operation_name
    message = error.response.get("Error", {}).get("Message", "")
    if message.lstrip().startswith("<"):
        return _explain_other(calls.ForeignResponseError())
    says = f"\nAWS says: {message}" if message else ""
    if code in _CLOCK or _CLOCK_MESSAGE.search(message):
        return CredentialsError(
            "AWS rejects the time of the request: the clock of this computer seems to be wrong.",
            f"Set the clock, and run the same command again.{says}",
        )
    if code in _EXPIRED:
        return CredentialsError(
            "Your AWS credentials have expired.", "Renew them, for example: ", _LOG_IN
        )
    if code == "400" and operation.startswith("Head"):
        # The response to a HEAD request has no body, and so no reason.
        return CredentialsError(
            f"AWS rejected {operation} without giving a reason. Your credentials may have expired.",
            "Renew them, for example: ",
            _LOG_IN,
        )
    if code in _INVALID:
        # A region that is not enabled does not know the credentials. [AWS Account Management]
        return CredentialsError(
            f"AWS does not accept your credentials ({code}).",
            "Check which ones are used: ",
            Command("configure", "list", program="aws"),
            "\nThe answer is the same if the region is not enabled for your account."
            f"\n{_LOCAL}{says}",
        )
    if code in _DENIED:
        match = _ACTION.search(message)
        action = match[1] if match else _HTTP_ACTIONS.get(operation, operation)
        return AccessDeniedError(
            f"Your AWS identity is not allowed to perform {action}.",
            "Ask for this permission, or use another identity (--profile)."
            + ("" if message in _NO_REASON else says),
        )
    if code in _MISSING and (resource := error.response["Error"].get(calls.RESOURCE)):
        return MissingResourceError(
            f"The {resource} does not exist.",
            "It was deleted outside labelctl. Restore it under the same name, or delete the stack with"
            " all photos and labels and deploy again: ",
            Command("destroy"),
            " && ",
            Command("deploy"),
        )
    if code.startswith("5") and code.isdigit() and code != "500":  # such as 503 of a load balancer
        return RefusedError(f"AWS could not handle {operation}: {message or code}", _TRY_AGAIN)
    if not (code or message) or (code.isdigit() and not operation.startswith("Head")):
        # botocore also reports 500 for a response with status 200 that is not XML.
        return _explain_other(calls.IncompleteResponseError(operation=operation))
    return RefusedError(
        f"AWS rejected {operation}: {message or code}",
        "" if message else "Run the command again with --verbose to see each request.",
    )
