"""Retrying AWS requests for longer than a boto3 client does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PAUSE = 0.05
"""Seconds before the first retry."""

POLL_PAUSE = 1.0
"""Seconds before the first repetition of a poll."""
POLL_RETRIES = 40
"""How often a failed poll is repeated, for more than three minutes: a network may be away that long."""

_MAX_PAUSE = 5.0
_RETRIES = 20  # about a minute and a half, in addition to the retries of the client
_THROTTLED = (
    "ProvisionedThroughputExceededException",
    "Throttling",  # CloudFormation
    "ThrottlingException",
    "RequestLimitExceeded",
    "SlowDown",  # S3
    "ServiceUnavailable",
)


def next_pause(pause: float) -> float:
    """Return the pause that follows this one: twice as long, up to 5 seconds."""
    return min(pause * 2, _MAX_PAUSE)


def is_temporary(error: Exception) -> bool:
    """Return whether a request failed only for now: throttled, cut off, or AWS has a problem."""
    import botocore.exceptions as boto

    if isinstance(error, boto.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response.get("Error", {}).get("Code") in _THROTTLED or status >= 500
    cut_off = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError)
    return isinstance(error, cut_off) and not isinstance(error, boto.SSLError)


def poll(request: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """Make a request that can be repeated, and repeat it while it fails only for now.

    For following something that continues without us. Raises botocore's error after the last retry.
    """
    pause = POLL_PAUSE
    for _ in range(POLL_RETRIES):
        try:
            return request()
        except Exception as error:
            if not is_temporary(error):
                raise
        sleep(pause)
        pause = next_pause(pause)
    return request()


def call_with_backoff(operation: Callable[..., Any], **request: Any) -> Any:
    """Call a client's operation; retry with growing pauses while it is throttled.

    Raises botocore's ClientError: any other error at once, throttling after the last retry.
    """
    from botocore.exceptions import ClientError

    pause = PAUSE
    for _ in range(_RETRIES):
        try:
            return operation(**request)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _THROTTLED:
                raise
        time.sleep(pause)
        pause = next_pause(pause)
    return operation(**request)
