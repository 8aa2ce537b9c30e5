"""The data folder, health checks and error messages of the local cloud, without starting it."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import stat
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
from labelctl.local import credentials, engine, folder, health, processes, repair
from labelctl.local.credentials import Credentials
from labelctl.local.persistence.snapshots import SnapshotStore


class Server:
    """Responds to any GET with `answer`; with `root`, also with the proof of one of our processes."""

    def __init__(self, role: str) -> None:
        self.answer: Any = {}
        self.root: Credentials | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                value = outer.answer
                if outer.root:
                    proof = health.answer(outer.root, role, self.path.partition("?")[2])
                    value = value | {"proof": proof}
                body = json.dumps(value).encode()
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
    server = Server(health.ENGINE)
    yield server
    server.close()


@pytest.fixture
def recogniser() -> Iterator[Server]:
    server = Server(health.RECOGNISER)
    yield server
    server.close()


@pytest.fixture
def running(tmp_path: Path, gateway: Server, recogniser: Server) -> folder.Record:
    """A record of a running cloud, with servers on both ports that respond correctly."""
    pid = os.getpid()
    record = folder.Record(gateway.port, recogniser.port, pid=pid, recogniser_pid=pid)
    folder.prepare(tmp_path)
    folder.write(tmp_path, record)
    gateway.root = recogniser.root = credentials.load_or_create(tmp_path)
    recogniser.answer = {"recogniser": "labelctl-local/test@1"}
    return record


@pytest.mark.usefixtures("running")
def test_status_is_fast(tmp_path: Path, gateway: Server) -> None:
    started = time.process_time()
    cloud = engine.status(tmp_path)
    assert time.process_time() - started < 0.05
    assert cloud is not None
    assert cloud.endpoint == f"http://127.0.0.1:{gateway.port}"
    assert cloud.model_version == "labelctl-local/test@1"


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("answer", [{"proof": "0" * 64}, {}, [], "hello", {"proof": None}])
def test_another_program_on_the_gateways_port_is_not_the_cloud(
    tmp_path: Path, gateway: Server, answer: object
) -> None:
    gateway.root, gateway.answer = None, answer
    assert engine.status(tmp_path) is None


@pytest.mark.usefixtures("running")
def test_another_program_on_the_recognisers_port_is_not_the_cloud(
    tmp_path: Path, recogniser: Server
) -> None:
    recogniser.root = Credentials("LCTL", "another folder's secret")
    assert engine.status(tmp_path) is None


@pytest.mark.usefixtures("running")
def test_the_engine_is_not_accepted_as_the_recogniser(tmp_path: Path, gateway: Server) -> None:
    record = folder.read(tmp_path)
    assert record
    record.recogniser_port = gateway.port
    folder.write(tmp_path, record)
    assert engine.status(tmp_path) is None


def test_only_the_owner_can_read_the_access_key(tmp_path: Path) -> None:
    home = tmp_path / "local"
    folder.prepare(home)
    root = credentials.load_or_create(home)
    assert root == credentials.load_or_create(home) == credentials.load(home)
    assert stat.S_IMODE((home / credentials.FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert root.secret_access_key not in repr(root)


def test_an_access_key_readable_by_others_is_made_private(tmp_path: Path) -> None:
    root = credentials.load_or_create(tmp_path)
    (tmp_path / credentials.FILE).chmod(0o644)
    assert credentials.load_or_create(tmp_path) == root
    assert stat.S_IMODE((tmp_path / credentials.FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "{}", '{"access_key_id": 1, "secret_access_key": 2}',
        '{"access_key_id": "", "secret_access_key": ""}',
        '{"access_key_id": "test", "secret_access_key": "test"}',
    ],
)  # fmt: skip
def test_a_damaged_access_key_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / credentials.FILE).write_text(text)
    assert credentials.load(tmp_path) is None
    assert credentials.load_or_create(tmp_path) == credentials.load(tmp_path)


def test_a_replaced_access_key_is_reported(tmp_path: Path) -> None:
    assert repair.access_key(tmp_path) == ""  # the first start
    (tmp_path / "state").mkdir()
    known = credentials.load(tmp_path)
    assert repair.access_key(tmp_path) == ""
    assert credentials.load(tmp_path) == known
    (tmp_path / credentials.FILE).write_text("{")
    assert "labelctl local env" in repair.access_key(tmp_path)
    assert credentials.load(tmp_path) not in (None, known)


def test_a_missing_state_is_reported_if_there_are_photos(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "objects").mkdir()
    assert repair.saved_state(tmp_path) == ""
    (tmp_path / "objects" / "a.jpg").touch()
    assert str(tmp_path / "objects") in repair.saved_state(tmp_path)


@pytest.mark.parametrize("lost", ["", "000000000000", "000000000000/photos"])
def test_a_missing_folder_of_a_bucket_is_reported(tmp_path: Path, lost: str) -> None:
    buckets = {"000000000000\0'photos'": {}, "000000000000\0'code'": {}}
    state = {"payload": {"buckets_meta": {"data": buckets}}}
    SnapshotStore(tmp_path / "state").write({"s3.json": json.dumps(state).encode()})
    for name in ("photos", "code"):
        (tmp_path / "objects/000000000000" / name).mkdir(parents=True)
    assert repair.saved_state(tmp_path) == ""
    shutil.rmtree(tmp_path / "objects" / lost)
    notice = repair.saved_state(tmp_path)
    assert f"The local cloud's folder {tmp_path / 'objects'}" in notice
    assert "labelctl local reset" in notice
    assert repair.saved_state(tmp_path) == ""


def test_the_process_with_a_new_port_is_reported(gateway: Server) -> None:
    for taken, what in (("port", "local cloud is"), ("recogniser_port", "recogniser is")):
        record = folder.Record(*processes.choose_ports(2))
        setattr(record, taken, gateway.port)
        moved, notice = repair.ports(record, set())
        assert moved
        assert f"port {gateway.port}, so the" in notice
        assert f"{what} now at http://127.0.0.1:{getattr(record, taken)}." in notice


def test_writing_the_access_key_follows_no_symlink(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    home = tmp_path / "local"
    home.mkdir()
    for name in (credentials.FILE, f"{credentials.FILE}.new"):
        (home / name).symlink_to(elsewhere)
    credentials.load_or_create(home)
    assert elsewhere.read_text() == "precious"


def test_a_reused_process_id_is_neither_trusted_nor_ended(tmp_path: Path) -> None:
    folder.prepare(tmp_path)
    port, recogniser_port = processes.choose_ports(2)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        record = folder.Record(port, recogniser_port, pid=other.pid, recogniser_pid=other.pid)
        credentials.load_or_create(tmp_path)
        folder.write(tmp_path, record)
        assert engine.status(tmp_path) is None
        assert engine.stop(tmp_path) is None
        engine.reset(tmp_path)
        assert other.poll() is None
        other.communicate(b"\n")
        assert other.returncode == 0
    assert not tmp_path.exists()


def test_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    home = tmp_path / "none"
    assert engine.status(home) is None
    assert engine.stop(home) is None
    engine.reset(home)
    assert not home.exists()


def test_a_foreign_folder_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    precious = tmp_path / "state"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    for call in (lambda: engine.reset(tmp_path), lambda: engine.start(home=tmp_path)):
        with pytest.raises(LocalCloudError, match="not labelctl's") as failure:
            call()
        assert str(tmp_path) in failure.value.message
    assert [path.name for path in tmp_path.rglob("*")] == ["state", "thesis.txt"]


def test_reset_keeps_the_users_files(tmp_path: Path) -> None:
    folder.prepare(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "engine.json").write_text("damaged")
    (tmp_path / "notes.txt").write_text("mine")
    engine.reset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.usefixtures("running")
def test_a_process_that_does_not_answer_is_reported_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not answer may have unfinished work, so it is not replaced."""

    def silent(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(processes, "get_json", silent)
    for call in (engine.status, lambda home: engine.start(home=home)):
        with pytest.raises(LocalCloudError, match="does not answer") as failure:
            call(tmp_path)
        assert "labelctl local stop" in failure.value.hint


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalCloudError, match="cannot be used") as failure:
        engine.start(home=tmp_path / "file" / "home")
    assert "LABELCTL_HOME" in failure.value.hint


def test_a_missing_model_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"missing\.onnx") as failure:
        engine.start(home=tmp_path / "home", model=tmp_path / "missing.onnx")
    assert "--model" in failure.value.hint


def test_without_the_emulator_the_hint_is_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.metadata

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(LocalCloudError, match="not installed") as failure:
        engine.start(home=tmp_path)
    assert "pip install 'labelctl[local]'" in failure.value.hint


def test_on_windows_the_hint_is_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(LocalCloudError) as failure:
        engine.start()
    assert "WSL" in failure.value.hint


def test_the_data_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABELCTL_HOME", str(tmp_path))
    assert engine.data_home() == tmp_path / "local"
    monkeypatch.delenv("LABELCTL_HOME")
    assert engine.data_home().parts[-2:] == ("labelctl", "local")


def test_importing_the_engine_imports_no_heavy_modules() -> None:
    program = "import sys, labelctl.local.engine; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    heavy = {"boto3", "botocore", "ministack", "rich", "asyncio", "http.client", "subprocess"}
    assert not heavy & set(found.stdout.split())


def test_search_paths_of_children_do_not_contain_the_current_directory() -> None:
    """An empty entry, as in `PYTHONPATH=$PYTHONPATH:/mine`, means the current directory."""
    before = {"PATH": "/bin:.:/usr/bin:", "PYTHONPATH": ":lib:../x:/mine", "LANG": "C"}
    assert processes.without_current_directory({**before, "LD_LIBRARY_PATH": ":"}) == {
        "PATH": "/bin:/usr/bin",
        "PYTHONPATH": "/mine",
        "LANG": "C",
        "PYTHONSAFEPATH": "1",
    }
