"""Times and durations as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from labelctl.errors import UsageError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_MAX_DAYS = 10_000  # a start before 1970 would be none to AWS
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def utc(moment: datetime | float) -> str:
    """A time, or seconds since 1970, in ISO 8601 in UTC: "2026-11-30T17:07:12Z"."""
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def local_minute(moment: datetime | str) -> str:
    """A time, or its ISO 8601 form, in the user's time zone: "2026-11-30 17:07"."""
    return f"{_local(moment):%Y-%m-%d %H:%M}"


def local_clock(moment: datetime | str) -> str:
    """The time of day of a time, or of its ISO 8601 form, in the user's time zone: "17:07:12"."""
    return f"{_local(moment):%H:%M:%S}"


def _local(moment: datetime | str) -> datetime:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone()


def parse_duration(duration: str) -> float:
    """Convert a duration such as 90s, 10m, 2h or 1d to seconds. Raises UsageError."""
    if found := _DURATION.fullmatch(duration.strip()):
        seconds = float(found[1]) * _SECONDS[found[2]]
        if seconds <= _MAX_DAYS * _SECONDS["d"]:
            return seconds
        raise UsageError(f'"{duration}" is too long.', f"Use at most {_MAX_DAYS}d.")
    raise UsageError(f'"{duration}" is not a duration.', "Write it like 90s, 10m, 2h or 1d.")
