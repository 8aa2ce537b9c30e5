"""The function's log: each entry exactly once, however CloudWatch returns the events."""

from __future__ import annotations

import itertools
import json
import time

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from labelctl.operations import function_log
from tests.unit.conftest import REGION


class EnoughError(Exception):
    """Ends an endless tail."""


class Logs:
    """A log group whose events show up when they do. `looks` holds what arrives before each look, or
    the error of a look.

    An event is (id or None, timestamp, text); they are returned in pages of `page` events, with an
    empty page that has a token before each, as CloudWatch does.
    """

    def __init__(self, *looks, page=1000):
        self.waiting, self.there, self.page = list(looks), [], page
        self.asked = []

    def get_paginator(self, name):
        assert name == "filter_log_events"
        return self

    def paginate(self, *, logGroupName, startTime, filterPattern):  # noqa: N803
        assert startTime >= 0
        self.asked.append((logGroupName, startTime, filterPattern))
        arrived = self.waiting.pop(0) if self.waiting else []
        if isinstance(arrived, Exception):
            raise arrived
        self.there += arrived
        found = sorted((event for event in self.there if event[1] >= startTime), key=lambda e: e[1])
        for start in range(0, len(found), self.page):
            yield {"events": [], "nextToken": "t"}
            yield {"events": [self._told(*event) for event in found[start : start + self.page]]}
        yield {"events": []}

    @staticmethod
    def _told(id, timestamp, text):
        event = {"logStreamName": "stream", "timestamp": timestamp, "message": text}
        return event if id is None else {**event, "eventId": id}


def line(image, **more):
    return json.dumps({"image": image, "status": "labelled", **more})


def follow(logs, looks, since=0.0):
    """The photos in the entries of the first `looks` polls."""
    naps = itertools.count(1)

    def sleep(seconds):
        assert seconds == 1.0
        if next(naps) >= looks:
            raise EnoughError

    result: list[str | None] = []
    lines = function_log.read_log(logs, "group", since, follow=True, sleep=sleep)
    with pytest.raises(EnoughError):
        result.extend(each.image for each in lines)
    return result


# ---- each exactly once


@pytest.mark.parametrize("ids", [True, False])
def test_an_entry_is_yielded_once_however_often_it_is_read(ids):
    events = [(f"e{at}" if ids else None, at * 1000, line(f"{at}.jpg")) for at in range(5)]
    assert follow(Logs(events[:2], [], events[2:], []), 4) == [f"{at}.jpg" for at in range(5)]


@pytest.mark.parametrize("page", [1, 2, 1000])
@pytest.mark.parametrize("ids", [True, False])
def test_identical_entries_are_all_yielded(ids, page):
    events = [(f"e{at}" if ids else None, 5000, line("same.jpg")) for at in range(3)]
    assert follow(Logs(events[:2], events[2:], page=page), 3) == ["same.jpg"] * 3


def test_late_lines_are_found_behind_newer_ones():
    early, late = ("1", 100_000, line("new.jpg")), ("2", 40_000, line("late.jpg"))
    assert follow(Logs([early], [late]), 3) == ["new.jpg", "late.jpg"]


def test_each_poll_reads_only_recent_events():
    logs = Logs([("1", 100_000, line("a.jpg"))], [("2", 200_000, line("b.jpg"))])
    follow(logs, 3, since=7)
    assert [start for _, start, _ in logs.asked] == [7_000, 40_000, 140_000]


def test_old_entries_are_forgotten():
    seen = {}
    events = [{"eventId": str(at), "timestamp": at, "message": ""} for at in range(10)]
    assert len(function_log._new_events(events, seen, function_log.Counter())) == 10
    assert function_log._new_events(events, seen, function_log.Counter()) == []
    logs = Logs([(str(at), at * function_log.OVERLAP, line("a.jpg")) for at in range(1000)])
    assert len(follow(logs, 3)) == 1000


@given(data=st.data(), ids=st.booleans(), page=st.integers(1, 7))
def test_each_line_once_and_none_lost(data, ids, page):
    """Events arrive split over polls in any way, late by less than the overlap."""
    times = data.draw(st.lists(st.integers(0, 400_000), max_size=30))
    delays = [data.draw(st.integers(0, function_log.OVERLAP)) for _ in times]
    texts = [data.draw(st.sampled_from("ab")) for _ in times]
    events = [
        (str(number) if ids else None, at, line(text))
        for number, (at, text) in enumerate(zip(times, texts, strict=True))
    ]
    arrivals = sorted(
        ((at + delay, event) for at, delay, event in zip(times, delays, events, strict=True)),
        key=lambda arrival: arrival[0],
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    ordered = [event for _, event in arrivals]
    looks = [ordered[a:b] for a, b in itertools.pairwise([0, *cuts, len(ordered)])]
    result = follow(Logs(*looks, page=page), len(looks) + 1)
    assert sorted(result) == sorted(texts)


def test_lines_of_one_page_come_in_the_order_of_time():
    class Mixed(Logs):
        def paginate(self, **_):
            yield {"events": [self._told("1", 2000, line("b")), self._told("2", 1000, line("a"))]}

    result = function_log.read_log(Mixed(), "group", 0, follow=False)
    assert [each.image for each in result] == ["a", "b"]


def test_without_follow_it_ends():
    logs = Logs([("1", 1000, line("a.jpg"))], [("2", 2000, line("b.jpg"))])
    result = list(function_log.read_log(logs, "group", 0.5, follow=False, pattern="?x"))
    assert [each.image for each in result] == ["a.jpg"]
    assert logs.asked == [("group", 500, "?x")]


def test_a_time_before_all_times():
    assert list(function_log.read_log(Logs(), "group", -5.0, follow=False)) == []


# ---- with CloudWatch's own forms


@pytest.fixture
def logs(moto):
    return boto3.client("logs", region_name=REGION)


def test_a_group_that_is_not_there_yet_is_empty(logs):
    assert list(function_log.read_log(logs, "none", 0, follow=False)) == []


def test_a_log_group_created_while_following(logs):
    def sleep(_):
        if result:
            raise EnoughError
        logs.create_log_group(logGroupName="group")
        logs.create_log_stream(logGroupName="group", logStreamName="stream")
        now = int(time.time() * 1000)  # moto takes no others
        events = [{"timestamp": now + at, "message": line(f"{at}.jpg")} for at in (1, 2)]
        logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=events)
        result.append("made")

    result = []
    lines = function_log.read_log(logs, "group", 10, follow=True, sleep=sleep)
    with pytest.raises(EnoughError):
        result.extend(each.image for each in lines)
    assert result == ["made", "1.jpg", "2.jpg"]


THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "FilterLogEvents")
CUT_OFF = EndpointConnectionError(endpoint_url="https://logs")


@pytest.mark.parametrize("failure", [THROTTLED, CUT_OFF])
def test_following_outlives_polls_that_fail_for_now(failure):
    events = [[(f"e{at}", at * 1000, line(f"{at}.jpg"))] for at in range(3)]
    logs = Logs(events[0], *[failure] * 5, events[1], failure, events[2])
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 9:
            raise EnoughError

    lines = function_log.read_log(logs, "group", 0, follow=True, sleep=sleep)
    result = []
    with pytest.raises(EnoughError):
        result.extend(each.image for each in lines)
    assert result == ["0.jpg", "1.jpg", "2.jpg"]
    assert naps == [1, 1, 2, 4, 5, 5, 1, 1, 1]


def test_following_ends_when_polls_keep_failing():
    logs, naps = Logs(*[THROTTLED] * 100), []
    with pytest.raises(ClientError, match="Throttling"):
        list(function_log.read_log(logs, "group", 0, follow=True, sleep=naps.append))
    assert 180 < sum(naps) < 240


def test_a_refusal_is_not_taken_for_an_empty_group():
    class Refusing(Logs):
        def paginate(self, **_):
            refusal = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
            raise ClientError(refusal, "FilterLogEvents")
            yield

    with pytest.raises(ClientError, match="AccessDenied"):
        list(function_log.read_log(Refusing(), "group", 0, follow=False))


# ---- what a line says


def parse(**result):
    return function_log.parse(1_000_000_000_123, json.dumps(result))


def test_a_photos_line():
    result = parse(
        image="a.jpg", status="labelled", labels=2, top=[["Dog", 98.5], ["Pet", 97]], ms=412
    )
    assert result == function_log.LogEntry(
        at="2001-09-09T01:46:40.123Z",
        image="a.jpg",
        status="labelled",
        labels=2,
        top=(("Dog", 98.5), ("Pet", 97)),
        ms=412,
    )
    assert not result.is_error


def test_a_failed_photo_is_not_a_function_error():
    result = parse(
        image="a.jpg", status="failed", error="TooLarge", reason="It is too large.", ms=3
    )
    assert (result.status, result.reason, result.is_error) == ("failed", "It is too large.", False)


@pytest.mark.parametrize("status", ["retrying", "dead_letter"])
def test_errors_with_a_message(status):
    result = parse(image=None, status=status, reason="Throttled")
    assert (result.image, result.status, result.reason, result.is_error) == (
        None,
        status,
        "Throttled",
        True,
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            {"type": "platform.report", "record": {"status": "timeout", "metrics": {}}},
            "Task timed out",
        ),
        (
            {
                "type": "platform.report",
                "record": {"status": "error", "errorType": "Runtime.ExitError"},
            },
            "Runtime.ExitError",
        ),
        ({"type": "platform.report", "record": {"status": "failure"}}, "failure"),
        (
            {"errorMessage": "No module named 'x'", "errorType": "Runtime.ImportModuleError"},
            "No module named 'x'",
        ),
        ({"level": "ERROR", "message": "went wrong", "logger": "root"}, "went wrong"),
        ({"level": "CRITICAL", "odd": 1}, '{"level": "CRITICAL", "odd": 1}'),
    ],
)
def test_runtime_errors(message, reason):
    result = parse(**message)
    assert (result.image, result.status, result.reason, result.is_error) == (
        None,
        "error",
        reason,
        True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-01T00:00:00Z 1a2b Task timed out after 60.06 seconds\n\n",
        "RequestId: 1a2b Error: Runtime exited with error: signal: killed Runtime.ExitError",
        "Traceback (most recent call last):\n  File ...",
        "[ERROR] KeyError: 'x'",
    ],
)
def test_errors_as_plain_text(text):
    result = function_log.parse(0, text)
    assert result is not None
    assert (result.status, result.reason) == ("error", text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "START RequestId: 1a2b Version: $LATEST",
        "REPORT RequestId: 1a2b Duration: 3.01 ms",
        "",
        "[1, 2]",
        '"text"',
        "12",
        "null",
        '{"level": "INFO", "message": "hello"}',
        '{"type": "platform.start", "record": {}}',
        '{"type": "platform.report", "record": {"status": "success", "metrics": {}}}',
        '{"type": "platform.runtimeDone", "record": {"status": "timeout"}}',  # the report has it
    ],
)
def test_what_only_the_runtime_cares_about(text):
    assert function_log.parse(0, text) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.text()
    | st.dictionaries(
        st.sampled_from(["status", "labels", "type", "record", "level", "message", "errorMessage"]),
        json_values,
    ).map(json.dumps)
)
def test_any_text_is_a_line_or_nothing(text):
    """Whatever a library prints into the log must not end the tail."""
    result = function_log.parse(0, text)
    assert result is None or result.status


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000, '{"a":' * 50_000])
def test_json_that_python_cannot_read_is_text(text):
    assert function_log.parse(0, text) is None
