"""Photos are listed, counted and exported as they stand: the demo's photographs, one that is none, and
one that waits; for people, pipes and programs."""

from __future__ import annotations

import csv
import io
import json
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

from labelctl.cli.commands.demo import PHOTOGRAPHS
from tests.e2e.conftest import LABELCTL, User, deployed, until
from tests.e2e.pipeline import stop_the_function

Client = Callable[[str], Any]

NOT_A_PICTURE = "It is not a JPEG or PNG image, or it is damaged."


@pytest.fixture(scope="module")
def album(
    cloud: User, client: Client, photographs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[User]:
    """A user whose stack has the demo's photographs under demo/, one that failed, one that waits."""
    folder = tmp_path_factory.mktemp("album")
    user = cloud.like(folder, LABELCTL_LOCAL="1", LABELCTL_STACK="t-lists")
    for name in PHOTOGRAPHS:
        shutil.copy(photographs / name, folder)
    with deployed(user) as user:
        user("upload", *PHOTOGRAPHS, "--prefix", "demo/", "--wait")
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


# ---- images


def test_photos_are_listed_in_every_form(album: User) -> None:
    rows = album("images").rows
    keys = ["[bold] a b.jpg", *(f"demo/{name}" for name in PHOTOGRAPHS), "waits.jpg"]
    assert [row[1] for row in rows] == keys
    assert [row[0] for row in rows] == ["failed", *["labelled"] * 4, "waiting"]
    answer = album("images", "-o", "json").json
    assert answer["more"] is False
    astronaut = answer["images"][1]
    assert astronaut["top"] == rows[1][4].split(", ")
    assert "Person" in astronaut["top"]
    assert astronaut["label_count"] == len(album("labels", "demo/astronaut.png").rows)
    assert answer["images"][0]["reason"].startswith(NOT_A_PICTURE)
    table = on_a_terminal(album, "images", "--prefix", "demo/")
    assert re.search(r"^ labelled +demo/astronaut\.png +\d.* +\d+ +\w.*, ", table, re.MULTILINE)


def test_photos_in_one_state_come_by_the_index(album: User) -> None:
    failed = album("images", "--status", "failed")
    assert [row[:2] for row in failed.rows] == [["failed", "[bold] a b.jpg"]]
    labelled = album("images", "--status", "labelled", "--limit", "3", "-o", "json", "-v")
    times = [each["at"] for each in labelled.json["images"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 3
    assert labelled.json["more"] is True
    assert "Read: 4 requests, read units unknown." in labelled.err
    assert "s3 ListObjectsV2" not in labelled.err
    assert album("images", "--status", "waiting").rows[0][1] == "waits.jpg"


# ---- stats


def test_photos_are_counted_in_every_form(album: User) -> None:
    answer = album("stats", "-o", "json").json
    assert answer["photos"] == {"all": 6, "labelled": 4, "failed": 1, "waiting": 1}
    photos = [album("labels", f"demo/{name}", "-o", "json").json for name in PHOTOGRAPHS]
    names = [label["name"] for photo in photos for label in photo["labels"]]
    assert {each["name"]: each["photos"] for each in answer["labels"]} == {
        name: names.count(name) for name in names
    }
    assert sum(each["labels"] for each in answer["confidence"]) == len(names)
    categories = {
        category for each in photos for label in each["labels"] for category in label["categories"]
    }
    assert {each["name"] for each in answer["categories"]} == categories
    assert answer["failures"][0]["photos"] == 1
    assert sum(each["photos"] for each in answer["days"]) == 4
    rows = album("stats").rows
    assert ["photos", "labelled", "4", "66.7", ""] in rows
    assert ["label", names[0], str(names.count(names[0]))] in [row[:3] for row in rows]
    assert album("stats", "--prefix", "demo/", "-o", "json").json["photos"]["all"] == 4


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_a_report_fits_the_terminal(album: User, columns: int) -> None:
    answer = on_a_terminal(album, "stats", columns=columns)
    assert "6 photos" in answer
    assert re.search(r"^ labelled +4 +66\.7 % +█+[▏▎▍▌▋▊▉]? *$", answer, re.MULTILINE)
    lines = answer[answer.index("6 photos") :].split("\n")
    assert max(map(len, lines)) <= columns


# ---- export


def test_labels_are_exported_in_every_format(album: User) -> None:
    expected = {
        (f"demo/{name}", label["name"]): label
        for name in PHOTOGRAPHS
        for label in album("labels", f"demo/{name}", "-o", "json").json["labels"]
    }

    said = album("export", "-o", "labels.jsonl", "--output", "json")
    assert (said.json["labels"], said.json["photos"]) == (len(expected), 4)
    lines = (album.folder / "labels.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert {
        (each["image"], each["label"]): (each["confidence"], each["boxes"]) for each in records
    } == {key: (label["confidence"], label["boxes"]) for key, label in expected.items()}

    rows = list(csv.DictReader(io.StringIO(album("export").out)))
    assert {(row["image"], row["label"]): json.loads(row["boxes"]) for row in rows} == {
        key: label["boxes"] for key, label in expected.items()
    }

    parquet = pytest.importorskip("pyarrow.parquet")
    album("export", "-o", "labels.parquet", "--prefix", "demo/")
    read = parquet.read_table(album.folder / "labels.parquet").to_pylist()
    assert [(each["image"], each["label"]) for each in read] == [*expected]
    assert [each["boxes"] for each in read] == [label["boxes"] for label in expected.values()]


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
