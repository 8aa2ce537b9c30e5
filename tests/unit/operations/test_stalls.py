"""During a stall, the number of waiting photos and the latest function error are reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelctl.labels.results import Photo
from labelctl.labels.wait import WaitResult
from labelctl.operations import function_log, stalls
from labelctl.operations.stalls import Stall

PHOTO = Photo("a.jpg", "labelled")


class Wait:
    """A wait for two photos, with the number of photos done at given times (seconds)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.read: list[float] = []

    def errors(self) -> Iterator[function_log.LogEntry]:
        while True:
            self.read.append(self.now)
            yield function_log.LogEntry("at", None, "error", reason=f"error {len(self.read)}")

    def stalls(self, times: range, *done: int) -> list[tuple[float, Stall]]:
        watch = stalls.StallWatch(self.errors(), lambda: self.now)
        found = []
        for self.now in times:
            photos = [PHOTO] if self.now in done else []
            if stall := watch.update(WaitResult(photos, 1)):
                found.append((self.now, stall))
        return found


def test_after_ten_seconds_without_progress_each_look_is_a_stall() -> None:
    (first, stall), (second, _) = Wait().stalls(range(0, 20, 2), 4, 18)
    assert (first, second) == (14, 16)
    assert stall.error
    assert (stall.waiting, stall.seconds, stall.error.reason) == (1, 10, "error 1")


def test_the_log_is_read_every_ten_seconds_and_only_during_a_stall() -> None:
    wait = Wait()
    wait.stalls(range(0, 60, 2), 2, 40)
    assert wait.read == [12, 22, 32, 50]


def test_it_is_announced_at_first_and_then_once_a_minute_also_after_a_little_progress() -> None:
    found = Wait().stalls(range(0, 200, 2), 30)
    assert [at for at, stall in found if stall.announce] == [10, 70, 130, 190]


# ---- the log


class Log:
    """A function's log, with times in seconds; `asked` are the start times of reads."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.asked: list[float] = []
        self.refused = False

    def add(self, at: float, status: str, reason: str) -> None:
        message = json.dumps({"image": "a.jpg", "status": status, "reason": reason})
        event_id = str(len(self.events))
        self.events.append({"timestamp": int(at * 1000), "message": message, "eventId": event_id})

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, *, startTime: int, **_: Any) -> Any:  # noqa: N803
        if self.refused:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "FilterLogEvents")
        self.asked.append(startTime / 1000)
        yield {"events": [each for each in self.events if each["timestamp"] >= startTime]}


@pytest.fixture
def log() -> Log:
    return Log()


def latest(log: Log, now: list[float]) -> Iterator[function_log.LogEntry | None]:
    aws: Any = SimpleNamespace(logs=log)
    return stalls.latest_errors(aws, "group", lambda: now[0])


def test_the_latest_error_is_kept(log: Log) -> None:
    now = [10_000.0]
    errors = latest(log, now)
    assert next(errors) is None
    log.add(10_005, "retrying", "Rekognition is busy.")
    log.add(10_004, "retrying", "earlier")
    log.add(10_006, "labelled", "")
    now[0] = 10_010
    assert reason(next(errors)) == "Rekognition is busy."
    now[0] = 10_500
    assert reason(next(errors)) == "Rekognition is busy."
    log.add(10_600, "dead_letter", "No such table.")
    now[0] = 10_601
    assert reason(next(errors)) == "No such table."


def test_the_log_is_read_from_where_the_last_look_ended(log: Log) -> None:
    """Reads overlap by a minute for late events. The first goes back 15 minutes."""
    now = [10_000.0]
    errors = latest(log, now)
    assert log.asked == []
    for now[0] in (10_010, 10_020):
        next(errors)
    assert log.asked == [10_000 - 900 + 10, 10_010 - 60]


def test_without_permission_for_the_log_the_stall_is_reported(log: Log) -> None:
    now = [10_000.0]
    errors = latest(log, now)
    log.refused = True
    assert next(errors) is None
    log.refused = False
    log.add(10_001, "retrying", "Rekognition is busy.")
    assert reason(next(errors)) == "Rekognition is busy."


def reason(line: function_log.LogEntry | None) -> str:
    assert line
    return line.reason
