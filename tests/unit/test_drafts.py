"""Files are whole or not there, whoever else writes them, and wherever it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from labelctl import drafts
from labelctl.errors import RefusedError


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    with drafts.draft(path) as draft:
        draft.stream.write(b"the first one's")
        with pytest.raises(RefusedError, match="Another process is writing"), drafts.draft(path):
            pass
    assert path.read_text() == "the first one's"
    assert [each.name for each in tmp_path.iterdir()] == ["labels.csv"]


def test_a_file_that_is_finished_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's part is opened, and is the finished file by the time it is locked."""
    path, part = tmp_path / "labels.csv", tmp_path / "labels.csv.labelctl-part"
    part.write_text("the other's")
    lock = drafts._lock
    once = [lambda: part.replace(path)]

    def late(stream: Any) -> None:
        if once:
            once.pop()()
        lock(stream)

    monkeypatch.setattr(drafts, "_lock", late)
    with drafts.draft(path) as draft:
        assert not draft.leftover
        assert path.read_text() == "the other's"
        draft.stream.write(b"ours")
    assert path.read_text() == "ours"


def test_it_is_whole_and_on_the_disk_before_it_takes_its_place_and_then_so_is_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.csv"
    synced = []

    def sync(handle: int) -> None:
        facts = os.fstat(handle)
        synced.append("folder" if stat.S_ISDIR(facts.st_mode) else facts.st_size)
        synced.append(path.exists())

    monkeypatch.setattr(os, "fsync", sync)
    with drafts.draft(path) as draft:
        draft.stream.write(b"x")
    assert synced == [1, False, "folder", True]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "labels.csv"
    with pytest.raises(RefusedError, match="No space left") as told, drafts.draft(path) as draft:
        draft.stream.write(b"x")
    assert "room" in told.value.hint
    assert not list(tmp_path.iterdir())


def test_a_place_where_no_file_can_be_made(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.csv"
    with pytest.raises(RefusedError, match="File name too long"), drafts.draft(path):
        pass


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "folder" / "real.csv")
    with drafts.draft(tmp_path / "link.csv") as draft:
        draft.stream.write(b"x")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "folder" / "real.csv").read_text() == "x"


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),  # who read our output has gone
    ],
)
def test_what_others_say_is_not_taken_for_the_disk(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(type(error)), drafts.draft(tmp_path / "labels.csv"):
        raise error
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", none)
    with drafts.draft(tmp_path / "labels.csv") as draft:
        draft.stream.write(b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["labels.csv"]
