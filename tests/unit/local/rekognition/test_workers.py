"""The recogniser's workers: endless pictures, and workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from labelctl.local import processes
from labelctl.local.rekognition import process
from labelctl.local.rekognition.errors import RefusalError
from labelctl.local.rekognition.limits import Limits
from labelctl.local.rekognition.pool import Pool
from labelctl.local.rekognition.server import MODULE
from tests.unit.recogniser_world import (
    FakeEmulator,
    client_of,
    encode,
    endless_jpeg,
    environment,
    photo,
    plain,
    serving,
    soon,
    workers,
)

QUICK = Limits(detect_seconds=0.5)


def names(pool: Pool, data: bytes) -> list[str]:
    return [finding.label.name for finding in pool.detect(data).findings]


def children(pid: int) -> set[int]:
    """The ids of the running child processes of the recogniser `pid`."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
    )
    found = (line.split(maxsplit=2) for line in listing.stdout.splitlines())
    return {int(one) for one, of, command in found if int(of) == pid and "rekognition" in command}


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two workers with a short time limit for pictures."""
    with workers(workers=2, limits=QUICK) as pool:
        yield pool


# -- pictures


def test_an_endless_picture_is_refused_while_others_are_answered(pool):
    pool.warm_up()
    with ThreadPoolExecutor(1) as threads:
        endless = threads.submit(pool.detect, endless_jpeg())
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


def test_a_refused_picture_is_not_tried_again(pool):
    begun: list[bool] = []
    for _ in range(2):
        with pytest.raises(RefusalError, match="invalid image format"):
            pool.detect(endless_jpeg(), None, lambda: begun.append(True) is None)

    assert len(begun) == 1


def test_a_normal_number_of_scans_is_accepted(pool):
    assert names(pool, endless_jpeg(scans=10, side=1000)) == ["Red"]


def test_the_largest_allowed_picture_stays_within_the_limits():
    clear = Image.new("RGBA", (10_000, 10_000), (255, 0, 0, 200))
    with workers(workers=1) as pool:
        assert "Red" in names(pool, encode(clear, compress_level=1))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces a limit on memory")
def test_a_picture_that_needs_too_much_memory_is_refused():
    large = encode(Image.new("RGB", (9000, 9000)), compress_level=1)
    with workers(workers=1, limits=Limits(detect_memory=100 * 1024**2)) as pool:
        with pytest.raises(RefusalError, match="invalid image format"):
            pool.detect(large)

        assert names(pool, plain("red")) == ["Red"]


def test_every_core_is_used():
    with workers(workers=3) as pool:
        together = threading.Barrier(3, timeout=60)
        with ThreadPoolExecutor(3) as threads:
            calls = [
                threads.submit(pool.detect, plain("red"), None, lambda: together.wait() >= 0)
                for _ in range(3)
            ]
        assert all(call.result().findings for call in calls)


# -- workers that die


def test_a_picture_whose_worker_is_killed_is_tried_again():
    with workers(workers=1) as pool:
        pool.warm_up()
        (worker,) = children(os.getpid())
        os.kill(worker, signal.SIGSTOP)
        begun = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(pool.detect, photo("coffee.png"), None, lambda: not begun.set())
            assert begun.wait(60)
            os.kill(worker, signal.SIGKILL)

            assert call.result().findings
        assert worker not in children(os.getpid())


def test_an_idle_worker_that_was_killed_is_replaced():
    with workers(workers=1) as pool:
        pool.warm_up()
        (worker,) = children(os.getpid())
        os.kill(worker, signal.SIGKILL)

        assert names(pool, plain("red")) == ["Red"]


def test_a_worker_that_does_not_respond_is_replaced(monkeypatch):
    with workers(workers=1) as pool:
        pool.warm_up()
        (worker,) = children(os.getpid())
        os.kill(worker, signal.SIGSTOP)
        monkeypatch.setattr(process, "_TIMEOUT", 0.2)
        with pytest.raises(RefusalError) as caught:
            pool.detect(plain("red"))
        monkeypatch.undo()

        assert caught.value.code == "InternalServerError", "the picture may be tried again"
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
        with ThreadPoolExecutor(1) as threads:
            client = client_of(url, "LCTLROOT")
            threads.submit(client.detect_labels, Image={"Bytes": endless_jpeg()})
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
