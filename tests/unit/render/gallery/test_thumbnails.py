"""A gallery's folder: recognized, locked, and other files in it are never deleted."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelctl.errors import RefusedError, UsageError
from labelctl.render.gallery import build, thumbnails
from labelctl.render.gallery.thumbnails import open_folder
from tests.unit.gallery_world import Gallery, files, jpeg, tile


@pytest.mark.parametrize("content", [{"a.txt": "mine"}, {"index.html": "<h1>mine</h1>"}])
def test_other_folders_are_refused(tmp_path: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RefusedError, match="not a gallery"), open_folder(tmp_path):
        pass
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == content


def test_an_empty_folder_and_an_earlier_gallery_are_accepted(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:
        made = tile(folder, "a.jpg").pictures
    (tmp_path / "index.html").write_text("page")
    with open_folder(tmp_path) as folder:
        assert made == folder.find(thumbnails.name_of("a.jpg", "e"))
    assert (tmp_path / "index.html").read_text() == "page"


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini"])
def test_a_folder_with_only_a_file_managers_notes_is_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("about windows")
    with open_folder(tmp_path):
        pass
    assert (tmp_path / name).read_text() == "about windows"


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        open_folder(tmp_path),
        pytest.raises(RefusedError, match="Another"),
        open_folder(tmp_path),
    ):
        pass
    with open_folder(tmp_path):
        pass


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(RefusedError, match=str(file)), open_folder(file / "below"):
        pass
    with pytest.raises(UsageError, match=f'"{file}" is a file'), open_folder(file):
        pass
    assert file.read_text() == "mine"


@pytest.mark.parametrize("place", ["thumbs/{}.jpg", "photos/{}.jpg", "thumbs/{}.txt"])
def test_a_full_disk_ends_it_with_a_sentence_and_no_half_file(tmp_path: Path, place: str) -> None:
    name = thumbnails.name_of("a.jpg", "e")
    file = tmp_path / place.format(name)
    largest = 2000 if "thumbs/{}.jpg" in place else 4
    with open_folder(tmp_path, thumbs_only=file.parent.name == "thumbs") as folder:
        file.write_bytes(b"old")
        with (
            no_file_larger_than(largest),
            pytest.raises(RefusedError, match=f'{file.name}" cannot be written: File too large'),
        ):
            folder.record_failure(name, "No room.") if file.suffix == ".txt" else tile(
                folder, "a.jpg", 900
            )
    assert file.read_bytes() == b"old"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@contextmanager
def no_file_larger_than(count: int) -> Iterator[None]:
    """A disk that is full after `count` bytes of a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("link", [".", "thumbs", "photos"])
def test_a_linked_folder_is_neither_written_to_nor_swept(tmp_path: Path, link: str) -> None:
    """An attacker with write access places a link to another gallery of the user."""
    with open_folder(tmp_path / "other") as folder:
        tile(folder, "mine.jpg")
    before = files(tmp_path / "other")
    root = tmp_path / "gallery"
    if link == ".":
        root.symlink_to("other")
    else:
        with open_folder(root):
            pass
        (root / link).rmdir()
        (root / link).symlink_to(tmp_path / "other" / link)
    with pytest.raises(RefusedError, match="is a link"):
        write_and_sweep(root)
    assert files(tmp_path / "other") == before


def write_and_sweep(root: Path) -> None:
    with open_folder(root) as folder:
        tile(folder, "b.jpg")
        folder.remove()


def test_a_linked_picture_is_replaced_and_never_shown(tmp_path: Path) -> None:
    private = tmp_path / "private.jpg"
    private.write_bytes(jpeg())
    diary = tmp_path / "diary.txt"
    diary.write_text("private")
    name = thumbnails.name_of("a.jpg", "e")
    with open_folder(tmp_path / "gallery", thumbs_only=True) as folder:
        picture, reason = (folder.root / "thumbs" / f"{name}.{end}" for end in ("jpg", "txt"))
        picture.symlink_to(private)
        reason.symlink_to(diary)
        assert folder.find(name) is None
        assert folder.failure_reason(name) is None
        tile(folder, "a.jpg")
        folder.record_failure(name, "No.")
        assert folder.find(name)
    assert (private.read_bytes(), diary.read_text()) == (jpeg(), "private")
    assert not picture.is_symlink()
    assert not reason.is_symlink()


def test_a_marker_that_is_a_link_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / ".labelctl-gallery").symlink_to(tmp_path / "diary.txt")
    with pytest.raises(RefusedError, match="not a gallery"), open_folder(tmp_path / "gallery"):
        pass


def test_only_unused_pictures_are_deleted(gallery: Gallery) -> None:
    gallery.put("a.jpg", jpeg(colour="red"))
    gallery.put("b.jpg", jpeg(colour="blue"))
    gallery.make()
    theirs = {"notes.txt", "thumbs/holiday.jpg", "photos/0123.jpg", f"thumbs/{'a' * 32}.png"}
    for name in theirs:
        (gallery.root / name).write_text("mine")
    assert len(gallery.pictures()) == 4 + 2

    gallery.make(gallery.listed("b"))

    ours = {f"{part}/{build.name_of(gallery.listed('b')[0])}.jpg" for part in ("thumbs", "photos")}
    assert files(gallery.root) == theirs | ours | {".labelctl-gallery"}


def test_other_files_in_the_temporary_folder_stay(tmp_path: Path) -> None:
    with open_folder(tmp_path / "made") as folder:
        tile(folder)
        (folder.root / "thumbs" / "mine.jpg").write_text("mine")
        folder.remove()
    assert [path.name for path in (tmp_path / "made").rglob("*.*")] == [
        ".labelctl-gallery",
        "mine.jpg",
    ]


# ---- names


HOSTILE = ["../../x", "/etc/passwd", "a\x1b[31m\n.jpg", "C:\\x", "con", ".", "..", "é" * 512, " "]


@pytest.mark.parametrize("key", HOSTILE)
def test_no_name_of_a_photo_becomes_that_of_a_file(key: str, tmp_path: Path) -> None:
    name = thumbnails.name_of(key, "etag")
    with open_folder(tmp_path / "a" / "gallery") as folder:
        folder.write_pictures(name, Image.new("RGB", (8, 8)))
        folder.record_failure(name, f"No {key}")
    assert {Path(each).name for each in files(tmp_path)} == {
        f"{name}.jpg",
        f"{name}.txt",
        ".labelctl-gallery",
    }


@given(st.text(), st.text(), st.text(), st.text())
def test_names_of_files_are_hashes_of_key_and_etag(
    key: str, etag: str, other_key: str, other_etag: str
) -> None:
    one, other = thumbnails.name_of(key, etag), thumbnails.name_of(other_key, other_etag)
    assert len(one) == 32
    assert set(one) <= set("0123456789abcdef")
    zeros = any("\0" in text for text in (key, etag, other_key, other_etag))
    assert zeros or (one == other) == ((key, etag) == (other_key, other_etag))
