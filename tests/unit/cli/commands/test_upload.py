"""`labelctl upload` as run from the command line."""

from __future__ import annotations

import os
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from labelctl.cli.output import View
from labelctl.cli.progress import NoMeter
from labelctl.photos import total_size
from tests.unit.command_world import runner


@pytest.fixture
def run(s3, bucket, monkeypatch, capsys):
    return runner(SimpleNamespace(bucket=s3), monkeypatch, capsys)


@pytest.fixture
def unreadable(monkeypatch):
    """Makes a file unreadable, for root too."""

    def lock(name):
        access, opened = os.access, os.open

        def refuse(path, *more, **options):
            if str(path).endswith(name):
                raise PermissionError(13, "Permission denied", path)
            return opened(path, *more, **options)

        monkeypatch.setattr(
            os, "access", lambda path, *more: not str(path).endswith(name) and access(path, *more)
        )
        monkeypatch.setattr(os, "open", refuse)

    return lock


@pytest.mark.parametrize("paths", [["a.jpg", "no.jpg", "z.jpg"], ["."]])
def test_unreadable_file_does_not_stop_the_others(run, folder, unreadable, paths):
    folder("a.jpg", "no.jpg", "z.jpg")
    unreadable("no.jpg")
    said = run("upload", *paths)
    assert said.code == 5
    assert said.rows == [
        ["uploaded", "a.jpg", ""],
        ["skipped", "no.jpg", "You do not have permission to read it."],
        ["uploaded", "z.jpg", ""],
    ]


def test_progress_counts_files_and_bytes_towards_the_whole(run, folder, monkeypatch):
    """Also those of files that are skipped: otherwise it would never reach the whole."""
    here = folder("t/a.jpg", "t/b/c.jpg", "t/@eaDir/1.jpg")
    (here / "t/d.heic").write_bytes(bytes(5000))
    shown = []

    class Meter(NoMeter):
        visible = True

        def update(self, done, *, total=None, detail="", unit=""):
            shown.append((done, total, detail, unit))

    class CountedAtOnce(total_size.TotalSize):
        def __init__(self, *options):
            super().__init__(*options)
            self.thread.join()

    monkeypatch.setattr(total_size, "TotalSize", CountedAtOnce)
    monkeypatch.setattr(View, "meter", lambda *_: nullcontext(Meter()))
    run("upload", "t")
    first, second = ((here / "t" / name).stat().st_size for name in ("a.jpg", "b/c.jpg"))
    whole = first + second + 5000
    assert shown == [
        (first, whole, "1 file  a.jpg", "bytes"),
        (first + second, whole, "2 files  b/c.jpg", "bytes"),
        (whole, whole, "3 files  d.heic", "bytes"),
    ]


def test_skipped_files_and_linked_folders_are_mentioned(run, folder):
    here = folder("store/2.jpg", "t/1.jpg", "t/@eaDir/1.jpg", "t/a.jpg~", "t/b.jpg~")
    (here / "t/album").symlink_to("../store")
    said = run("upload", "t")
    assert said.rows == [["uploaded", "1.jpg", ""]]
    assert said.err.splitlines()[:4] == [
        "1 linked folder was not searched: t/album",
        "To include it, add --follow.",
        "Ignored: 1 system folder (t/@eaDir), 2 backup or unfinished files (t/a.jpg~, ...).",
        "1 uploaded.",
    ]
    assert run("upload", "t", "--follow").rows == [
        ["unchanged", "1.jpg", ""],
        ["uploaded", "album/2.jpg", ""],
    ]


def test_what_was_skipped_is_mentioned_where_nothing_is_left(run, folder):
    folder("t/a.png", "t/b.png")
    said = run("upload", "t", "--exclude", "*.png")
    assert said.code == 3
    assert said.err.splitlines()[0] == "Ignored: 2 excluded items (t/a.png, ...)."


def test_pattern_that_matches_nothing_is_mentioned(run, folder):
    folder("trip/raw/1.jpg")
    said = run("upload", "trip", "--exclude", "trip/raw")
    assert said.rows == [["uploaded", "raw/1.jpg", ""]]
    assert said.err.startswith('Nothing matches --exclude "trip/raw".\n')


def test_prefix_without_a_slash_is_mentioned(run, folder):
    """Other tools take it for a folder."""
    folder("trip/1.jpg", "trip/2.jpg")
    note = '"trip" and the names are joined without a slash. For a folder: trip/'
    assert note in run("upload", "trip/1.jpg", "--prefix", "trip", "--dry-run").err
    said = run("upload", "trip/1.jpg", "--prefix", "trip")
    assert said.rows == [["uploaded", "trip1.jpg", ""]]
    assert note in said.err
    for prefix in ("trip", "trip/", "trip-", ""):  # the first was uploaded before
        assert "slash" not in run("upload", "trip/1.jpg", "--prefix", prefix).err


def test_how_to_keep_a_replaced_photo(run, folder):
    """Cameras use the same names in each folder."""
    folder("100/1.jpg", "101/1.jpg")
    assert "7 days" not in run("upload", "100").err
    said = run("upload", "101")
    assert said.rows == [["replaced", "1.jpg", ""]]
    assert (
        "S3 keeps replaced photos for 7 days. To keep both photos, use another --prefix.\n"
        in said.err
    )


def test_dry_run(run, folder):
    here = folder("1.jpg", "2.jpg")
    (here / "3.jpg").write_text("no picture")
    run("upload", "1.jpg")
    said = run("upload", ".", "--dry-run")
    assert [row[:2] for row in said.rows] == [
        ["unchanged", "1.jpg"],
        ["new", "2.jpg"],
        ["skipped", "3.jpg"],
    ]
    assert "Nothing was uploaded." in said.err
    assert "Warning: 1 of 3 files would be skipped." in said.err
    assert run("upload", "2.jpg").rows == [["uploaded", "2.jpg", ""]]
    assert run("upload", ".", "--dry-run", "--wait").code == 2


@pytest.mark.parametrize("prefix", ["../", "./", "a/../", "a/./b", "/a"])
def test_prefix_that_only_makes_sense_for_folders_on_a_disk(run, folder, prefix):
    """S3 takes such keys literally, and its console cannot open them. [S3 User Guide, Objects]"""
    folder("1.jpg")
    said = run("upload", "1.jpg", "--prefix", prefix)
    assert (said.code, said.out) == (2, "")
    assert f'--prefix "{prefix}"' in said.err


@pytest.mark.parametrize("prefix", ["..", ".a/", "a../", "a//", "..."])
def test_unusual_prefix(run, folder, prefix):
    folder("1.jpg")
    assert run("upload", "1.jpg", "--prefix", prefix).rows == [["uploaded", f"{prefix}1.jpg", ""]]
