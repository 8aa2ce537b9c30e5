"""The emulator's own address within its saved state, replaced when it comes back on another port.

Queue URLs hold the port. They are the names of the queues in the emulator's memory, and they are
copied into what was made of them: stack outputs and resources, a function's variables. Under an old
address a queue would not be found, and whatever waits for its messages would stand still without a
word. So all of them are replaced while the state is loaded, before anything uses it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

# What users have stored is theirs: rows, the metadata of objects, lines of logs, and messages, whose
# MD5 the clients check.
_CONTENT = {"dynamodb", "s3", "cloudwatch_logs"}
_MESSAGES = "messages"


def of_queues(sqs_state: Any) -> set[str]:
    """The addresses (host:port) in a saved state of SQS, one unless it was tampered with."""
    queues = getattr(sqs_state.get("queues"), "_data", {})
    return {urlsplit(url).netloc for _, _, url in queues}


def replace(service: str, state: Any, old: set[str], new: str) -> Any:
    """The state of a service, with each address of `old` replaced by `new` (both host:port)."""
    if service in _CONTENT or not old - {new}:
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
    if hasattr(value, "_data"):  # one of ministack's stores, divided by account and region
        value._data = _replaced(value._data, old, new)
    return value
