"""Replaces the emulator's address in its saved state after its port has changed.

Queue URLs contain the port. The emulator identifies queues by them, and copies of them are in stack
outputs, stack resources and functions' environment variables. With an old address a queue would not be
found, and its consumers would stop without an error. So all copies are replaced while the state is
loaded.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

# User data is not changed: items, object metadata and log lines; and messages, whose MD5 clients check.
_USER_DATA = {"dynamodb", "s3", "cloudwatch_logs"}
_MESSAGES = "messages"


def of_queues(sqs_state: Any) -> set[str]:
    """The addresses (host:port) in a saved state of SQS; usually one."""
    queues = getattr(sqs_state.get("queues"), "_data", {})
    return {urlsplit(url).netloc for _, _, url in queues}


def replace(service: str, state: Any, old: set[str], new: str) -> Any:
    """The state of a service with every address in `old` replaced by `new` (host:port)."""
    if service in _USER_DATA or not old - {new}:
        return state
    either = "|".join(re.escape(address) for address in sorted(old - {new}))
    return _replaced(state, re.compile(rf"({either})(?!\d)"), new)


def _replaced(value: Any, old: re.Pattern[str], new: str) -> Any:
    if isinstance(value, str):
        return old.sub(new, value)
    if isinstance(value, list | tuple):
        return type(value)(_replaced(each, old, new) for each in value)
    if isinstance(value, dict):
        return {
            _replaced(key, old, new): each if key == _MESSAGES else _replaced(each, old, new)
            for key, each in value.items()
        }
    if hasattr(value, "_data"):  # one of ministack's stores, keyed by account and region
        value._data = _replaced(value._data, old, new)
    return value
