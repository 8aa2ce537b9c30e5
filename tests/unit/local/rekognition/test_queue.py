"""Requests to a busy recogniser wait, are throttled, or are dropped if the caller disconnects."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelctl.local.rekognition.admission import Admission
from labelctl.local.rekognition.errors import RefusalError
from labelctl.local.rekognition.pool import Pool
from labelctl.local.rekognition.recogniser import Detection
from labelctl.local.rekognition.server import RecogniserServer
from tests.unit.recogniser_world import ROOT, allow, plain, rekognition, serving, soon, workers


@pytest.fixture
def pool() -> Iterator[Pool]:
    with workers(workers=2) as pool:
        yield pool


class Queue:
    """Requests that wait in a queue while both turns of a worker are in use."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._threads = ThreadPoolExecutor(20)
        self._taken = [admission.turn(), admission.turn()]
        for turn in self._taken:
            turn.__enter__()
        self.outcomes: dict[int, str] = {}

    def wait(self, count: int) -> None:
        """Add `count` waiting requests."""
        for _ in range(count):
            before = self._admission.waiting
            self._threads.submit(self._ask, len(self.outcomes) + before)
            soon(lambda before=before: self._admission.waiting == before + 1)

    def end_one(self) -> None:
        """End one of the first two turns."""
        self._taken.pop().__exit__(None, None, None)

    def close(self) -> None:
        for turn in self._taken:
            turn.__exit__(None, None, None)
        self._threads.shutdown()

    def _ask(self, number: int) -> None:
        try:
            with self._admission.turn():
                self.outcomes[number] = "had its turn"
        except RefusalError as refusal:
            self.outcomes[number] = refusal.code


def test_requests_are_served_in_order_of_arrival():
    queue = Queue(Admission(workers=1))
    queue.wait(10)
    assert queue.outcomes == {}

    queue.end_one()
    soon(lambda: len(queue.outcomes) == 10)
    queue.close()

    assert set(queue.outcomes.values()) == {"had its turn"}
    assert list(queue.outcomes) == list(range(10))


def test_every_second_request_that_waited_too_long_is_throttled():
    now = 0.0
    admission = Admission(workers=1, clock=lambda: now)
    queue = Queue(admission)
    queue.wait(4)
    now = admission.max_wait + 1
    queue.wait(1)

    queue.end_one()
    soon(lambda: len(queue.outcomes) == 5)
    queue.close()

    assert queue.outcomes == {
        0: "had its turn",
        1: "ThrottlingException",
        2: "had its turn",
        3: "ThrottlingException",
        4: "had its turn",
    }


def test_the_maximum_wait_depends_on_the_duration_of_turns():
    now = 0.0
    admission = Admission(workers=2, clock=lambda: now)

    def have_turns(seconds: float) -> float:
        nonlocal now
        for _ in range(50):
            with admission.turn():
                now += seconds
        return admission.max_wait

    assert have_turns(0.5) == pytest.approx(8.25, abs=0.1)
    assert have_turns(2) == pytest.approx(6, abs=0.1)
    assert have_turns(20) == 0.5


def test_a_throttled_request_costs_no_work(pool):
    def untouched(*_: Any) -> Any:
        raise AssertionError("work was done for a throttled request")

    pool._admission = Admission(workers=1, max_waiting=0)
    with (
        rekognition(pool, fetch=untouched, authorize=allow) as client,
        pool.turn(),
        pool.turn(),
        pytest.raises(ClientError) as caught,
    ):
        client.detect_labels(Image={"S3Object": {"Bucket": "photos", "Name": "a.jpg"}})

    error = caught.value.response
    assert error["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_requests_above_the_maximum_are_throttled_immediately():
    admission = Admission(workers=1, max_waiting=3)
    queue = Queue(admission)
    queue.wait(3)

    with pytest.raises(RefusalError, match="Rate exceeded"), admission.turn():
        pass

    queue.close()
    assert set(queue.outcomes.values()) == {"had its turn"}


def test_a_refused_request_releases_its_turn(pool):
    with rekognition(pool, fetch=None, authorize=allow) as client:
        for _ in range(2 * 2 + 1):
            with pytest.raises(ClientError, match="InvalidParameterException"):
                client.detect_labels(Image={"Bytes": b""})


class Caller:
    """Sends one request; `hang_up` disconnects."""

    def __init__(self, url: str) -> None:
        self._connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        body = b'{"Image": {"S3Object": {"Bucket": "photos", "Name": "a.jpg"}}}'
        self._connection.sendall(
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"X-Amz-Target: RekognitionService.DetectLabels\r\n"
            b"Authorization: AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/r/aws4\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def hang_up(self) -> None:
        self._connection.close()


def test_a_response_whose_caller_has_gone_is_logged_as_wasted(capsys):
    class Slow:
        """A pool whose only picture takes until `go_on` is set."""

        version = "labelctl-local/slow@1"
        begun, go_on = threading.Event(), threading.Event()

        def turn(self) -> AbstractContextManager[None]:
            return nullcontext()

        def detect(self, *_: Any) -> Detection:
            self.begun.set()
            assert self.go_on.wait(60)
            return Detection((), None)

    pool = Slow()
    server = RecogniserServer(0, pool, root=ROOT, fetch=lambda _: b"", authorize=allow)
    with serving(server) as url:
        caller = Caller(url)
        assert pool.begun.wait(60)
        caller.hang_up()
        pool.go_on.set()
        soon(lambda: "DetectLabels wasted" in capsys.readouterr().err)


def test_requests_whose_caller_has_gone_are_dropped(capsys):
    with workers(workers=1) as pool, ThreadPoolExecutor(1) as threads:
        fetched: list[str] = []

        def fetch(_: Any) -> bytes:
            fetched.append("fetched")
            return plain("red")

        begun, go_on = threading.Event(), threading.Event()
        first = threads.submit(
            pool.detect, plain("red"), None, lambda: begun.set() or go_on.wait(60)
        )
        assert begun.wait(60)
        server = RecogniserServer(0, pool, root=ROOT, fetch=fetch, authorize=allow)
        with serving(server) as url:
            caller = Caller(url)
            soon(lambda: fetched)
            caller.hang_up()
            go_on.set()
            soon(lambda: "DetectLabels dropped" in capsys.readouterr().err)
        assert first.result().findings
