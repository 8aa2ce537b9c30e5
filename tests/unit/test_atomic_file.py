"""Files are written atomically, also by several processes and beside planted links."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from labelctl import atomic_file
from labelctl.atomic_file import atomic_write, remove_abandoned
from labelctl.errors import RefusedError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.stream.write(content)


def test_of_two_writers_the_last_to_finish_wins(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    with atomic_write(path) as file:
        file.stream.write(b"the first")
        write(path, b"the second")
        assert path.read_text() == "the second"
    assert path.read_text() == "the first"
    assert names(tmp_path) == ["labels.csv"]


def test_content_and_then_name_are_flushed_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.csv"
    synced: list[Any] = []

    def sync(handle: int) -> None:
        status = os.fstat(handle)
        synced.append("folder" if stat.S_ISDIR(status.st_mode) else status.st_size)
        synced.append(path.exists())

    monkeypatch.setattr(os, "fsync", sync)
    write(path, b"x")
    assert synced == [1, False, "folder", True]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RefusedError, match="No space left") as refused:
        write(tmp_path / "labels.csv", b"x")
    assert "disk space" in refused.value.hint
    assert names(tmp_path) == []


def test_a_folder_that_does_not_exist_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="No such file or directory") as refused:
        write(tmp_path / "gone" / "labels.csv", b"x")
    assert "disk space" not in refused.value.hint


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 255), b"x")
    with pytest.raises(RefusedError, match="File name too long"):
        write(tmp_path / ("x" * 256), b"x")
    assert names(tmp_path) == ["x" * 255]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_replaced_and_its_target_untouched(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "target.txt"
    if there:
        target.write_text("private")
    (tmp_path / "labels.csv").symlink_to(target)
    write(tmp_path / "labels.csv", b"labels")
    assert not (tmp_path / "labels.csv").is_symlink()
    assert (tmp_path / "labels.csv").read_text() == "labels"
    assert target.exists() == there
    assert not there or target.read_text() == "private"


def test_a_link_at_a_guessed_temporary_name_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target.txt"
    target.write_text("private")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    (tmp_path / f"{atomic_file.PREFIX}guessed").symlink_to(target)
    with pytest.raises(RefusedError, match="File exists"):
        write(tmp_path / "labels.csv", b"labels")
    assert target.read_text() == "private"


def test_temporary_names_cannot_be_guessed(tmp_path: Path) -> None:
    seen = set()
    for _ in range(20):
        with atomic_write(tmp_path / "labels.csv"):
            seen |= {*names(tmp_path)} - {"labels.csv"}
    assert len(seen) == 20


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_an_existing_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "labels.csv"
    path.touch()
    path.chmod(mode)
    with atomic_write(path):
        [part] = tmp_path.glob(f"{atomic_file.PREFIX}*")
        assert stat.S_IMODE(part.stat().st_mode) == mode
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_gets_what_the_umask_allows(tmp_path: Path) -> None:
    (tmp_path / "private").touch(0o600)
    (tmp_path / "link.csv").symlink_to("private")  # its permissions must not be copied
    before = os.umask(0o027)
    try:
        for name in ("new.csv", "link.csv"):
            write(tmp_path / name, b"x")
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    finally:
        os.umask(before)


# ---- temporary files of killed processes


def test_abandoned_files_are_removed_and_files_in_use_kept(tmp_path: Path) -> None:
    abandoned = tmp_path / f"{atomic_file.PREFIX}0"
    abandoned.write_text("half")
    with atomic_write(tmp_path / "a.csv"):
        remove_abandoned(tmp_path)
        assert not abandoned.exists()
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == ["a.csv"]


def test_planted_files_do_no_harm(tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("private")
    (tmp_path / f"{atomic_file.PREFIX}link").symlink_to(target)
    os.mkfifo(tmp_path / f"{atomic_file.PREFIX}pipe")  # opening it could block forever
    (tmp_path / f"{atomic_file.PREFIX}folder").mkdir()
    remove_abandoned(tmp_path)
    assert target.read_text() == "private"


def test_a_new_file_that_another_process_removes_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process cleans up between our creating the file and our locking it."""
    lock = atomic_file._lock
    once = [lambda: remove_abandoned(tmp_path)]

    def late(stream: Any) -> None:
        if once:
            once.pop()()
        lock(stream)

    monkeypatch.setattr(atomic_file, "_lock", late)
    write(tmp_path / "labels.csv", b"x")
    assert (tmp_path / "labels.csv").read_text() == "x"
    assert names(tmp_path) == ["labels.csv"]


# ---- other errors


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),  # the reader of stdout has exited
    ],
)
def test_other_errors_are_passed_on(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(type(error)), atomic_write(tmp_path / "labels.csv"):
        raise error
    assert names(tmp_path) == []


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", none)
    unknown = tmp_path / f"{atomic_file.PREFIX}0"
    unknown.touch()  # without locks it may still be in use
    write(tmp_path / "labels.csv", b"x")
    assert names(tmp_path) == [unknown.name, "labels.csv"]
