"""Secrets that messages must not show: the credentials in use, and passwords in URLs."""

from __future__ import annotations

import os
import re

from labelctl.text import without_passwords

_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_ACCESS_KEY_ID = re.compile(r"\b(AKIA|ASIA|LCTL)[A-Z0-9]{16}\b")
_QUERY = re.compile(r'(://[^\s"?]*\?)[^\s"]+')
_MIN_LENGTH = 8
"""Replacing anything shorter would damage messages. AWS's secrets have 40 characters or more."""

_remembered: set[str] = set()


def remember(secret: str | None) -> None:
    """Have `without_secrets` remove this value."""
    if secret and len(secret.strip()) >= _MIN_LENGTH:
        _remembered.add(secret.strip())


def without_secrets(text: str) -> str:
    """The text without access keys, remembered secrets, those in the environment, and passwords.

    The queries of URLs are removed, too, because they may contain a secret.
    """
    for name in _VARIABLES:
        remember(os.environ.get(name))
    for secret in sorted(_remembered, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _QUERY.sub(r"\1***", without_passwords(text))
    return _ACCESS_KEY_ID.sub("***", text)
