"""The recogniser under strain: pictures that take for ever, workers that die, callers that leave."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from labelctl.local import processes
from labelctl.local.recogniser import process
from labelctl.local.recogniser.admission import Admission
from labelctl.local.recogniser.limits import Limits
from labelctl.local.recogniser.pool import Pool
from labelctl.local.recogniser.refusals import RefusalError
from labelctl.local.recogniser.server import MODULE, RecogniserServer
from tests.unit.recogniser_world import (
    ROOT,
    FakeEmulator,
    allow,
    client_of,
    encode,
    endless_jpeg,
    environment,
    photo,
    plain,
    rekognition,
    serving,
    workers,
)

QUICK = Limits(look_seconds=0.5)


def names(pool: Pool, data: bytes) -> list[str]:
    return [finding.meaning.name for finding in pool.look(data).findings]


def children(pid: int) -> set[int]:
    """The processes that a process started and that run."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
    )
    found = (line.split(maxsplit=2) for line in listing.stdout.splitlines())
    return {int(one) for one, of, command in found if int(of) == pid and "recogniser" in command}


def soon(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)
    return value


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two workers that give up on a picture soon."""
    with workers(workers=2, limits=QUICK) as pool:
        yield pool


# -- pictures


def test_a_picture_that_takes_for_ever_is_refused_and_others_are_answered_meanwhile(pool):
    pool.warm_up()
    with ThreadPoolExecutor(1) as aside:
        endless = aside.submit(pool.look, endless_jpeg())
        answered = 0
        while not endless.done():
            assert names(pool, plain("red")) == ["Red"]
            answered += 1

    refusal = endless.exception()
    assert isinstance(refusal, RefusalError)
    assert (refusal.code, refusal.message, refusal.status) == (
        "InvalidImageFormatException", "Request has invalid image format", 400
    )  # fmt: skip
    assert answered >= 2
    assert names(pool, plain("blue")) == ["Blue"]


def test_it_costs_its_time_only_once(pool):
    begun: list[bool] = []
    for _ in range(2):
        with pytest.raises(RefusalError, match="invalid image format"):
            pool.look(endless_jpeg(), None, lambda: begun.append(True) is None)

    assert len(begun) == 1


def test_as_many_scans_as_a_camera_writes_are_fine(pool):
    assert names(pool, endless_jpeg(scans=10, side=1000)) == ["Red"]


def test_the_largest_picture_that_is_allowed_keeps_the_limits():
    clear = Image.new("RGBA", (10_000, 10_000), (255, 0, 0, 200))
    with workers(workers=1) as pool:
        assert "Red" in names(pool, encode(clear, compress_level=1))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces a limit on memory")
def test_a_picture_that_needs_too_much_memory_is_refused():
    large = encode(Image.new("RGB", (9000, 9000)), compress_level=1)
    with workers(workers=1, limits=Limits(look_memory=100 * 1024**2)) as pool:
        with pytest.raises(RefusalError, match="invalid image format"):
            pool.look(large)

        assert names(pool, plain("red")) == ["Red"]


def test_every_core_works():
    with workers(workers=3) as pool:
        together = threading.Barrier(3, timeout=60)
        with ThreadPoolExecutor(3) as asking:
            looks = [
                asking.submit(pool.look, plain("red"), None, lambda: together.wait() >= 0)
                for _ in range(3)
            ]
        assert all(look.result().findings for look in looks)


# -- workers that die


def test_a_picture_whose_worker_is_killed_is_looked_at_by_another():
    with workers(workers=1) as pool:
        pool.warm_up()
        (worker,) = children(os.getpid())
        os.kill(worker, signal.SIGSTOP)
        begun = threading.Event()
        with ThreadPoolExecutor(1) as aside:
            look = aside.submit(pool.look, photo("coffee.png"), None, lambda: not begun.set())
            assert begun.wait(60)
            os.kill(worker, signal.SIGKILL)

            assert look.result().findings
        assert worker not in children(os.getpid())


def test_an_idle_worker_that_was_killed_is_replaced():
    with workers(workers=1) as pool:
        pool.warm_up()
        (worker,) = children(os.getpid())
        os.kill(worker, signal.SIGKILL)

        assert names(pool, plain("red")) == ["Red"]


def test_a_worker_that_does_not_answer_is_replaced(monkeypatch):
    with workers(workers=1) as pool:
        pool.warm_up()
        (worker,) = children(os.getpid())
        os.kill(worker, signal.SIGSTOP)
        monkeypatch.setattr(process, "_PATIENCE", 0.2)
        with pytest.raises(RefusalError) as caught:
            pool.look(plain("red"))
        monkeypatch.undo()

        assert caught.value.code == "InternalServerError", "the picture may be looked at later"
        assert names(pool, plain("red")) == ["Red"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_server_even_when_one_is_busy(tmp_path, number):
    command = [sys.executable, "-P", "-m", MODULE, "--port", "0"]
    log = tmp_path / "log"
    with (
        log.open("wb") as errors,
        serving(FakeEmulator({}, {("LCTLROOT", "rekognition:DetectLabels", "*")})) as endpoint,
        subprocess.Popen(
            command,
            env=environment(endpoint),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        url = server.stdout.readline().removeprefix("listening on ").strip()
        (worker,) = soon(lambda: children(server.pid))
        with ThreadPoolExecutor(1) as aside:
            client = client_of(url, "LCTLROOT")
            aside.submit(client.detect_labels, Image={"Bytes": endless_jpeg()})
            soon(lambda: len(children(server.pid)) == 1)
            server.send_signal(number)
            server.wait(30)
        soon(lambda: not processes.alive(worker))


def test_workers_import_nothing_from_the_current_directory(tmp_path, monkeypatch):
    for module in ("labelctl/__init__.py", "numpy.py", "cv2.py", "json.py"):
        trap = tmp_path / module
        trap.parent.mkdir(exist_ok=True)
        trap.write_text(f"open({str(tmp_path / 'trapped')!r}, 'w')\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)

    with workers(workers=1) as pool:
        assert names(pool, plain("red")) == ["Red"]
    assert not (tmp_path / "trapped").exists()


def test_workers_get_no_credentials(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "confidential")
    with workers(workers=1) as pool:
        pool.warm_up()
        (worker,) = children(os.getpid())
        if not (environment := Path(f"/proc/{worker}/environ")).exists():
            pytest.skip("this system does not show a process's environment as a file")
        assert b"confidential" not in environment.read_bytes()


# -- the queue


class Asking:
    """Requests that wait one behind the other, while both turns of a worker are taken."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._threads = ThreadPoolExecutor(20)
        self._taken = [admission.turn(), admission.turn()]
        for turn in self._taken:
            turn.__enter__()
        self.outcomes: dict[int, str] = {}

    def wait(self, count: int) -> None:
        """Have so many more requests wait."""
        for _ in range(count):
            before = self._admission.waiting
            self._threads.submit(self._ask, len(self.outcomes) + before)
            soon(lambda before=before: self._admission.waiting == before + 1)

    def end_one(self) -> None:
        """End one of those that have had their turn since the beginning."""
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


def test_requests_have_their_turns_in_the_order_in_which_they_came():
    asking = Asking(Admission(workers=1))
    asking.wait(10)
    assert asking.outcomes == {}

    asking.end_one()
    soon(lambda: len(asking.outcomes) == 10)
    asking.close()

    assert set(asking.outcomes.values()) == {"had its turn"}
    assert list(asking.outcomes) == list(range(10))


def test_of_the_requests_that_have_waited_too_long_every_other_one_is_throttled():
    now = 0.0
    admission = Admission(workers=1, clock=lambda: now)
    asking = Asking(admission)
    asking.wait(4)
    now = admission.patience + 1
    asking.wait(1)

    asking.end_one()
    soon(lambda: len(asking.outcomes) == 5)
    asking.close()

    assert asking.outcomes == {
        0: "had its turn",
        1: "ThrottlingException",
        2: "had its turn",
        3: "ThrottlingException",
        4: "had its turn",
    }


def test_the_longer_a_turn_takes_the_shorter_a_request_may_wait():
    now = 0.0
    admission = Admission(workers=2, clock=lambda: now)

    def have_turns(seconds: float) -> float:
        nonlocal now
        for _ in range(50):
            with admission.turn():
                now += seconds
        return admission.patience

    assert have_turns(0.5) == pytest.approx(8.25, abs=0.1)
    assert have_turns(2) == pytest.approx(6, abs=0.1)
    assert have_turns(20) == 0.5


def test_a_throttled_request_costs_no_work(pool):
    def untouched(*_: Any) -> Any:
        raise AssertionError("work was done for a throttled request")

    pool._admission = Admission(workers=1, most_waiting=0)
    with (
        rekognition(pool, fetch=untouched, authorize=untouched) as client,
        pool.turn(),
        pool.turn(),
        pytest.raises(ClientError) as caught,
    ):
        client.detect_labels(Image={"S3Object": {"Bucket": "photos", "Name": "a.jpg"}})

    error = caught.value.response
    assert error["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_more_than_can_wait_are_throttled_at_once():
    admission = Admission(workers=1, most_waiting=3)
    asking = Asking(admission)
    asking.wait(3)

    with pytest.raises(RefusalError, match="Rate exceeded"), admission.turn():
        pass

    asking.close()
    assert set(asking.outcomes.values()) == {"had its turn"}


def test_a_refused_request_gives_its_turn_to_the_next(pool):
    with rekognition(pool, fetch=None, authorize=allow) as client:
        for _ in range(2 * 2 + 1):
            with pytest.raises(ClientError, match="InvalidParameterException"):
                client.detect_labels(Image={"Bytes": b""})


def test_work_whose_caller_has_gone_is_dropped(capsys):
    with workers(workers=1) as pool, ThreadPoolExecutor(1) as aside:
        asked: list[str] = []

        def fetch(_: Any) -> bytes:
            asked.append("fetched")
            return plain("red")

        begun, go_on = threading.Event(), threading.Event()
        first = aside.submit(pool.look, plain("red"), None, lambda: begun.set() or go_on.wait(60))
        assert begun.wait(60)
        server = RecogniserServer(0, pool, root=ROOT, fetch=fetch, authorize=allow)
        with serving(server) as url:
            caller = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            body = b'{"Image": {"S3Object": {"Bucket": "photos", "Name": "a.jpg"}}}'
            caller.sendall(
                b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"X-Amz-Target: RekognitionService.DetectLabels\r\n"
                b"Authorization: AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/r/aws4\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            soon(lambda: asked)
            caller.close()
            go_on.set()
            soon(lambda: "DetectLabels dropped" in capsys.readouterr().err)
        assert first.result().findings
