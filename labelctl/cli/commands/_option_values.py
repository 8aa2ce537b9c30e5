"""The values of `labelctl deploy`'s options that Typer cannot check."""

from __future__ import annotations

import re
import unicodedata

from labelctl import times
from labelctl.errors import UsageError

RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The retention periods, in days, that CloudWatch Logs supports; the template lists them too."""

AGES = (300, 13 * 86400)
"""The shortest and longest --alarm-age, in seconds; the template has the same limits."""

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")  # AWS's confirmation email checks the rest


def address(value: str | None, remove: bool) -> str | None:
    """The alarm address: "" removes it, None keeps it."""
    if value is None:
        return "" if remove else None
    if remove:
        raise UsageError("--alarm-email and --no-alarm contradict each other.", "Use one of them.")
    if not _ADDRESS.fullmatch(value):
        raise UsageError(
            f'--alarm-email "{value}" is not an email address.',
            "Use an address like you@example.com, or --no-alarm to remove the alarm email.",
        )
    return value


def age(value: str | None) -> int | None:
    """The alarm age in seconds."""

    if value is None:
        return None
    age = round(times.parse_duration(value))
    if not AGES[0] <= age <= AGES[1]:
        raise UsageError(
            f"--alarm-age {value} is not between 5 minutes and 13 days.",
            "Use a time like 30m, 12h or 1d. SQS deletes messages after 14 days.",
        )
    return age


def tags(values: list[str] | None) -> dict[str, str]:
    """The tags by key. Raises UsageError for one that IAM, the strictest service, would reject."""
    tags: dict[str, str] = {}
    cases: dict[str, str] = {}
    for text in values or ():
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UsageError(
                f'--tag "{text}" is not of the form KEY=VALUE.',
                "Neither KEY nor VALUE may be empty.",
            )
        if not (_is_tag(key, 128) and _is_tag(value, 256)) or key.lower().startswith("aws:"):
            raise UsageError(
                f"AWS does not allow the tag {text!r}.",
                "Use letters, digits, spaces and . : / = + - @ _ in at most 128 characters for the key"
                " and 256 for the value. The key must not start with aws:.",
            )
        if (first := cases.setdefault(key.casefold(), key)) != key:
            raise UsageError(
                f'The tag keys "{first}" and "{key}" differ only in case, which IAM ignores.',
                "Leave out one of them.",
            )
        tags[key] = value
    return tags


def _is_tag(text: str, length: int) -> bool:
    """Whether IAM allows the text as a key or value of a tag. [IAM API, Tag]"""
    return len(text) <= length and all(
        unicodedata.category(each)[0] in "LZN" or each in "_.:/=+-@" for each in text
    )
