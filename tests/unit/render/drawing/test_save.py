"""Saving drawings: atomically, with a suitable name, never overwriting a user's file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from labelctl.errors import RefusedError, UsageError
from labelctl.render.drawing import save


@pytest.fixture
def picture():
    return Image.new("RGB", (90, 60), "red")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files():
    return sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("beach.jpg", "beach-labels.jpg"),
        ("holiday/a b.jpeg", "holiday-a b-labels.jpg"),
        ("holiday/beach", "holiday-beach-labels.jpg"),
        ("holiday/", "holiday-labels.jpg"),
        ("é犬.png", "é犬-labels.jpg"),
        ("-rf.jpg", "_rf-labels.jpg"),
        ("..", "photo-labels.jpg"),
        ("/../a.jpg", "a-labels.jpg"),
        ("a/.jpg", "a-.jpg-labels.jpg"),
        ("a\n\x1b[31m.jpg", "a__[31m-labels.jpg"),
        ("C:\\x.jpg", "C__x-labels.jpg"),
        ("é" * 400, "é" * 100 + "-labels.jpg"),
        ("a" * 400 + "/1.jpg", "a" * 198 + "-1-labels.jpg"),
    ],
)
def test_its_name_is_the_photos(picture, key, name):
    path = save.target(None, key, is_png=False)
    assert path == Path(name)
    save.save(picture, path, key)
    assert files() == [name]


def test_different_photos_have_different_drawings(picture, here):
    keys = [f"{folder}/1.jpg" for folder in "abcde"]
    similar = [
        "a-1.jpg",
        "a/1.jpeg",
        "a/1:.jpg",
        "a/1?.jpg",
        "b" * 300 + "1.jpg",
        "b" * 400 + "1.jpg",
    ]
    for _ in range(2):  # the second time each overwrites its own
        for key in (*keys, *similar):
            save.save(picture, save.target(here, key, is_png=False), key)
        assert len(files()) == 11
    assert {"a-1-labels.jpg", "a-1-labels-2.jpg", "a-1-labels-3.jpg"} < set(files())


def test_drawing_of_an_unknown_photo_is_overwritten(picture):
    """Drawings of earlier versions do not say which photo they show."""
    picture.save("a-labels.jpg", comment="Drawn by labelctl show")
    assert save.target(None, "a.jpg", is_png=False) == Path("a-labels.jpg")


def test_a_png_becomes_a_png():
    assert save.target(None, "a.jpg", is_png=True) == Path("a-labels.png")


def test_the_user_may_name_a_file_or_a_folder(here):
    assert save.target(Path("x.png"), "a.jpg", is_png=False) == Path("x.png")
    assert save.target(here, "b/a.jpg", is_png=False) == here / "b-a-labels.jpg"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.png", "PNG")]
)
def test_the_format_follows_the_name_and_drawings_can_be_overwritten(picture, name, kind):
    save.save(Image.new("RGB", (9, 9)), Path(name), "a.jpg")
    save.save(picture, Path(name), "a.jpg")
    with Image.open(name) as saved:
        assert (saved.format, saved.size) == (kind, (90, 60))
    assert files() == [name]


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_users_file_is_never_overwritten(picture, name):
    picture.save(name)
    before = Path(name).read_bytes()
    with pytest.raises(RefusedError, match="was not created by labelctl"):
        save.save(picture, Path(name), "a.jpg")
    assert Path(name).read_bytes() == before
    assert files() == [name]


def test_a_link_to_a_drawn_picture_is_replaced(picture):
    save.save(picture, Path("mine.png"), "a.jpg")
    before = Path("mine.png").read_bytes()
    Path("a.png").symlink_to("mine.png")
    save.save(Image.new("RGB", (9, 9)), Path("a.png"), "a.jpg")
    assert Path("mine.png").read_bytes() == before
    assert not Path("a.png").is_symlink()


def test_nor_is_anything_else(picture):
    Path("text.jpg").write_text("my diary")
    os.mkfifo("pipe.jpg")
    Path("gone.jpg").symlink_to("nowhere.jpg")
    for name in ("text.jpg", "pipe.jpg", "gone.jpg"):
        with pytest.raises(RefusedError):
            save.save(picture, Path(name), "a.jpg")
    assert files() == ["gone.jpg", "pipe.jpg", "text.jpg"]


@pytest.mark.parametrize("name", ["a", "a.gif", "a.jpg.txt", "nowhere/a.jpg"])
def test_a_name_that_is_none(name):
    with pytest.raises(UsageError):
        save.check_target(Path(name))


def test_a_picture_is_not_written_to_stdout():
    with pytest.raises(UsageError, match="not written to stdout"):
        save.check_target(Path("-"))


def test_a_full_disk_leaves_nothing_behind(picture, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RefusedError, match="No space left on device"):
        save.save(picture, Path("a.png"), "a.jpg")
    assert files() == []


def test_others_may_read_it_as_they_may_read_other_files(picture):
    save.save(picture, Path("a.png"), "a.jpg")
    Path("other").touch()
    assert Path("a.png").stat().st_mode == Path("other").stat().st_mode
