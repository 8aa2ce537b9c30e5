"""Finding the photos to upload: keys, and what is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from labelctl.photos.discovery import Discovery
from labelctl.render.drawing import save
from tests.unit.photo_files import jpeg


def keys(*paths, prefix="", **options):
    found = Discovery(**options).find([Path(path) for path in paths], prefix)
    return [candidate.key for candidate in found]


def skipped(*paths, **options):
    """The reasons for which something is skipped, with the first path and their number."""
    discovery = Discovery(**options)
    list(discovery.find([Path(path) for path in paths]))
    return {reason: (str(each.first), each.count) for reason, each in discovery.skipped.items()}


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
    (here / "photo-without-a-suffix").write_bytes(jpeg())
    assert keys(".") == ["a/seen.jpg", "broken.png", "photo-without-a-suffix"]


def test_galleries_and_drawings_are_skipped(folder):
    here = folder("beach.jpg", "b-labels.jpg", "gallery/photos/1.jpg", "photos/2.jpg")
    (here / "gallery" / ".labelctl-gallery").touch()
    for name in ("c-labels.jpg", "photos/c-labels.png", "photos/boxes.png", "boxes.jpg"):
        save.save(Image.new("RGB", (90, 90)), here / name, "beach.jpg")
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
    first, second = Discovery().find([Path("a"), Path("b")])
    assert (first.key, first.clash) == ("x.jpg", None)
    assert (second.key, second.clash) == ("x.jpg", Path("a/x.jpg"))


def test_file_given_twice_is_found_once(folder):
    folder("a/x.jpg")
    assert keys("a/x.jpg", "a/x.jpg", "a", "./a") == ["x.jpg"]


def test_vanished_folder_is_reported(folder):
    here = folder("a/x.jpg", "b/x.jpg")
    found = Discovery().find([here])
    assert next(found).key == "a/x.jpg"
    shutil.rmtree(here / "b")
    assert [candidate.key for candidate in found] == ["b"]


def test_pipe_in_a_folder_does_not_block(folder):
    here = folder("a.jpg")
    os.mkfifo(here / "pipe")
    assert keys(".") == ["a.jpg"]


# ---- what is skipped


def test_folders_of_systems_are_skipped_and_counted(folder):
    names = ["@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/old.jpg", "__MACOSX/1.jpg"]
    folder("trip/1.jpg", *[f"trip/{name}" for name in names], "trip/@eadir2/2.jpg")
    assert keys("trip") == ["1.jpg", "@eadir2/2.jpg"]
    assert skipped("trip") == {"system": ("trip/#recycle", 3)}


def test_hidden_files_and_folders_are_counted(folder):
    folder("trip/.Trash-1000/files/old.jpg", "trip/._1.jpg", "trip/1.jpg")
    assert keys("trip") == ["1.jpg"]
    assert skipped("trip") == {"hidden": ("trip/.Trash-1000", 2)}


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini"])
def test_notes_of_file_managers_are_not_counted(folder, name):
    here = folder("1.jpg")
    (here / name).write_text("about windows")
    assert skipped(".") == {}


def test_backups_and_unfinished_downloads_are_skipped_and_counted(folder):
    folder("1.jpg", "1.jpg_original", "2.jpg~", "3.jpg.part", "4.JPG.PART")
    assert keys(".") == ["1.jpg"]
    assert skipped(".") == {"copy": ("1.jpg_original", 4)}


def test_other_files_galleries_and_drawings_are_counted(folder):
    here = folder("1.jpg", "gallery/photos/1.jpg")
    (here / "gallery" / ".labelctl-gallery").touch()
    save.save(Image.new("RGB", (90, 90)), here / "1-labels.jpg", "1.jpg")
    (here / "notes.txt").write_text("hello")
    assert skipped(".") == {"generated": ("1-labels.jpg", 2), "other": ("notes.txt", 1)}


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", ".Trash-1000"])
def test_folder_given_by_name_is_searched_whatever_its_name(folder, name):
    folder(f"{name}/1.jpg")
    assert keys(name) == ["1.jpg"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.png", ["a.jpg", "raw/c.jpg", "raw/x/e.jpg"]),
        ("raw", ["a.jpg", "b.png"]),
        ("raw/", ["a.jpg", "b.png"]),
        ("raw/*.jpg", ["a.jpg", "b.png", "raw/d.png"]),
        ("x/*", ["a.jpg", "b.png", "raw/c.jpg", "raw/d.png", "raw/x/e.jpg"]),
        ("RAW", ["a.jpg", "b.png", "raw/c.jpg", "raw/d.png", "raw/x/e.jpg"]),
    ],
)
def test_excluded_names_and_paths(folder, pattern, found):
    folder("t/a.jpg", "t/b.png", "t/raw/c.jpg", "t/raw/d.png", "t/raw/x/e.jpg")
    assert keys("t", exclude=[pattern]) == found


def test_patterns_that_match_nothing_are_known(folder):
    folder("trip/raw/1.jpg", "trip/a.png")
    discovery = Discovery(["trip/raw", "./raw/", "*.png", "a.*"])
    assert list(discovery.find([Path("trip")])) == []
    assert discovery.unmatched == ["trip/raw"]


def test_several_patterns_and_files_given_by_name(folder):
    folder("a.jpg", "b.png", "c.jpeg")
    assert keys("a.jpg", "b.png", "c.jpeg", exclude=["*.png", "c*"]) == ["a.jpg"]
    assert skipped("a.jpg", "b.png", exclude=["*.png"]) == {"excluded": ("b.png", 1)}


def test_pattern_matches_a_name_in_another_unicode_form(folder):
    name = unicodedata.normalize("NFD", "Müller.jpg")
    folder(name)
    assert keys(".", exclude=[unicodedata.normalize("NFC", "Müll*")]) == []


# ---- links


def test_linked_folders_are_counted(folder):
    here = folder("store/beach/1.jpg", "albums/cover.jpg")
    (here / "albums/beach").symlink_to("../store/beach")
    assert keys("albums") == ["cover.jpg"]
    assert skipped("albums") == {"linked": ("albums/beach", 1)}
    assert keys("albums", follow=True) == ["cover.jpg", "beach/1.jpg"]
    assert skipped("albums", follow=True) == {}


def test_followed_links_lead_into_each_folder_once(folder):
    """The names of real folders make the keys, even if a link comes first in the alphabet."""
    here = folder("t/real/1.jpg", "t/real/sub/2.jpg")
    for name, target in {"a": "real", "b": "real/sub", "real/up": "..", "self": "."}.items():
        (here / "t" / name).symlink_to(target)
    assert keys("t", follow=True) == ["real/1.jpg", "real/sub/2.jpg"]


def test_links_to_each_other_end(folder):
    here = folder("a/1.jpg", "b/2.jpg")
    (here / "a/b").symlink_to("../b")
    (here / "b/a").symlink_to("../a")
    assert keys("a", follow=True) == ["1.jpg", "b/2.jpg"]
    assert keys("a", "b", follow=True) == ["1.jpg", "2.jpg"]


# ---- files that are named twice


@pytest.mark.parametrize("other", ["{here}/a/x.jpg", "a/../a/x.jpg", "link/x.jpg", "{here}/a"])
def test_file_given_twice_by_different_paths_is_found_once(folder, other):
    here = folder("a/x.jpg")
    (here / "link").symlink_to("a")
    (found,) = Discovery().find([Path("a/x.jpg"), Path(other.format(here=here))])
    assert (found.key, found.clash) == ("x.jpg", None)


def test_file_in_overlapping_folders_has_the_key_that_is_found_first(folder):
    folder("card/100/1.jpg", "card/101/1.jpg")
    assert keys("card", "card/100") == ["100/1.jpg", "101/1.jpg"]
    assert keys("card/100", "card") == ["1.jpg", "101/1.jpg"]


def test_folder_nested_deeper_than_calls_can_be(folder):
    here, deep = folder("a.jpg"), "d/" * 1100
    try:
        subprocess.run(["mkdir", "-p", deep], check=True)
        shutil.move("a.jpg", deep)
        assert keys(".") == [deep + "a.jpg"]
    finally:  # Python would exceed the limit of calls, here and above
        subprocess.run(["rm", "-rf", here / "d"], check=True)
