"""The main job, as a user does it: deploy, upload, labels; and everything after."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.conftest import LABELCTL, Client, Photo, User, deployed, stored_items, until
from tests.e2e.pipeline import messages, stop_the_function


@pytest.fixture(scope="module")
def shared_stack(cloud: User) -> Iterator[User]:
    with deployed(cloud.like(LABELCTL_LOCAL="1", LABELCTL_STACK="t-session")) as user:
        yield user


@pytest.fixture
def shared(shared_stack: User, tmp_path: Path) -> User:
    """A user in an empty folder, for tests that only add photos, whose keys no other test has."""
    return replace(shared_stack, folder=tmp_path)


def test_a_photo_of_a_person_gets_its_labels(shared: User, photo: Photo) -> None:
    stack = shared
    photo("me.png", "astronaut.png")

    assert stack("upload", "me.png").rows == [["uploaded", "me.png", ""]]
    answer = stack("labels", "me.png", "--wait", "-o", "json").json

    assert answer["image"] == "me.png"
    assert answer["status"] == "labelled"
    assert answer["reason"] is None
    assert answer["model_version"].startswith("labelctl-local/")
    labels = {label["name"]: label for label in answer["labels"]}
    assert {"Person", "Head", "Face"} <= labels.keys()
    assert labels["Face"]["parents"] == ["Head", "Person"]
    for name in ("Person", "Head", "Face"):
        (box,) = labels[name]["boxes"]
        assert box.keys() == {"left", "top", "width", "height", "confidence"}
        assert 0.2 < box["left"] + box["width"] / 2 < 0.6
    sure = [label["confidence"] for label in answer["labels"]]
    assert sure == sorted(sure, reverse=True)
    rows = stack("labels", "me.png").rows
    face = f"{labels['Face']['confidence']:.1f}"
    assert ["Face", face, "Person Description", "Head, Person", "1"] in rows
    assert stack("labels", "me.png", "--min-confidence", "99.9").rows == []


def test_deploying_again_changes_nothing_and_keeps_the_settings(stack: User) -> None:
    first = stack("deploy", "--min-confidence", "70.5", "--tag", "team=blue", "-o", "json").json
    again = stack("deploy", "-o", "json").json
    other = stack("deploy", "--max-labels", "7", "--image-properties", "-o", "json").json

    assert first["settings"]["min_confidence"] == 70.5
    assert again["changes"] == []
    assert again["settings"] == first["settings"]
    assert [change["resource"] for change in other["changes"]] == ["Function"]
    assert other["settings"]["min_confidence"] == 70.5
    assert other["settings"]["max_labels"] == 7
    assert other["settings"]["tags"] == {"application": "labelctl", "team": "blue"}


def test_the_settings_reach_the_labels(stack: User, photo: Photo) -> None:
    photo("me.png", "astronaut.png")
    stack("deploy", "--max-labels", "2", "--image-properties", "--concurrency", "3", "--quiet")

    (answer,) = stack("upload", "me.png", "--wait", "-o", "json").json["photos"]

    assert len(answer["labels"]) == 2
    assert answer["properties"]["DominantColors"]
    assert answer["properties"]["Quality"].keys() == {"Brightness", "Sharpness", "Contrast"}


def test_a_dry_run_leaves_nothing_behind(user: User, client: Client) -> None:
    plan = user("deploy", "--stack", "dry", "--dry-run", "-o", "json").json

    assert {change["action"] for change in plan["changes"]} == {"Add"}
    assert "Photos" in {change["resource"] for change in plan["changes"]}
    there = client("cloudformation").describe_stacks()["Stacks"]
    assert not [stack for stack in there if stack["StackName"].startswith("dry")]
    user("status", "--stack", "dry", code=3)


def test_names_survive_whatever_they_hold(stack: User, photo: Photo) -> None:
    names = [
        "holiday photo.jpg", "a+b.jpg", "100%.jpg", "a#b.jpg", "what?.jpg", "it's \"it\".jpg",
        "emoji 😀.jpg", "new\nline.jpg", "tab\there.jpg", "[bold].jpg", "<script>.jpg", "é.jpg",
        "back\\slash.jpg", "a&b=c;d.jpg", "sub/folder/x.jpg", "k" * 250 + ".jpg",
        "/".join(["d" * 200] * 4) + "/" + "k" * 216 + ".jpg",
    ]  # fmt: skip
    for name in names:
        photo("album/" + name)

    done = stack("upload", "album", "--wait", "-o", "json").json

    assert {answer["image"] for answer in done["photos"]} == set(names)
    assert {answer["status"] for answer in done["photos"]} == {"labelled"}
    with ThreadPoolExecutor(4) as pool:
        answer = pool.map(lambda name: stack("labels", f"album/{name}", "-o", "json").json, names)
    assert [each["image"] for each in answer] == names
    assert stack("upload", "album", "-o", "json").out.count('"unchanged"') == len(names)
    lines = stack("tail", "--no-follow").rows
    assert len(lines) == len(names)
    assert {len(cells) for cells in lines} == {6}


def test_what_is_no_photo_is_skipped_and_the_rest_is_uploaded(
    shared: User, photo: Photo, photographs: Path
) -> None:
    stack = shared
    photo("mixed/good.jpg")
    folder = stack.folder / "mixed"
    (folder / "text.jpg").write_text("hello")
    (folder / "notes.txt").write_text("not meant to be a photo")
    (folder / "loop.gif").write_bytes(b"GIF89a" + bytes(100))
    (folder / "cut.jpg").write_bytes((photographs / "rocket.jpg").read_bytes()[:5000])
    Image.new("RGB", (79, 200)).save(folder / "small.png")
    (folder / "huge.jpg").write_bytes((photographs / "rocket.jpg").read_bytes() + bytes(16_000_000))
    os.mkfifo(folder / "pipe.jpg")

    answer = stack("upload", "mixed", "missing.jpg", code=5)

    outcomes = {row[1]: row[0] for row in answer.rows}
    assert outcomes["good.jpg"] == "uploaded"
    assert sorted(outcomes.values()) == ["skipped"] * 7 + ["uploaded"]
    assert "mixed/notes.txt" not in outcomes
    reasons = {Path(row[1]).name: row[2] for row in answer.rows if row[2]}
    assert "GIF" in reasons["loop.gif"]
    assert "79 x 200" in reasons["small.png"]
    assert "15 MB" in reasons["huge.jpg"]
    assert reasons["missing.jpg"] == "No such file or folder."
    assert "Warning: 7 of 8 files were skipped." in answer.err


def test_a_folder_without_photos_says_so(shared: User) -> None:
    (shared.folder / "empty").mkdir()

    assert 'There are no photos in "empty".' in shared("upload", "empty", code=3).err
    gone = shared("upload", "emtpy", "nor/this", code=3).err
    assert gone.startswith('Error: No such file or folder: "emtpy", "nor/this".')


def test_failed_waiting_and_unknown_are_told_apart(
    stack: User, photo: Photo, client: Client
) -> None:
    client("s3").put_object(Bucket=stack.outputs["PhotosBucket"], Key="bad.jpg", Body=b"GIF89a")
    failed = stack("labels", "bad.jpg", "--wait", "-o", "json", code=5)
    assert failed.json["status"] == "failed"
    assert "not a JPEG or PNG" in failed.json["reason"]
    assert json.loads(failed.err)["error"]["exit_code"] == 5
    assert stack("status", "-o", "json").json["photos"]["failed"] == 1

    unknown = stack("labels", "never.jpg", code=3)
    assert 'There is no photo "never.jpg"' in unknown.err

    stop_the_function(stack, client)
    photo("waits.jpg")
    stack("upload", "waits.jpg")
    waiting = stack("labels", "waits.jpg", "-o", "json", code=6)
    assert waiting.json["status"] == "waiting"
    late = stack("labels", "waits.jpg", "--wait", "--timeout", "1", code=6)
    assert "1 photo still waiting after 1 s" in late.err
    assert stack("status", "-o", "json").json["photos"]["waiting"] == 1


def test_a_changed_photo_gets_new_labels_and_a_removed_one_loses_them(
    stack: User, photo: Photo, client: Client
) -> None:
    photo("one.png", "astronaut.png")
    stack("upload", "one.png", "--wait")
    photo("one.png", "chelsea.png")
    (new,) = stack("upload", "one.png", "--wait", "-o", "json").json["photos"]

    assert "Face" not in {label["name"] for label in new["labels"]}
    photos, index = stored_items(client("dynamodb"), stack.outputs)
    assert (len(photos), len(index)) == (1, len(new["labels"]))

    client("s3").delete_object(Bucket=stack.outputs["PhotosBucket"], Key="one.png")

    def is_removed() -> bool:
        [photo], index = stored_items(client("dynamodb"), stack.outputs)
        return photo["status"]["S"] == "removed" and not index

    until(is_removed)
    stack("labels", "one.png", code=3)


def test_another_tool_may_bring_the_photos(shared: User, photographs: Path, client: Client) -> None:
    astronaut = str(photographs / "astronaut.png")
    client("s3").upload_file(astronaut, shared.outputs["PhotosBucket"], "theirs/a b.png")

    answer = shared("labels", "theirs/a b.png", "--wait", "-o", "json").json

    assert "Face" in {label["name"] for label in answer["labels"]}


def test_tail_tells_of_each_photo_once_and_ends_quietly(stack: User, photo: Photo) -> None:
    photo("a.jpg")
    photo("b.png", "chelsea.png")
    stack("upload", "a.jpg", "--wait")
    tail = stack.start("tail", "-o", "json")
    assert tail.stdout
    first = json.loads(tail.stdout.readline())
    stack("upload", "b.png", "--wait")
    second = json.loads(tail.stdout.readline())
    os.killpg(tail.pid, signal.SIGINT)
    rest, err = tail.communicate(timeout=60)

    assert (first["image"], second["image"]) == ("a.jpg", "b.png")
    assert first["labels"] == 2
    assert first["top"][0][0] == "Black"
    assert (rest, err) == (b"", b"")
    assert tail.returncode == 130


def test_an_interrupt_ends_a_command_quietly(stack: User, photo: Photo, client: Client) -> None:
    stop_the_function(stack, client)
    for number in range(5):
        photo(f"big/{number}.jpg")
    waits_for_five = stack.start("upload", "big", "--wait")
    until(lambda: messages(stack, client) >= 5)
    waits_for_one = stack.start("labels", "0.jpg", "--wait")
    with pytest.raises(subprocess.TimeoutExpired):
        waits_for_one.wait(1.5)
    for command in (waits_for_five, waits_for_one):
        os.killpg(command.pid, signal.SIGINT)
        out, err = command.communicate(timeout=60)

        assert command.returncode == 130
        assert out == b""
        assert b"Traceback" not in err


def test_without_credentials_it_says_so_and_offers_the_local_cloud(
    cloud: User, tmp_path: Path
) -> None:
    env = cloud.env | {"HOME": str(tmp_path), "AWS_REGION": "eu-west-1"}
    answer = replace(cloud, env=env, folder=tmp_path)("status", code=4)

    assert "No AWS credentials were found." in answer.err
    assert "--local" in answer.err


def test_a_closed_pipe_is_no_error(shared: User, photo: Photo) -> None:
    for number in range(3):
        photo(f"many/{number}.jpg")
    shared("upload", "many", "--wait")
    script = f'"{LABELCTL}" tail --no-follow | head -n 1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        env=shared.env,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1


def test_a_16_bit_picture_and_a_rotated_one_are_labelled(shared: User) -> None:
    Image.new("I;16", (200, 100), 40000).save(shared.folder / "deep.png")
    rotated = Image.new("RGB", (200, 100), "red")
    exif = rotated.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    rotated.save(buffer, "JPEG", exif=exif)
    (shared.folder / "turned.jpg").write_bytes(buffer.getvalue())

    answer = shared("upload", "deep.png", "turned.jpg", "--wait", "-o", "json").json

    assert {each["status"] for each in answer["photos"]} == {"labelled"}
