"""The local cloud's data folder and what `status` believes, without starting anything."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local import engine, folder, processes


class Server:
    """Answers any GET with `answer`: a stranger on the port, or one of ours."""

    def __init__(self) -> None:
        self.answer: Any = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(outer.answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server: socketserver.TCPServer = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def gateway() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def recogniser() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def running(tmp_path: Path, gateway: Server, recogniser: Server) -> folder.Record:
    """A record as a start leaves it, with something on both ports that answers rightly."""
    record = folder.Record(
        gateway.port, recogniser.port, token="secret", pid=os.getpid(), recogniser_pid=7
    )
    folder.prepare(tmp_path)
    folder.write(tmp_path, record)
    gateway.answer = {"pid": os.getpid(), "token": "secret"}
    recogniser.answer = {"pid": 7, "recogniser": "labelctl-local/test@1"}
    return record


@pytest.mark.usefixtures("running")
def test_status_reads_and_asks_and_is_quick(tmp_path: Path, gateway: Server) -> None:
    started = time.process_time()
    cloud = engine.status(tmp_path)
    assert time.process_time() - started < 0.05
    assert cloud is not None
    assert cloud.endpoint == f"http://127.0.0.1:{gateway.port}"
    assert cloud.model_version == "labelctl-local/test@1"


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    "answer", [{"pid": 1, "token": "another"}, {}, [], "hello", {"token": None}]
)
def test_a_stranger_on_the_gateways_port_is_not_the_cloud(
    tmp_path: Path, gateway: Server, answer: object
) -> None:
    gateway.answer = answer
    assert engine.status(tmp_path) is None


@pytest.mark.usefixtures("running")
def test_a_stranger_on_the_recognisers_port_is_not_the_cloud(
    tmp_path: Path, recogniser: Server
) -> None:
    recogniser.answer = {"pid": 8, "recogniser": "labelctl-local/test@1"}
    assert engine.status(tmp_path) is None


def test_a_recycled_process_id_is_neither_believed_nor_ended(tmp_path: Path) -> None:
    folder.prepare(tmp_path)
    port, recogniser_port = processes.choose_ports(2)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        record = folder.Record(
            port, recogniser_port, token="t", pid=stranger.pid, recogniser_pid=stranger.pid
        )
        folder.write(tmp_path, record)
        assert engine.status(tmp_path) is None
        assert engine.stop(tmp_path) is None
        engine.reset(tmp_path)
        assert stranger.poll() is None
        stranger.communicate(b"\n")
        assert stranger.returncode == 0
    assert not tmp_path.exists()


def test_nothing_there_is_not_running_and_stays_nothing(tmp_path: Path) -> None:
    home = tmp_path / "none"
    assert engine.status(home) is None
    assert engine.stop(home) is None
    engine.reset(home)
    assert not home.exists()


def test_a_foreign_folder_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    precious = tmp_path / "state"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    for deed in (lambda: engine.reset(tmp_path), lambda: engine.start(home=tmp_path)):
        with pytest.raises(LocalCloudError, match="not labelctl's") as failure:
            deed()
        assert str(tmp_path) in failure.value.message
    assert [path.name for path in tmp_path.rglob("*")] == ["state", "thesis.txt"]


def test_reset_leaves_what_the_user_has_put_there(tmp_path: Path) -> None:
    folder.prepare(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "engine.json").write_text("damaged")
    (tmp_path / "notes.txt").write_text("mine")
    engine.reset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_record_is_named_with_the_way_out(tmp_path: Path) -> None:
    folder.prepare(tmp_path)
    for text in ("{", "[]", '{"port": 1}', '{"unknown": 1}'):
        (tmp_path / "engine.json").write_text(text)
        with pytest.raises(LocalCloudError, match="damaged") as failure:
            engine.start(home=tmp_path)
        assert "labelctl local reset" in failure.value.hint


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalCloudError, match="cannot be used") as failure:
        engine.start(home=tmp_path / "file" / "home")
    assert "LABELCTL_HOME" in failure.value.hint


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"missing\.onnx") as failure:
        engine.start(home=tmp_path / "home", model=tmp_path / "missing.onnx")
    assert "--model" in failure.value.hint


def test_without_the_emulator_the_install_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.metadata

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(LocalCloudError, match="not installed") as failure:
        engine.start(home=tmp_path)
    assert "pip install 'labelctl[local]'" in failure.value.hint


def test_windows_is_told_to_use_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(LocalCloudError) as failure:
        engine.start()
    assert "WSL" in failure.value.hint


def test_the_data_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABELCTL_HOME", str(tmp_path))
    assert engine.data_home() == tmp_path / "local"
    monkeypatch.delenv("LABELCTL_HOME")
    assert engine.data_home().parts[-2:] == ("labelctl", "local")


def test_importing_the_engine_is_light() -> None:
    program = "import sys, labelctl.local.engine; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    heavy = {"boto3", "botocore", "ministack", "rich", "asyncio", "http.client", "subprocess"}
    assert not heavy & set(found.stdout.split())


def test_search_paths_of_children_do_not_hold_the_current_directory() -> None:
    """An empty entry, as `PYTHONPATH=$PYTHONPATH:/mine` makes one, stands for it."""
    before = {"PATH": "/bin:.:/usr/bin:", "PYTHONPATH": ":lib:../x:/mine", "LANG": "C"}
    assert processes.without_current_directory({**before, "LD_LIBRARY_PATH": ":"}) == {
        "PATH": "/bin:/usr/bin",
        "PYTHONPATH": "/mine",
        "LANG": "C",
        "PYTHONSAFEPATH": "1",
    }
