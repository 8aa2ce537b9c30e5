"""Retrying throttled AWS requests for longer than a boto3 client does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PAUSE = 0.05
"""Seconds before the first retry."""

_MAX_PAUSE = 5.0
_RETRIES = 20  # about a minute and a half, in addition to the retries of the client
_THROTTLED = (
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "SlowDown",  # S3
    "ServiceUnavailable",
)


def next_pause(pause: float) -> float:
    """Return the pause that follows this one: twice as long, up to 5 seconds."""
    return min(pause * 2, _MAX_PAUSE)


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
