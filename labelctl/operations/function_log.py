"""The function's log as a list of what it did, photo by photo: past entries and new ones.

CloudWatch may return an empty page that is not the last, and events may arrive late, before ones that
were already read. So each poll starts a while before the last event seen and skips known events,
identified by their id (or, if a log has no ids, by stream, time, text and occurrence).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from labelctl.aws import throttling
from labelctl.aws.errors import is_missing
from labelctl.contract import s3_events

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

OVERLAP = 60_000
"""Each poll starts this many milliseconds before the last event, to include late events."""

ERROR_PATTERN = "?retrying ?dead_letter ?timeout ?errorType ?errorMessage ?Traceback ?timed"
"""A CloudWatch filter pattern for events that may be errors: those with any of these words."""

_PAUSE = 1.0
_ERROR_TEXTS = (
    "Task timed out",
    "Runtime exited",
    "Runtime.",
    "[ERROR]",
    "Traceback",
    "errorMessage",
)


@dataclass(frozen=True)
class LogEntry:
    """One action of the function. `image` is None for an error that does not concern one photo.

    `at` is ISO 8601 in UTC. `status` is labelled, failed, removed, superseded, retrying, dead_letter or
    error; `top` holds the labels that say most, with their confidence, 0 to 100; `ms` is how long the
    photo took, in milliseconds; `again_in` is the number of seconds until a retry.
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
    def is_error(self) -> bool:
        """Whether the function had an error, as opposed to a photo that cannot be labelled."""
        return self.status in ("retrying", "dead_letter", "error")


def read_log(
    logs: CloudWatchLogsClient,
    group: str,
    since: float,
    *,
    follow: bool,
    pattern: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LogEntry]:
    """The entries since `since` (Unix time in seconds); with `follow`, also new ones, indefinitely.

    `pattern` is a CloudWatch filter pattern. A log group that does not exist yet counts as empty. Polls
    that fail only for now are repeated.
    """
    start = max(round(since * 1000), 0)
    seen: dict[Any, int] = {}
    failures, pause = 0, throttling.POLL_PAUSE
    while True:
        occurrences = Counter[Any]()
        try:
            for events in fetch_events(logs, group, pattern, startTime=start):
                new = _new_events(events, seen, occurrences)
                for event in sorted(new, key=lambda event: event["timestamp"]):
                    line = parse(event["timestamp"], event["message"])
                    if line is not None:
                        yield line
                start = max(start, max(seen.values(), default=0) - OVERLAP)
                seen = {key: at for key, at in seen.items() if at >= start}
        except Exception as error:
            if failures == throttling.POLL_RETRIES or not throttling.is_temporary(error):
                raise
            sleep(pause)  # the next poll skips what was already yielded
            failures, pause = failures + 1, throttling.next_pause(pause)
            continue
        failures, pause = 0, throttling.POLL_PAUSE
        if not follow:
            return
        sleep(_PAUSE)


def fetch_events(
    logs: CloudWatchLogsClient, group: str, pattern: str, **period: Any
) -> Iterator[list[Any]]:
    """The log events of a period (`startTime`, `endTime` in ms), in pages, oldest page first.

    The events of one page are in no particular order. A log group that does not exist yet counts as
    empty.
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


def _new_events(events: list[Any], seen: dict[Any, int], occurrences: Counter[Any]) -> list[Any]:
    """The events not in `seen`, which are added to it.

    `occurrences` counts identical events without an id in one poll.
    """
    new = []
    for event in events:
        key: Any = event.get("eventId")
        if key is None:
            same = (event.get("logStreamName"), event["timestamp"], event["message"])
            occurrences[same] += 1
            key = (*same, occurrences[same])
        if key not in seen:
            seen[key] = event["timestamp"]
            new.append(event)
    return new


def parse(timestamp: int, message: str) -> LogEntry | None:
    """Parse one log event (`timestamp` in ms); None for routine messages of the Lambda runtime."""
    at = s3_events.format_time(datetime.fromtimestamp(timestamp / 1000, UTC))
    try:
        entry = json.loads(message)
    except (ValueError, RecursionError):  # text printed by a library
        entry = None
    if not isinstance(entry, dict):
        is_error = any(text in message for text in _ERROR_TEXTS)
        return LogEntry(at, None, "error", reason=message.strip()) if is_error else None
    if "status" in entry and "image" in entry:
        return LogEntry(
            at=at,
            image=entry["image"],
            status=entry["status"],
            labels=entry.get("labels"),
            top=tuple((name, confidence) for name, confidence in entry.get("top", ())),
            ms=entry.get("ms"),
            reason=" ".join(filter(None, (entry.get("reason"), entry.get("sqs_error")))),
            again_in=entry.get("again_in"),
        )
    return _parse_runtime(at, entry)


def _parse_runtime(at: str, entry: dict[str, Any]) -> LogEntry | None:
    """Parse an event that Lambda itself logged. [Lambda, Log event schema in JSON format]"""
    record = entry.get("record")
    if str(entry.get("type", "")).startswith("platform.") and isinstance(record, dict):
        status = record.get("status", "success")
        if status == "success" or entry["type"] != "platform.report":
            return None
        reason = record.get("errorType") or ("Task timed out" if status == "timeout" else status)
        return LogEntry(at, None, "error", reason=str(reason))
    if entry.get("level") in ("ERROR", "CRITICAL", "FATAL") or "errorMessage" in entry:
        reason = entry.get("errorMessage") or entry.get("message") or json.dumps(entry)
        return LogEntry(at, None, "error", reason=str(reason))
    return None
