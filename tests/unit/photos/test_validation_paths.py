"""Validating files: paths that cannot be read, and which files in a folder are images."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from PIL import Image

from labelctl.photos import generated_files, validation
from labelctl.photos.validation import PhotoRefusedError
from tests.unit.photo_files import jpeg
from tests.unit.picture_files import file

# ---- paths that cannot be read


def why(path: Path) -> str:
    with pytest.raises(PhotoRefusedError) as caught:
        validation.read(path)
    return str(caught.value)


def test_missing_file(tmp_path):
    assert why(tmp_path / "none.jpg") == "No such file or folder."


def test_broken_link(tmp_path):
    (tmp_path / "a.jpg").symlink_to("gone.jpg")
    assert why(tmp_path / "a.jpg") == "No such file or folder."


def test_link_to_itself(tmp_path):
    (tmp_path / "a.jpg").symlink_to("a.jpg")
    assert why(tmp_path / "a.jpg") == "It cannot be read: Too many levels of symbolic links."


def test_a_folder(tmp_path):
    assert why(tmp_path) == "It is a folder."


def test_pipe_without_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert why(tmp_path / "pipe.jpg") == "It is not a file."


def test_a_device():
    assert why(Path(os.devnull)) == "It is not a file."


def test_file_without_read_permission(tmp_path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(validation.os, "open", refuse)  # the tests may run as root
    assert why(tmp_path / "a.jpg") == "You do not have permission to read it."


def test_too_long_file_name(tmp_path):
    assert why(tmp_path / ("a" * 300)) == "It cannot be read: File name too long."


# ---- files in a folder


@pytest.mark.parametrize(
    ("name", "content", "meant"),
    [
        ("a.jpg", b"", True),
        ("A.JPEG", b"no picture", True),
        ("a.heic", b"", True),
        ("a.webp", b"", True),
        ("no-suffix", jpeg(), True),
        ("odd.dat", file(Image.new("L", (80, 80))), True),
        ("notes.txt", b"text", False),
        ("empty", b"", False),
        ("film.mp4", b"\0\0\0\x18ftypisom", False),
    ],
)
def test_which_files_in_a_folder_are_images(tmp_path, name, content, meant):
    (tmp_path / name).write_bytes(content)
    assert validation.looks_like_image(tmp_path / name) is meant


def test_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert not validation.looks_like_image(tmp_path / "pipe")


@pytest.fixture
def busy_pipe(tmp_path):
    """Create a pipe with an open but idle writer."""
    with contextlib.ExitStack() as writers:

        def made(name):
            os.mkfifo(tmp_path / name)
            writers.callback(os.close, os.open(tmp_path / name, os.O_RDWR))
            return tmp_path / name

        yield made


def test_pipe_with_an_idle_writer_does_not_block(busy_pipe):
    assert not validation.looks_like_image(busy_pipe("pipe"))
    assert not generated_files.is_drawing(busy_pipe("pipe-labels.png"))


def test_unreadable_file_is_an_image_only_by_its_suffix(tmp_path):
    for name in ("link", "link.png", "link-labels.png"):
        (tmp_path / name).symlink_to("nowhere")
    assert not generated_files.is_drawing(tmp_path / "link-labels.png")
    assert not validation.looks_like_image(tmp_path / "link")
    assert validation.looks_like_image(tmp_path / "link.png")
