"""Which files an upload finds, and their keys."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from PIL import Image

from labelctl.photos import upload
from labelctl.render.drawing import save


def keys(*paths, prefix=""):
    return [found.key for found in upload.find([Path(path) for path in paths], prefix)]


def test_keys_are_file_names_or_paths_relative_to_the_folder(folder):
    folder("summer/beach.jpg", "summer/sea/wave.jpg", "dog.jpg")
    assert keys("dog.jpg") == ["dog.jpg"]
    assert keys("summer/sea/wave.jpg") == ["wave.jpg"]
    assert keys("summer") == ["beach.jpg", "sea/wave.jpg"]
    assert keys(".") == ["dog.jpg", "summer/beach.jpg", "summer/sea/wave.jpg"]
    assert keys("dog.jpg", "summer/sea") == ["dog.jpg", "wave.jpg"]
    assert keys("summer", prefix="2030/") == ["2030/beach.jpg", "2030/sea/wave.jpg"]


def test_keys_do_not_contain_absolute_or_parent_paths(folder):
    here = folder("a/b/c.jpg")
    assert keys(here / "a") == ["b/c.jpg"]
    assert keys("a/../a/b") == ["c.jpg"]
    assert keys("./a/b/c.jpg") == ["c.jpg"]


def test_hidden_files_and_non_images_are_skipped(folder):
    here = folder(".hidden.jpg", ".git/x.jpg", "a/.DS_Store", "a/seen.jpg")
    (here / "notes.txt").write_text("hello")
    (here / "broken.png").write_bytes(b"")
    (here / "photo-without-a-suffix").write_bytes((here / "a/seen.jpg").read_bytes())
    assert keys(".") == ["a/seen.jpg", "broken.png", "photo-without-a-suffix"]


def test_galleries_and_drawings_are_skipped(folder):
    here = folder("beach.jpg", "b-labels.jpg", "gallery/photos/1.jpg", "photos/2.jpg")
    (here / "gallery" / ".labelctl-gallery").touch()
    for name in ("c-labels.jpg", "photos/c-labels.png", "photos/boxes.png", "boxes.jpg"):
        save.save(Image.new("RGB", (90, 90)), here / name)
    assert keys(".") == ["b-labels.jpg", "beach.jpg", "photos/2.jpg"]
    assert keys("c-labels.jpg") == ["c-labels.jpg"]


def test_files_given_by_name_are_never_skipped(folder):
    folder(".hidden.jpg")
    Path("notes.txt").write_text("hello")
    assert keys(".hidden.jpg", "notes.txt") == [".hidden.jpg", "notes.txt"]


def test_links_to_files_are_followed_but_not_links_to_folders(folder):
    here = folder("real/a.jpg")
    (here / "real/loop").symlink_to(here, target_is_directory=True)
    (here / "real/b.jpg").symlink_to(here / "real/a.jpg")
    assert keys("real") == ["a.jpg", "b.jpg"]


def test_linked_folder_given_by_name_is_searched(folder):
    here = folder("real/a.jpg")
    (here / "link").symlink_to(here / "real", target_is_directory=True)
    assert keys("link") == ["a.jpg"]


def test_unusual_names_are_kept(folder):
    names = ["[bold]x.jpg", "a b+c%20.jpg", "line\nbreak.jpg", "é 💚.jpg", "~.jpg"]
    folder(*names)
    assert keys(".") == sorted(names)


def test_deeply_nested_folder(folder):
    deep = "d/" * 200 + "a.jpg"
    folder(deep)
    assert keys(".") == [deep]


def test_second_file_with_the_same_key_clashes(folder):
    folder("a/x.jpg", "b/x.jpg")
    first, second = upload.find([Path("a"), Path("b")])
    assert (first.key, first.clash) == ("x.jpg", None)
    assert (second.key, second.clash) == ("x.jpg", Path("a/x.jpg"))


def test_file_given_twice_is_found_once(folder):
    folder("a/x.jpg")
    assert keys("a/x.jpg", "a/x.jpg", "a", "./a") == ["x.jpg"]


def test_vanished_folder_is_reported(folder):
    here = folder("a/x.jpg", "b/x.jpg")
    found = upload.find([here])
    assert next(found).key == "a/x.jpg"
    shutil.rmtree(here / "b")
    assert [candidate.key for candidate in found] == ["b"]


def test_pipe_in_a_folder_does_not_block(folder):
    here = folder("a.jpg")
    os.mkfifo(here / "pipe")
    assert keys(".") == ["a.jpg"]
