"""What the function did, photo by photo, as its log tells it: past and live.

A page of events can be empty and still not the last, and events may show up behind ones already
read. So each look begins a while before the last event seen, and events are told apart by their id
(or, where a log has none, by stream, time, text and count).
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from labelctl.aws.clients import is_missing
from labelctl.contract import s3_events
from labelctl.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

OVERLAP = 60_000
"""Milliseconds before the last event from which a look reads again, for events that come late."""

TROUBLE_PATTERN = "?retrying ?set_aside ?timeout ?errorType ?errorMessage ?Traceback ?timed"
"""CloudWatch's filter pattern for whatever may tell of trouble: any of these words."""

_PAUSE = 1.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TROUBLE = ("Task timed out", "Runtime exited", "Runtime.", "[ERROR]", "Traceback", "errorMessage")


@dataclass(frozen=True)
class Line:
    """One thing the function did. `image` is None for trouble that is not about one photo.

    `status` is labelled, failed, removed, superseded, retrying, set_aside or error; `top` holds
    the surest labels with their confidence, 0 to 100; `ms` is the time the photo took; `again_in` the
    seconds after which a photo that is retried comes up again.
    """

    at: str
    image: str | None
    status: str
    labels: int | None = None
    top: tuple[tuple[str, float], ...] = ()
    ms: int | None = None
    reason: str = ""
    again_in: int | None = None

    @property
    def is_trouble(self) -> bool:
        """Whether it tells of something that went wrong with the function, not with a photo."""
        return self.status in ("retrying", "set_aside", "error")


def seconds(duration: str) -> float:
    """A duration such as 90s, 10m, 2h or 1d in seconds. Raises UsageError."""
    if found := _DURATION.fullmatch(duration.strip()):
        return float(found[1]) * _SECONDS[found[2]]
    raise UsageError(f'"{duration}" is not a duration.', "Write it like 90s, 10m, 2h or 1d.")


def read(
    logs: CloudWatchLogsClient,
    group: str,
    since: float,
    *,
    follow: bool,
    pattern: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Line]:
    """The lines since `since` (seconds since 1970), and with `follow` those to come, for ever.

    `pattern` is CloudWatch's, to have it leave out what is of no interest. A log group that is not
    there yet counts as empty.
    """
    start = max(round(since * 1000), 0)
    seen: dict[Any, int] = {}
    while True:
        alike = Counter[Any]()
        for events in look(logs, group, pattern, startTime=start):
            fresh = _unseen(events, seen, alike)
            for event in sorted(fresh, key=lambda event: event["timestamp"]):
                line = parse(event["timestamp"], event["message"])
                if line is not None:
                    yield line
            start = max(start, max(seen.values(), default=0) - OVERLAP)
            seen = {key: at for key, at in seen.items() if at >= start}
        if not follow:
            return
        sleep(_PAUSE)


def look(
    logs: CloudWatchLogsClient, group: str, pattern: str, **period: Any
) -> Iterator[list[Any]]:
    """The log's events of a period (`startTime`, `endTime`, in ms), some at a time, oldest first.

    Those that come together are in no order. A log group that is not there yet counts as empty.
    """
    from botocore.exceptions import ClientError

    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, filterPattern=pattern, **period
    )
    try:
        for page in pages:
            yield page["events"]
    except ClientError as error:
        if not is_missing(error):
            raise


def _unseen(events: list[Any], seen: dict[Any, int], alike: Counter[Any]) -> list[Any]:
    """The events that are not in `seen`, which learns of them; `alike` counts within one look."""
    fresh = []
    for event in events:
        key: Any = event.get("eventId")
        if key is None:
            same = (event.get("logStreamName"), event["timestamp"], event["message"])
            alike[same] += 1
            key = (*same, alike[same])
        if key not in seen:
            seen[key] = event["timestamp"]
            fresh.append(event)
    return fresh


def parse(timestamp: int, message: str) -> Line | None:
    """One log event as a line; None for what only the runtime cares about."""
    at = s3_events.iso(datetime.fromtimestamp(timestamp / 1000, UTC))
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):  # whatever a library prints must not end the tail
        told = None
    if not isinstance(told, dict):
        trouble = any(word in message for word in _TROUBLE)
        return Line(at, None, "error", reason=message.strip()) if trouble else None
    if "status" in told and "image" in told:
        return Line(
            at=at,
            image=told["image"],
            status=told["status"],
            labels=told.get("labels"),
            top=tuple((name, confidence) for name, confidence in told.get("top", ())),
            ms=told.get("ms"),
            reason=" ".join(filter(None, (told.get("reason"), told.get("trouble")))),
            again_in=told.get("again_in"),
        )
    return _parse_runtime(at, told)


def _parse_runtime(at: str, told: dict[str, Any]) -> Line | None:
    """What Lambda itself logs as JSON. [Lambda, Log event schema in JSON format]"""
    record = told.get("record")
    if str(told.get("type", "")).startswith("platform.") and isinstance(record, dict):
        status = record.get("status", "success")
        if status == "success" or told["type"] != "platform.report":
            return None
        reason = record.get("errorType") or ("Task timed out" if status == "timeout" else status)
        return Line(at, None, "error", reason=str(reason))
    if told.get("level") in ("ERROR", "CRITICAL", "FATAL") or "errorMessage" in told:
        reason = told.get("errorMessage") or told.get("message") or json.dumps(told)
        return Line(at, None, "error", reason=str(reason))
    return None
