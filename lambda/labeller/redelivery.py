"""Handling messages that failed: back off and retry, or move them to the dead-letter queue.

SQS moves a message to the dead-letter queue after the template's maxReceiveCount. That takes days,
so that no photo is lost in an outage. Messages that fail permanently are moved by this module, much
earlier and with a reason.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from labelctl.contract import s3_events

if TYPE_CHECKING:
    from labeller.clients import Clients

FIRST_DELAY = 15
LONGEST_DELAY = 15 * 60
"""Seconds before a message is received again: doubled with each receive, up to 15 minutes. A short
disturbance costs seconds; a long outage costs about five receives per photo and hour."""

PATIENCE = 10
"""Number of receives after which an error counts as permanent: within an hour."""

_THROTTLED = {
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "SlowDown",
}
_CONFLICTS = {"TransactionConflictException", "ReplicatedWriteConflictException"}
"""Another program writes the same item in a transaction or another region. [DynamoDB API, PutItem]"""

_MAX_REASON = 1000
_CONNECTION_ERRORS = (HTTPClientError, ConnectionError, ResponseParserError, TimeoutError)


class NotAnEventError(Exception):
    """The message is not an S3 notification."""


class Redelivery:
    """Backs off or dead-letters messages. Thread-safe.

    `queue` and `dead_letters` are queue URLs.
    """

    def __init__(self, clients: Clients, queue: str, dead_letters: str) -> None:
        self._clients = clients
        self._queue = queue
        self._dead_letters = dead_letters

    def handle_failure(
        self, message: dict[str, Any], error: Exception
    ) -> tuple[str, dict[str, Any]]:
        """Back off or dead-letter a message that failed with `error`; returns a status and details.

        "dead_letter": the message was dead-lettered and can be deleted. "retrying": SQS must keep it.
        It is received again after `again_in` seconds; if that could not be set, for the reason in
        `sqs_error`, after the queue's visibility timeout.
        """
        is_invalid = isinstance(error, NotAnEventError)
        seconds = delay(_receives(message))
        try:
            if is_invalid or (is_last_attempt(message) and not is_temporary(error)):
                self._dead_letter(message, error)
                return "dead_letter", {}
            self._clients.sqs.change_message_visibility(
                QueueUrl=self._queue,
                ReceiptHandle=message["receiptHandle"],
                VisibilityTimeout=seconds,
            )
        except (ClientError, BotoCoreError) as sqs_error:
            return "retrying", {"sqs_error": str(sqs_error)}
        return "retrying", {"again_in": seconds}

    def _dead_letter(self, message: dict[str, Any], error: Exception) -> None:
        # If interrupted before the message is deleted, it is in both queues, which is harmless.
        self._clients.sqs.send_message(
            QueueUrl=self._dead_letters,
            MessageBody=message["body"],
            MessageAttributes={
                s3_events.ERROR_ATTRIBUTE: _attribute(code(error)),
                s3_events.REASON_ATTRIBUTE: _attribute(reason(error)),
            },
        )


def is_last_attempt(message: dict[str, Any]) -> bool:
    """Return whether an error that is not temporary is final."""
    return _receives(message) >= PATIENCE


def _receives(message: dict[str, Any]) -> int:
    return int(message["attributes"]["ApproximateReceiveCount"])


def delay(receives: int) -> int:
    """Return the seconds until a message is received again, after a number of receives.

    Randomized, so that messages that failed together do not return together.
    """
    longest: int = min(FIRST_DELAY * 2 ** min(receives - 1, 10), LONGEST_DELAY)
    return random.randint(longest // 2, longest)


def is_temporary(error: Exception) -> bool:
    """Return whether an error is temporary: throttling, a conflict, an outage, a broken connection."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or is_throttling(error) or code(error) in _CONFLICTS
    return isinstance(error, _CONNECTION_ERRORS)


def is_throttling(error: Exception) -> bool:
    """Return whether an error means that a call was throttled."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status == 429 or code(error) in _THROTTLED


def code(error: Exception) -> str:
    """Return the AWS code of an error, or the name of its class."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") or "ClientError"
    return type(error).__name__.removesuffix("Error") or "Error"


def is_bug(error: Exception) -> bool:
    """Return whether an error is unexpected."""
    return not isinstance(error, (ClientError, BotoCoreError, NotAnEventError, *_CONNECTION_ERRORS))


def reason(error: Exception) -> str:
    """Return the message of an error."""
    return repr(error) if is_bug(error) else str(error)


def _attribute(text: str) -> Any:
    # An attribute must not be empty and must not contain control characters. [SQS, SendMessage]
    plain = "".join(each if each.isprintable() else " " for each in text[:_MAX_REASON])
    return {"DataType": "String", "StringValue": plain.encode("ascii", "backslashreplace").decode()}
