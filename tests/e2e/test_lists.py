"""Lists, counts, searches and exports: on a terminal, into a pipe, and cut off.

What they print is checked in test_album.py, whose commands have no terminal.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import LABELCTL, User, deployed, until
from tests.e2e.pipeline import stop_the_function

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def album(
    cloud: User, client: Client, photographs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[User]:
    """A user whose stack has two photographs under demo/, one that failed, one that waits."""
    folder = tmp_path_factory.mktemp("album")
    user = cloud.like(folder, LABELCTL_LOCAL="1", LABELCTL_STACK="t-lists")
    for name in ("astronaut.png", "rocket.jpg"):
        shutil.copy(photographs / name, folder)
    with deployed(user) as user:
        user("upload", ".", "--prefix", "demo/", "--wait")
        bucket = user.outputs["PhotosBucket"]
        client("s3").put_object(Bucket=bucket, Key="[bold] a b.jpg", Body=b"GIF89a")
        user("labels", "[bold] a b.jpg", "--wait", code=5)
        stop_the_function(user, client)
        client("s3").put_object(Bucket=bucket, Key="waits.jpg", Body=b"x")
        yield user


def on_a_terminal(user: User, *words: str, columns: int = 80) -> str:
    """What a command writes on a terminal, without colours, bars and moves of the cursor."""
    ours, theirs = pty.openpty()
    env = user.env | {"COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    running = subprocess.Popen(
        [LABELCTL, *words], env=env, cwd=user.folder, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            read = os.read(ours, 65536)
        except OSError:  # Linux's way to say that nobody writes there any more
            break
        if not read:
            break
        said += read
    os.close(ours)
    assert running.wait(10) == 0, said
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", said.decode())


def test_photos_are_listed_and_found_on_a_terminal(album: User) -> None:
    listed = on_a_terminal(album, "images", "--prefix", "demo/")
    assert re.search(r"^ labelled +demo/astronaut\.png +\d.* +\d+ +Face", listed, re.MULTILINE)

    found = on_a_terminal(album, "search", "face", "--prefix", "demo/a", "--quiet")
    title, _, row = [line for line in found.split("\n") if line.strip()]
    [[image, _, name, confidence]] = album("search", "face", "--prefix", "demo/a").rows
    assert (image, name) == ("demo/astronaut.png", "Face")
    assert title.split() == ["Photo", "Uploaded", "Label", "Confidence"]
    assert f"{confidence} %" in row
    assert title.index("Photo") == row.index(image)
    refused = album("search", "face", "--not", "FACE", code=2)
    assert refused.err.startswith("Error: Face is both required and excluded.")


@pytest.mark.parametrize("columns", [60, 160])
def test_a_report_fits_the_terminal(album: User, columns: int) -> None:
    answer = on_a_terminal(album, "stats", columns=columns)
    assert "4 photos" in answer
    assert re.search(r"^ labelled +2 +50\.0 % +█+[▏▎▍▌▋▊▉]? *$", answer, re.MULTILINE)
    lines = answer[answer.index("4 photos") :].split("\n")
    assert max(map(len, lines)) <= columns


def test_a_reader_that_has_enough(album: User) -> None:
    done = subprocess.run(
        f"{LABELCTL} export | head -n 1",
        shell=True,
        env=album.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("image,label,")
    assert "Traceback" not in done.stderr


def test_on_a_terminal_it_is_read_as_well(album: User) -> None:
    answer = on_a_terminal(album, "export", "--min-confidence", "50", "--prefix", "demo/rocket")
    assert "image,label,confidence" in answer
    assert "demo/rocket.jpg," in answer


def test_an_export_that_is_ended_leaves_nothing(album: User, client: Client) -> None:
    """A table large enough to be caught at it."""
    table = client("dynamodb")
    name = album.outputs["Table"]
    text = "x" * 20_000
    items: list[Any] = [
        {"image": {"S": f"many/{n}"}, "status": {"S": "removed"}, "done_at": {"S": text}}
        for n in range(400)
    ]
    requests = [{"PutRequest": {"Item": item}} for item in items]
    for start in range(0, len(requests), 25):
        table.batch_write_item(RequestItems={name: requests[start : start + 25]})
    out = album.folder / "cut.csv"

    def parts() -> list[Path]:
        return [*album.folder.glob(".labelctl-part-*")]

    running = album.start("export", "-o", "cut.csv")
    until(lambda: parts() or running.poll() is not None)
    assert running.poll() is None, running.communicate()
    os.killpg(running.pid, signal.SIGTERM)
    _, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (130, b'Interrupted. Nothing was written to "cut.csv".\n')
    assert not parts()

    running = album.start("export", "-o", "cut.csv")
    until(lambda: parts() or running.poll() is not None)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=20)
    assert parts()
    assert not out.exists()
    album("export", "-o", "cut.csv")
    assert out.exists()
    assert not parts()
