"""The local cloud's data folder: damaged records, and which folders are accepted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local import engine, folder

GOOD = {
    "port": 20001,
    "recogniser_port": 20002,
    "model": "/models/cats.onnx",
    "stamp": "1:2",
    "pid": 300,
    "recogniser_pid": 301,
    "started_at": "2026-01-01T00:00:00Z",
    "version": "cats@1",
    "format": 1,
}


def saved(home: Path, content: str | bytes) -> folder.Record:
    path = home / "engine.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    record = folder.read(home)
    assert record is not None
    return record


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "1e999", "[" * 100_000, '{"port": ' + "9" * 5000 + "}", b"\xff\xfe{}"],
    ids=["empty", "half", "list", "null", "infinite", "nested", "huge", "bytes"],
)
def test_an_unreadable_record_loses_all_fields(tmp_path: Path, content: str | bytes) -> None:
    record = saved(tmp_path, content)
    assert set(record.lost) >= {"port", "recogniser_port", "model", "pid"}
    assert (record.port, record.pid, record.model) == (0, 0, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("port", bad) for bad in ("20001", 80, 65536, -1, 1.5, True, None, [20001], {})],
        *[("pid", bad) for bad in (-1, 1, 2**31, 10**30, "300", None, False)],
        *[("recogniser_pid", bad) for bad in (-300, [], 3.0)],
        *[("model", bad) for bad in (7, "", "cats.onnx", "/a\0b", "/\ud800", ["/a"])],
        *[("version", bad) for bad in (1, "\ud800", {})],
        *[("format", bad) for bad in ("1", -1, None)],
    ],
)
def test_an_invalid_value_loses_only_that_field(tmp_path: Path, name: str, value: object) -> None:
    record = saved(tmp_path, json.dumps(GOOD | {name: value}))
    assert record.lost == (name,)
    kept = {key: getattr(record, key) for key in GOOD if key != name}
    assert kept == {key: good for key, good in GOOD.items() if key != name}
    assert getattr(record, name) == getattr(folder.Record(), name)


def test_two_processes_cannot_share_a_port(tmp_path: Path) -> None:
    record = saved(tmp_path, json.dumps(GOOD | {"recogniser_port": GOOD["port"]}))
    assert (record.port, record.recogniser_port) == (GOOD["port"], 0)


def test_fields_of_a_newer_labelctl_are_kept(tmp_path: Path) -> None:
    newer = GOOD | {"format": 7, "workers": [1, 2]}
    record = saved(tmp_path, json.dumps(newer))
    assert record.lost == ()
    record.port = 20003
    folder.write(tmp_path, record)
    written = json.loads((tmp_path / "engine.json").read_text())
    assert {name: written[name] for name in newer} == newer | {"port": 20003}


def test_an_older_record_without_all_fields_is_not_damaged(tmp_path: Path) -> None:
    record = saved(tmp_path, '{"port": 20001, "recogniser_port": 20002}')
    assert record.lost == ()
    assert (record.port, record.pid, record.format) == (20001, 0, folder.FORMAT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "engine.json.new").symlink_to("/dev/full")
    with pytest.raises(LocalCloudError, match="is full") as failure, folder.locked(tmp_path):
        folder.write(tmp_path, folder.Record())
    assert str(tmp_path) in failure.value.message
    assert "Free some space" in failure.value.hint


def damaged(home: Path) -> None:
    folder.prepare(home)
    (home / ".labelctl-local").unlink()


@pytest.mark.parametrize("left", ["engine.json", "state/000003/manifest.json"])
def test_a_folder_without_its_marker_is_recognised(tmp_path: Path, left: str) -> None:
    damaged(tmp_path)
    path = tmp_path / left
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(GOOD))
    folder.prepare(tmp_path)
    assert (tmp_path / ".labelctl-local").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("engine.json", '{"engine": "of a car"}'),
        ("engine.json", "not JSON"),
        ("state/manifest.json", "{}"),
        ("state/texas/manifest.json", "{}"),
        ("notes.txt", "mine"),
    ],
)
def test_a_folder_that_only_resembles_labelctls_is_refused(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    for call in (lambda: folder.prepare(tmp_path), lambda: engine.reset(tmp_path)):
        with pytest.raises(LocalCloudError, match="not labelctl's"):
            call()
    assert path.read_text() == content


@pytest.mark.parametrize("chosen", ["", "~/cloud", "~nobody-of-this-name/cloud"])
def test_without_a_home_folder_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """As in a container whose user is not in /etc/passwd."""

    def unknown(_: Any) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LABELCTL_HOME", chosen)
    with pytest.raises(LocalCloudError, match="The home folder is unknown") as failure:
        engine.status()
    assert "Set LABELCTL_HOME to a folder" in failure.value.hint


CALLS: list[Any] = [engine.status, engine.stop, engine.reset, lambda home: engine.start(home=home)]


@pytest.mark.parametrize("call", CALLS)
def test_another_users_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any
) -> None:
    home = tmp_path / "local"
    folder.prepare(home)
    folder.write(home, folder.Record(20001, 20002))
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(LocalCloudError, match="belongs to another user") as failure:
        call(home)
    assert str(home) in failure.value.message
    assert "LABELCTL_HOME" in failure.value.hint


@pytest.mark.parametrize("call", CALLS)
def test_a_folder_that_others_could_replace_is_refused(tmp_path: Path, call: Any) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(LocalCloudError, match="is writable by every user"):
        call(tmp_path / "local")
    assert list(tmp_path.iterdir()) == []
    tmp_path.chmod(0o1777)  # like /tmp: only owners can replace their files
    folder.check_owner(tmp_path / "local")


@pytest.mark.parametrize("mode", [0o777, 0o1777])
@pytest.mark.parametrize("call", CALLS)
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, call: Any, mode: int) -> None:
    home = tmp_path / "local"
    folder.prepare(home)
    home.chmod(mode)
    with pytest.raises(LocalCloudError, match="is writable by every user"):
        call(home)


def test_the_folder_is_private_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "labelctl" / "local"
    usual = os.umask(0)
    try:
        folder.prepare(home)
    finally:
        os.umask(usual)
    assert [path.stat().st_mode & 0o777 for path in (home, home.parent)] == [0o700, 0o700]


def test_a_symlink_to_ones_own_folder_is_followed(tmp_path: Path) -> None:
    disk = tmp_path / "large-disk"
    disk.mkdir()
    (tmp_path / "local").symlink_to(disk)
    folder.check_owner(tmp_path / "local")
    folder.prepare(tmp_path / "local")
    assert (disk.stat().st_mode & 0o777) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_another_users_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "local").symlink_to(tmp_path / "disk")
    os.lchown(tmp_path / "local", 65534, 65534)
    with pytest.raises(LocalCloudError, match="belongs to another user"):
        folder.check_owner(tmp_path / "local")
