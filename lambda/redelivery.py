"""What becomes of a message that was not worked off: put off for a while, or set aside for a person.

SQS counts how often a message is received, and sets it aside by itself after the template's
maxReceiveCount. That is far away (days), so that an outage costs time and never a photo; what no
waiting mends is set aside from here, and with a reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from labelctl.contract import s3_events

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRST_DELAY = 15
LONGEST_DELAY = 15 * 60
"""Seconds before a message is received again: doubled with each receive, up to a quarter of an hour.
So a blip costs seconds, and an outage of hours five looks an hour and photo."""

PATIENCE = 10
"""The receives after which a failure that is not temporary is set aside: up to an hour of them."""

_THROTTLED = {
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "SlowDown",
}
_LONGEST_REASON = 1000
_CONNECTION = (HTTPClientError, ConnectionError, ResponseParserError, TimeoutError)


class NotAnEventError(Exception):
    """A message that is no S3 notification."""


class Redelivery:
    """The work queue and the dead letters, by their URLs. Safe to share between threads.

    `client` makes the client when it is first needed.
    """

    def __init__(self, client: Callable[[], SQSClient], queue: str, dead_letters: str) -> None:
        self._client = client
        self._queue = queue
        self._dead_letters = dead_letters

    def hand_back(self, message: dict[str, Any], error: Exception) -> tuple[str, dict[str, Any]]:
        """Put off or set aside a message that met this error: what became of it, and details.

        "set_aside": it is done with. "retrying": SQS must keep it; it comes again in `again_in`
        seconds, or where that is missing after the queue's visibility timeout, as `trouble` tells.
        """
        receives = int(message["attributes"]["ApproximateReceiveCount"])
        hopeless = isinstance(error, NotAnEventError)
        seconds = delay(receives)
        try:
            if hopeless or (receives >= PATIENCE and not is_temporary(error)):
                self._set_aside(message, error)
                return "set_aside", {}
            self._client().change_message_visibility(
                QueueUrl=self._queue,
                ReceiptHandle=message["receiptHandle"],
                VisibilityTimeout=seconds,
            )
        except (ClientError, BotoCoreError) as trouble:
            return "retrying", {"trouble": str(trouble)}
        return "retrying", {"again_in": seconds}

    def _set_aside(self, message: dict[str, Any], error: Exception) -> None:
        # Sent before it is acknowledged: cut off in between it is there twice, which does no harm.
        self._client().send_message(
            QueueUrl=self._dead_letters,
            MessageBody=message["body"],
            MessageAttributes={
                s3_events.ERROR_ATTRIBUTE: _attribute(code(error)),
                s3_events.REASON_ATTRIBUTE: _attribute(reason(error)),
            },
        )


def delay(receives: int) -> int:
    """Seconds until a message is received again, after so many receives.

    A random part of it keeps those that failed together from coming back together.
    """
    longest: int = min(FIRST_DELAY * 2 ** min(receives - 1, 10), LONGEST_DELAY)
    return random.randint(longest // 2, longest)


def is_temporary(error: Exception) -> bool:
    """Whether an error goes away by itself: throttling, an outage, a connection that broke."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or is_throttling(error)
    return isinstance(error, _CONNECTION)


def is_throttling(error: Exception) -> bool:
    """Whether an error says that there are too many calls."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status == 429 or code(error) in _THROTTLED


def code(error: Exception) -> str:
    """AWS's code of an error, or the name of its class."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") or "ClientError"
    return type(error).__name__.removesuffix("Error") or "Error"


def is_bug(error: Exception) -> bool:
    """Whether an error is none that is reckoned with."""
    return not isinstance(error, (ClientError, BotoCoreError, NotAnEventError, *_CONNECTION))


def reason(error: Exception) -> str:
    """What went wrong, in AWS's words or Python's."""
    return repr(error) if is_bug(error) else str(error)


def _attribute(text: str) -> Any:
    # An attribute's text must not be empty and may hold no control characters. [SQS, SendMessage]
    plain = "".join(each if each.isprintable() else " " for each in text[:_LONGEST_REASON])
    return {"DataType": "String", "StringValue": plain.encode("ascii", "backslashreplace").decode()}
