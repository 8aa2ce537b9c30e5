"""Asking AWS again while it is too busy, for longer than a client does by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PAUSE = 0.05
"""Seconds before AWS is asked again for the first time."""

_LONGEST_PAUSE = 5.0
_PATIENCE = 20  # times in a row, a minute and a half, beside what the client itself tries
_THROTTLED = (
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "SlowDown",  # S3's words for it
    "ServiceUnavailable",
)


def next_pause(pause: float) -> float:
    """The pause after this one, in seconds: twice as long, up to 5 s."""
    return min(pause * 2, _LONGEST_PAUSE)


def patiently(operation: Callable[..., Any], **request: Any) -> Any:
    """The answer of DynamoDB or S3; while they are too busy they are asked again, for some time."""
    from botocore.exceptions import ClientError

    pause = PAUSE
    for _ in range(_PATIENCE):
        try:
            return operation(**request)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _THROTTLED:
                raise
        time.sleep(pause)
        pause = next_pause(pause)
    return operation(**request)
