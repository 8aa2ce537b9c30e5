"""A gallery as one file: complete, limited in size, written with little memory."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import re
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from labelctl.errors import RefusedError, UsageError
from labelctl.render.gallery import build, single_file
from labelctl.render.gallery.single_file import OneFile
from labelctl.render.gallery.thumbnails import open_folder
from tests.unit.gallery_world import jpeg, tile

OURS = '<meta name="generator" content="labelctl gallery">'


def test_one_file_holds_all_pictures(tmp_path: Path) -> None:
    one = OneFile(tmp_path / "gallery.html")
    with open_folder(one.temporary_folder) as folder:
        tiles = [tile(folder, f"{n}.jpg", n) for n in (450, 500)]
        for number, each in enumerate(tiles, start=1):
            one.add_size(folder, each.pictures, number, 2)
        one.write(folder, build.page_data(tiles, {}, one.reference), ())
        folder.remove()

    assert [path.name for path in tmp_path.iterdir()] == ["gallery.html"]
    html = one.path.read_text()
    blocks = dict(
        re.findall(r'<script type="text/plain" id="(\w+)">data:image/jpeg;base64,(.*?)</', html)
    )
    [result] = re.findall(r'id="data">(.*?)</script>', html)
    sizes = []
    for photo in json.loads(result)["photos"]:
        for place in (photo["thumb"], photo["full"]):
            with Image.open(io.BytesIO(base64.b64decode(blocks[place["block"]]))) as picture:
                sizes.append(picture.size[0])
    assert sizes == [400, 450, 400, 500]
    OneFile(one.path)  # may be overwritten


def test_a_file_too_large_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_file, "MAX_SIZE", 100_000)
    one = OneFile(tmp_path / "gallery.html")
    with open_folder(one.temporary_folder) as folder:
        one.add_size(folder, tile(folder).pictures, 1, 5000)
        one.add_size(folder, None, 2, 5000)
        with pytest.raises(RefusedError, match="3 photos of 5,000 need more than"):
            one.add_size(folder, tile(folder, size=900).pictures, 3, 5000)


def test_folders_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        OneFile(tmp_path)
    file = tmp_path / "mine.html"
    file.write_bytes(jpeg())
    with pytest.raises(RefusedError, match="was not created by labelctl"):
        OneFile(file)


@pytest.mark.parametrize("name", ["g9", "gallery.jpg", ".html"])
def test_names_that_are_not_web_pages_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f'--embed writes one file, not "{name}"') as refused:
        OneFile(tmp_path / name)
    assert refused.value.hint == "Give -o a name ending in .html."
    OneFile(tmp_path / "old.HTM")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "gallery.html"
    path.write_text(OURS)
    one = OneFile(path)
    with open_folder(tmp_path / "made") as folder:
        data = build.page_data([tile(folder)], {}, one.reference)
        with pytest.raises(RefusedError, match=r"gallery\.html.*No space left"):
            one.write(folder, data, ())
    assert path.read_text() == OURS
    assert {each.name for each in tmp_path.iterdir()} == {"gallery.html", "made"}


def test_one_file_is_written_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = OneFile(tmp_path / "gallery.html")
    with open_folder(one.temporary_folder) as folder:
        tiles = [tile(folder, f"{n}.jpg") for n in range(30)]
        for path in (one.temporary_folder / "photos").iterdir():
            path.write_bytes(os.urandom(1_000_000))
        tracemalloc.start()
        try:
            one.write(folder, build.page_data(tiles, {}, one.reference), ())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert one.path.stat().st_size > 40_000_000
    assert most < 10_000_000
