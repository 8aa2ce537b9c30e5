"""The way into botocore: every error that leaves it is one of botocore's own.

botocore lets through what Python raises: ValueError for a setting that is not a number,
FileNotFoundError for a missing token file, EOFError for an MFA code that nobody can enter. A caller
would take these for bugs.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from getpass import GetPassWarning
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from labelctl.aws import secrets

NOT_AWS_HINT = (
    "Check that AWS_ENDPOINT_URL, if set, points to AWS or a compatible service, and that no proxy or"
    " login page of the network responds instead."
)
BAD_ENDPOINT = "the endpoint (AWS_ENDPOINT_URL or endpoint_url) is not a URL like http://HOST:PORT"

RESOURCE = "LabelctlResource"
"""The key, in the `Error` of a ClientError's response, of the resource that the request is about."""

_READERS = {
    "botocore.parsers.parse",
    "botocore.endpoint._add_modeled_error_fields",
    "botocore.endpoint._needs_retry",
}
"""Functions of botocore that read a response."""

_OWN = (BotoCoreError, ClientError, ResponseParserError)


class CallError(BotoCoreError):
    """Something other than AWS or the network made a call fail. `reason` is a clause."""

    fmt = "{reason}"


class SettingsError(CallError):
    """The user's AWS settings cannot be used. `reason` is a clause."""


class NoMfaCodeError(BotoCoreError):
    """A profile needs an MFA code, and nobody can enter one."""

    fmt = "Your AWS profile needs an MFA code, but there is no terminal to enter it"


class ForeignResponseError(BotoCoreError):
    """A web page instead of AWS's response, for example from a proxy or a hotel's network."""

    fmt = "Got a web page instead of a response from AWS"


class UnexpectedResponseError(ForeignResponseError):
    """A response that botocore cannot parse, for example a list instead of an object."""

    fmt = "Got a response that AWS never sends"


class RedirectError(ForeignResponseError):
    """A redirect that is not from S3, for example from HTTP to HTTPS."""

    fmt = "Got a redirect instead of a response from AWS"


class IncompleteResponseError(ForeignResponseError):
    """A response without what AWS always sends, for example from another kind of server."""

    fmt = "The response to {operation} lacks what AWS always sends"


_S3_ELEMENTS = {
    "DeleteObjects": "DeleteResult",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjectsV2": "ListBucketResult",
}
"""The root element of the XML in S3's responses. [S3 API, Response Syntax of each operation]"""

_BATCH_RESULTS = ("Successful", "Failed")
_MEMBERS = {
    "HeadObject": ("ETag",),
    "PutObject": ("ETag",),
    "BatchGetItem": ("Responses",),
    "BatchWriteItem": ("UnprocessedItems",),
    "DescribeTable": ("Table",),
    "Query": ("Count",),  # the only member that a query with Select=COUNT has, too
    "Scan": ("Items",),
    "GetQueueAttributes": ("Attributes",),
    "ChangeMessageVisibilityBatch": _BATCH_RESULTS,
    "DeleteMessageBatch": _BATCH_RESULTS,
    "SendMessageBatch": _BATCH_RESULTS,
    "FilterLogEvents": ("events",),
    "GetMetricStatistics": ("Datapoints",),
}
"""Members of which each successful response, to a request of labelctl, has at least one.

[Response Elements or Response Syntax of each operation in the API references of Amazon S3, DynamoDB,
SQS, CloudWatch Logs and CloudWatch]

GetItem and ReceiveMessage are not here: their responses are empty if nothing was found. SQS may omit
one of the two lists of a batch if it is empty.
"""

_VERSION = {"Key", "LastModified", "IsLatest"}
_ENTRIES = {
    "ListObjectsV2": {"Contents": {"Key", "LastModified"}},
    "ListObjectVersions": {"Versions": _VERSION, "DeleteMarkers": _VERSION},
}
"""What each entry of S3's listings has. [S3 API, Response Elements of each operation]"""

_ANSWER = re.compile(rb"\s*(<\?xml|<\w+Response\b|\{)")


@contextmanager
def botocore_errors_only(
    raised: type[CallError] = CallError, settings: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Turn each error that is not botocore's own into `raised`.

    `settings` are the user's, by name. If the error shows the value of one, its name is the reason.
    """
    try:
        yield
    except _OWN:
        raise
    except (EOFError, GetPassWarning) as error:  # botocore asks for MFA codes with getpass
        raise NoMfaCodeError from error
    except Exception as error:
        if _was_reading_response(error):
            raise UnexpectedResponseError from error
        raise raised(reason=_reason(error, settings or {})) from error


def _was_reading_response(error: Exception) -> bool:
    """Whether botocore raised the error while it read a response, such as AttributeError for a list."""
    trace = error.__traceback__
    while trace:
        frame = trace.tb_frame
        if f"{frame.f_globals['__name__']}.{frame.f_code.co_name}" in _READERS:
            return True
        trace = trace.tb_next
    return False


def _reason(error: Exception, settings: Mapping[str, Any]) -> str:
    text = str(error)
    if text.startswith("Invalid endpoint"):  # and what follows may contain a password
        return BAD_ENDPOINT
    if isinstance(error, UnicodeEncodeError):
        return "a name or a value is not valid UTF-8"
    if isinstance(error, OSError) and error.filename:
        return f'{error.strerror}: "{error.filename}"'
    for name, value in settings.items():
        if isinstance(value, str) and value and repr(value) in text:
            return f"{name} has an invalid value"
    return text.rstrip(".") or type(error).__name__


def client_base(settings: Mapping[str, Any], trace: Callable[[str], None] | None) -> type:
    """A base class for clients. `trace` is called with a line about each call.

    Paginators and waiters call `_make_api_call`, too. Signing a URL does not.
    """

    class Client:
        def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
            started = time.monotonic()
            status = "no response"
            try:
                with botocore_errors_only(CallError, settings):
                    make_call = super()._make_api_call  # type: ignore[misc]
                    response = make_call(operation_name, api_params)
                status = _metadata(response).get("HTTPStatusCode", status)
                _check_members(operation_name, response)
                return response
            except ClientError as error:
                status = _metadata(error.response).get("HTTPStatusCode", status)
                details: Any = error.response.get("Error") or {}  # None for an empty XML element
                error.response["Error"] = details
                for name in ("Code", "Message"):  # empty or null in some responses: None
                    details[name] = str(details.get(name) or "")
                details[RESOURCE] = _resource(api_params)
                raise
            finally:
                if trace:
                    service = self.meta.service_model.service_name  # type: ignore[attr-defined]
                    elapsed_ms = (time.monotonic() - started) * 1000
                    trace(f"{service} {operation_name}: {status}, {elapsed_ms:.0f} ms")

    return Client


def find_services_by_folder(loader: Any) -> None:
    """Let botocore's loader take each folder of its data for a service.

    By default it looks for three files in each of 400 folders, to check the name of a client.
    """
    names = {
        folder.name
        for path in map(Path, loader.search_paths)
        if path.is_dir()
        for folder in os.scandir(path)
        if folder.is_dir()
    }
    loader.list_available_services = lambda *_, **_type: sorted(names)


def _resource(parameters: Mapping[str, Any]) -> str:
    """What a request is about, such as "table photos"; "" if unknown."""
    for name, kind in (("TableName", "table"), ("Bucket", "bucket"), ("QueueUrl", "queue")):
        if name in parameters:
            return f"{kind} {parameters[name].rpartition('/')[2]}"
    tables = list(parameters.get("RequestItems", ()))
    return f"table {tables[0]}" if len(tables) == 1 else ""


def _metadata(response: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = response.get("ResponseMetadata", {})
    return found


def _check_members(operation: str, response: Mapping[str, Any]) -> None:
    names = _MEMBERS.get(operation, ())
    if names and all(response.get(name) is None for name in names):
        raise IncompleteResponseError(operation=operation)
    for name, members in _ENTRIES.get(operation, {}).items():
        if not all(members <= entry.keys() for entry in response.get(name, ())):
            raise IncompleteResponseError(operation=operation)


def check_response(response_dict: Mapping[str, Any], operation_model: Any, **_: Any) -> None:
    """Refuse a response that AWS never sends. A handler of botocore's event before-parse.

    That is a text without a request ID that is neither XML nor JSON, and a success without the
    operation's XML element or JSON object, from which botocore would parse an empty result. Errors of
    the server (5xx) pass, because a load balancer may send a page with them, and they are retried.
    Redirects without a request ID are refused, because botocore would follow them without end.
    """
    headers, status = response_dict["headers"], response_dict["status_code"]
    is_text = headers.get("content-type", "").startswith(("text/html", "text/plain"))
    has_id = "x-amzn-requestid" in headers or "x-amz-request-id" in headers
    body = response_dict.get("body")  # bytes, or a stream of an object's content
    is_answer = isinstance(body, bytes) and _ANSWER.match(body)
    if is_text and not has_id and not is_answer and status < 500:
        raise ForeignResponseError
    if 300 <= status < 400 and status != 304 and not has_id:
        raise RedirectError
    start = _start_of_result(operation_model)
    if status < 300 and isinstance(body, bytes) and start not in body:
        raise IncompleteResponseError(operation=operation_model.name)


def _start_of_result(operation_model: Any) -> bytes:
    """What the body of each successful response contains; b"" if it may be empty, or is unknown."""
    protocol = operation_model.service_model.resolved_protocol
    if operation_model.output_shape is None or protocol not in ("json", "query", "rest-xml"):
        return b""  # botocore may choose a binary protocol for CloudWatch
    if protocol == "json":
        return b"{"
    wrapper = operation_model.output_shape.serialization.get("resultWrapper")
    element = wrapper or _S3_ELEMENTS.get(operation_model.name)
    return f"<{element}".encode() if element else b""


def check_credentials(request: Any, **_: Any) -> None:
    """Refuse credentials that HTTP cannot carry, before an error shows them.

    A handler of botocore's event before-send.
    """
    for name in ("Authorization", "X-Amz-Security-Token"):
        value = request.headers.get(name) or ""
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if name != "Authorization":
            secrets.remember(text)
        if not (text.isascii() and text.isprintable()):
            raise CallError(
                reason="your AWS credentials contain a line break or a special character"
            )
