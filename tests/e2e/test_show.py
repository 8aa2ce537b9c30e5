"""A photo is looked at with its labels drawn on it: in a file, on the desktop, in the terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import shutil
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.conftest import LABELCTL, User, deployed
from tests.e2e.pipeline import stop_the_function

Photo = Callable[..., Path]
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def labelled(
    cloud: User, photographs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[User]:
    """The user of a stack with one labelled photo, at which all may look."""
    folder = tmp_path_factory.mktemp("show")
    user = cloud.like(folder, LABELCTL_LOCAL="1", LABELCTL_STACK="t-show")
    shutil.copy(photographs / "astronaut.png", folder / "me.png")
    with deployed(user) as user:
        user("upload", "me.png", "--prefix", "holiday/", "--wait")
        yield user


@pytest.fixture
def astronaut(labelled: User, tmp_path: Path, photo: Photo) -> User:
    """Somebody who looks, from a folder that has the original."""
    photo("holiday/me.png", "astronaut.png")
    return labelled.like(tmp_path)


def picture(content: bytes | Path) -> Image.Image:
    with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
        return image.convert("RGB")


def png(width: int, height: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(written, "PNG")
    return written.getvalue()


def test_a_photo_with_its_labels(astronaut: User) -> None:
    folder = astronaut.folder

    assert astronaut("show", "me.png", code=3).out == ""
    assert astronaut("show", "holiday/me.png").out == "holiday-me-labels.png\n"

    drawn, plain = picture(folder / "holiday-me-labels.png"), picture(folder / "holiday" / "me.png")
    assert drawn.width == 640  # blown up from 512, for the sake of the names
    boxes = [
        box
        for label in astronaut("labels", "holiday/me.png", "-o", "json").json["labels"]
        for box in label["boxes"]
    ]
    assert boxes
    for box in boxes:  # the left edge of each has another colour now
        x, y = box["left"], box["top"] + box["height"] / 2
        was = plain.getpixel((round(x * 512) + 1, round(y * 512)))
        now = drawn.getpixel((round(x * 640) + 1, round(y * 640)))
        assert isinstance(was, tuple)
        assert isinstance(now, tuple)
        assert sum(abs(a - b) for a, b in zip(was, now, strict=True)) > 60

    again = astronaut("show", "holiday/me.png", "--output", "json").json
    assert again == {
        "image": "holiday/me.png",
        "status": "labelled",
        "file": "holiday-me-labels.png",
        "width": drawn.width,
        "height": drawn.height,
    }
    result = astronaut("show", "holiday/me.png", "-o", "x.jpg", "--output", "table")
    assert "x.jpg" in result.out
    with Image.open(folder / "x.jpg") as saved:
        assert saved.format == "JPEG"
    bare = astronaut("show", "holiday/me.png", "-o", "bare.png", "--min-confidence", "100")
    assert bare.err == ""
    assert picture(folder / "bare.png").size == (640, 640)


def test_a_path_that_leads_nowhere_is_told(astronaut: User) -> None:
    result = 'There is no photo "typo/holiday/me.png"; showing "holiday/me.png".\n'
    for command in ("show", "labels"):
        assert result in astronaut(command, "typo/holiday/me.png").err
    here = str(astronaut.folder / "holiday" / "me.png")
    assert "There is no" not in astronaut("labels", here).err


def test_a_file_of_the_users_stays(astronaut: User) -> None:
    original = astronaut.folder / "holiday" / "me.png"
    before = original.read_bytes()

    result = astronaut("show", "holiday/me.png", "-o", "holiday/me.png", code=4)

    assert "exists already and was not created by labelctl" in result.err
    assert original.read_bytes() == before
    assert "Use the long option: --output json" in astronaut("show", "a", "-o", "json", code=2).err
    assert "not written to stdout" in astronaut("show", "a", "-o", "-", code=2).err
    assert (
        "Use a name that ends in .jpg or .png" in astronaut("show", "a", "-o", "a.gif", code=2).err
    )
    assert sorted(path.name for path in astronaut.folder.iterdir()) == ["holiday"]


def test_photos_without_labels_are_shown_as_such(
    astronaut: User, client: Client, photo: Photo
) -> None:
    """No other test here needs the function, which is stopped."""
    stack, s3, bucket = astronaut, client("s3"), astronaut.outputs["PhotosBucket"]
    s3.put_object(Bucket=bucket, Key="small.png", Body=png(60, 40))
    s3.put_object(Bucket=bucket, Key="text.jpg", Body=b"hello")
    stack("labels", "small.png", "--wait", code=5)
    reason = stack("labels", "text.jpg", "--wait", code=5).err.splitlines()[0]

    small = stack("show", "small.png", code=5)

    assert small.out == "small-labels.png\n"
    assert 'The photo "small.png" could not be labelled' in small.err
    assert picture(stack.folder / "small-labels.png").height > 427  # the reason stands below
    text = stack("show", "text.jpg", code=5)
    assert text.out == ""
    assert 'The photo "text.jpg" could not be labelled: ' in reason
    assert text.err.startswith(f"{reason}. It cannot be shown either.\n")
    stop_the_function(stack, client)
    photo("it waits.jpg")
    stack("upload", "it waits.jpg")
    waits = stack("show", "it waits.jpg", "--output", "json", code=6)
    assert waits.json["status"] == "waiting"
    assert "`labelctl labels 'it waits.jpg' --wait --local" in waits.err
    assert "Wait for it with --wait, or" in stack("labels", "it waits.jpg", code=6).err
    assert (stack.folder / "it waits-labels.jpg").exists()
    s3.put_object(Bucket=bucket, Key="text.jpg", Body=b"hello")
    text = stack("show", "text.jpg", code=5)
    assert 'The photo "text.jpg" cannot be drawn: The picture is neither a JPEG' in text.err


def test_it_is_opened_on_the_desktop(astronaut: User) -> None:
    programs = astronaut.folder / "bin"
    programs.mkdir()
    opener = programs / "xdg-open"
    opener.write_text('#!/bin/sh\necho "$@" > opened\n')
    opener.chmod(0o755)

    result = astronaut(
        "show", "holiday/me.png", "--open", PATH=f"{programs}:{astronaut.env['PATH']}"
    )

    assert result.out == "holiday-me-labels.png\n"
    drawn = astronaut.folder / "holiday-me-labels.png"
    assert (astronaut.folder / "opened").read_text() == f"{drawn}\n"
    opener.write_text("#!/bin/sh\nexit 3\n")
    result = astronaut(
        "show", "holiday/me.png", "--open", PATH=f"{programs}:{astronaut.env['PATH']}"
    )
    assert "Could not open" in result.err


# ---- in a terminal


def at_a_terminal(user: User, *arguments: str, answers: dict[bytes, bytes] | None = None) -> bytes:
    """What a command writes to a terminal of 100 x 30 cells; `answers` are what it says when asked."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    env = user.env | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    del env["COLUMNS"]
    running = subprocess.Popen(
        [LABELCTL, *arguments], env=env, cwd=user.folder, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    result, asked = b"", answers or {}
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            read = os.read(ours, 65536)
        except OSError:  # how Linux tells that nobody writes any more
            break
        if not read:
            break
        for question, answer in asked.items():
            if question in read:
                os.write(ours, answer)
        result += read
    os.close(ours)
    assert running.wait(10) == 0, result
    return result


def test_in_a_terminal_of_cells_it_is_made_of_half_cells(astronaut: User) -> None:
    result = at_a_terminal(astronaut, "show", "holiday/me.png", "--terminal").decode()

    lines = result.splitlines()
    rows = [line for line in lines if "▀" in line]
    assert len(rows) == 24  # of 30: room is left for what is said below
    assert {line.count("▀") for line in rows} == {48}  # as square as the photo
    (legend,) = [line for line in lines if "Face" in line]
    colors = re.findall(r"\x1b\[38;2;(\d+;\d+;\d+)m■", legend)
    assert colors
    for color in colors:  # the frames have the legend's colours
        assert sum(f"38;2;{color}m" in row or f"48;2;{color}m" in row for row in rows) > 2
    assert sorted(path.name for path in astronaut.folder.iterdir()) == ["holiday"]


def test_a_terminal_that_draws_pixels_gets_pixels(astronaut: User) -> None:
    sixels = {b"\x1b[c": b"\x1b[?62;4;22c", b"\x1b[16t": b"\x1b[6;20;10t"}

    result = at_a_terminal(
        astronaut, "show", "holiday/me.png", "--terminal", "-o", "me.png", answers=sixels
    )

    (drawn,) = re.findall(rb"\x1bP[0-9;]*q(.*?)\x1b\\", result, re.DOTALL)
    across, down = map(int, re.findall(rb'"1;1;(\d+);(\d+)', drawn)[0])
    assert 300 < across <= 1000
    assert 300 < down <= 480
    assert "▀".encode() not in result
    assert b"Saved as" in result
    assert (astronaut.folder / "me.png").exists()


def test_where_there_is_no_terminal_it_is_refused(astronaut: User) -> None:
    result = astronaut("show", "holiday/me.png", "--terminal", code=2)
    assert result.out == ""
    assert result.err.startswith("Error: Cannot show a picture: this is not a terminal.")
    assert astronaut("show", "x", "--terminal", "--output", "table", code=2).out == ""
