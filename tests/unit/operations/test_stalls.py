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

A, B = Photo("a.jpg", "labelled"), Photo("b.jpg", "labelled")


class Wait:
    """Looks at given times (seconds), with the photos in `done` finished."""

    def __init__(self) -> None:
        self.now = 0.0
        self.read: list[float] = []

    def looks(self, times: range, done: dict[int, list[Photo]]) -> Iterator[WaitResult]:
        waiting = 2
        for self.now in times:
            found = done.get(int(self.now), [])
            waiting -= len(found)
            yield WaitResult(found, waiting)

    def errors(self) -> Iterator[function_log.LogEntry]:
        while True:
            self.read.append(self.now)
            yield function_log.LogEntry("at", None, "error", reason=f"error {len(self.read)}")

    def watch(self, times: range, **done: list[Photo]) -> list[tuple[float, Any]]:
        found = {int(second.removeprefix("at_")): photos for second, photos in done.items()}
        news = stalls.watch(self.looks(times, found), self.errors(), lambda: self.now)
        return [(self.now, each) for each in news]


def test_after_ten_seconds_without_progress_each_look_is_a_stall() -> None:
    wait = Wait()
    news = wait.watch(range(0, 20, 2), at_4=[A], at_18=[B])
    assert [(at, each) for at, each in news if isinstance(each, list)] == [(4, [A]), (18, [B])]
    assert [at for at, each in news if isinstance(each, Stall)] == [14, 16]
    _, first = news[1]
    assert (first.waiting, first.seconds, first.error.reason) == (1, 10, "error 1")


def test_the_log_is_read_every_ten_seconds_and_only_during_a_stall() -> None:
    wait = Wait()
    wait.watch(range(0, 60, 2), at_2=[A], at_40=[B])
    assert wait.read == [12, 22, 32, 50]


def test_it_is_announced_at_first_and_then_once_a_minute_also_after_a_little_progress() -> None:
    wait = Wait()
    news = wait.watch(range(0, 200, 2), at_30=[A])
    assert [at for at, each in news if isinstance(each, Stall) and each.announce] == [
        10,
        70,
        130,
        190,
    ]


def test_who_takes_the_photos_may_take_long() -> None:
    wait = Wait()
    looks = wait.looks(range(0, 20, 2), {0: [A]})
    news = stalls.watch(looks, wait.errors(), lambda: wait.now)
    assert next(news) == [A]
    wait.now = 9
    assert [each.seconds for each in news if isinstance(each, Stall)] == []


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
