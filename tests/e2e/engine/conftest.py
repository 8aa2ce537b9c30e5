"""A local cloud without a stack: its own data folder, clients, and functions to kill it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labelctl.local import engine, folder, processes
from tests.e2e.engine.toy_model import write_toy_model

pytest.importorskip("ministack")
boto3 = pytest.importorskip("boto3")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A new data folder, whose processes are killed after the test."""
    path = tmp_path / "cloud"
    yield path
    end_all(path)


@pytest.fixture
def light_home(home: Path, toy_model: Path) -> Path:
    """A new data folder with a toy model: for tests that need no labels, a start is faster."""
    choose_model(home, toy_model)
    return home


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("model") / "toy.onnx")


def choose_model(home: Path, model: Path) -> None:
    """Make a data folder in which this model is chosen."""
    folder.prepare(home)
    port, recogniser_port = processes.choose_ports(2)
    folder.write(home, folder.Record(port, recogniser_port, model=str(model)))


def end_all(home: Path) -> None:
    """Kill all processes of the local cloud in this folder."""
    while running := processes.find_processes(home):
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda running=running: not any(map(processes.alive, running)))  # type: ignore[misc]


def client(cloud: engine.Cloud, service: str, **keys: str) -> Any:
    """A boto3 client, as root unless another key, secret and token are given."""
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=cloud.recogniser if service == "rekognition" else cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys.get("key", cloud.credentials.access_key_id),
        aws_secret_access_key=keys.get("secret", cloud.credentials.secret_access_key),
        aws_session_token=keys.get("token"),
        config=Config(retries={"total_max_attempts": 1}),
    )


def kill_engine(cloud: engine.Cloud) -> None:
    os.kill(cloud.pid, signal.SIGKILL)
    until(lambda: not processes.alive(cloud.pid))


def killed_and_started(cloud: engine.Cloud) -> engine.Cloud:
    kill_engine(cloud)
    return engine.start(home=cloud.home)


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.02)
    raise AssertionError("the condition was not met in time")
