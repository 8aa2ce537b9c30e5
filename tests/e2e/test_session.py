"""The main job, as a user does it: deploy, upload, labels; and everything after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.conftest import Client, Photo, User, stored_items, until
from tests.e2e.pipeline import messages, stop_the_function


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


def test_settings_are_kept_by_later_deploys_and_reach_the_labels(
    undeployed: User, photo: Photo
) -> None:
    settings = ("--min-confidence", "60.5", "--tag", "team=blue", "--concurrency", "3")
    first = undeployed("deploy", *settings, "-o", "json").json
    again = undeployed("deploy", "-o", "json").json
    other = undeployed("deploy", "--max-labels", "2", "--image-properties", "-o", "json").json
    photo("me.png", "astronaut.png")
    (answer,) = undeployed("upload", "me.png", "--wait", "-o", "json").json["photos"]

    assert first["settings"]["min_confidence"] == 60.5
    assert again["changes"] == []
    assert again["settings"] == first["settings"]
    assert [change["resource"] for change in other["changes"]] == ["Function"]
    assert other["settings"]["min_confidence"] == 60.5
    assert other["settings"]["max_labels"] == 2
    assert other["settings"]["tags"] == {"application": "labelctl", "team": "blue"}
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


def test_names_survive_whatever_they_hold(stack: User) -> None:
    names = [
        "a+b c#d&e=f;g?.jpg", "100%.jpg", "it's \"it\" [bold] <script>.jpg", "é 😀.jpg",
        "new\nline\tand tab.jpg", "back\\slash.jpg", "sub/folder/x.jpg",
        "/".join(["d" * 200] * 4) + "/" + "k" * 216 + ".jpg",
    ]  # fmt: skip
    for name in names:
        path = stack.folder / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 80), "red").save(path)

    done = stack("upload", "album", "--wait", "-o", "json").json

    assert {answer["image"] for answer in done["photos"]} == set(names)
    assert {answer["status"] for answer in done["photos"]} == {"labelled"}
    for name in names:
        assert stack("labels", f"album/{name}", "-o", "json").json["image"] == name
    assert stack("upload", "album", "-o", "json").out.count('"unchanged"') == len(names)
    until(lambda: len(stack("tail", "--no-follow").rows) >= len(names))  # a line may come late
    lines = stack("tail", "--no-follow").rows
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


def test_a_changed_photo_gets_new_labels_and_a_removed_one_loses_them(
    shared: User, photo: Photo, client: Client
) -> None:
    photo("one.png", "astronaut.png")
    shared("upload", "one.png", "--wait")
    photo("one.png", "chelsea.png")
    (new,) = shared("upload", "one.png", "--wait", "-o", "json").json["photos"]

    def stored() -> tuple[str, int]:
        """The photo's status, and how many items of the index lead to it."""
        photos, index = stored_items(client("dynamodb"), shared.outputs)
        [status] = [item["status"]["S"] for item in photos if item["image"]["S"] == "one.png"]
        return status, [item["image"]["S"] for item in index].count("one.png")

    assert "Face" not in {label["name"] for label in new["labels"]}
    assert stored() == ("labelled", len(new["labels"]))
    client("s3").delete_object(Bucket=shared.outputs["PhotosBucket"], Key="one.png")
    until(lambda: stored() == ("removed", 0))
    shared("labels", "one.png", code=3)


def test_ctrl_c_ends_commands_that_wait_quietly(stack: User, photo: Photo, client: Client) -> None:
    stack("upload", photo("a.jpg"), "--wait")
    tail = stack.start("tail", "-o", "json")
    assert tail.stdout
    first = json.loads(tail.stdout.readline())
    stack("upload", photo("b.png", "chelsea.png"), "--wait")
    second = json.loads(tail.stdout.readline())
    stop_the_function(stack, client)
    upload = stack.start("upload", photo("c.jpg"), "--wait")
    until(lambda: messages(stack, client))
    with pytest.raises(subprocess.TimeoutExpired):
        upload.wait(1.5)
    for command in (upload, tail):
        os.killpg(command.pid, signal.SIGINT)
        out, err = command.communicate(timeout=60)

        assert (command.returncode, out) == (130, b"")
        assert b"Traceback" not in err
        assert command is upload or err == b""
    assert (first["image"], second["image"]) == ("a.jpg", "b.png")
    assert first["labels"] == 2
    assert first["top"][0][0] == "Black"


def test_without_credentials_it_says_so_and_offers_the_local_cloud(
    cloud: User, tmp_path: Path
) -> None:
    env = cloud.env | {"HOME": str(tmp_path), "AWS_REGION": "eu-west-1"}
    answer = replace(cloud, env=env, folder=tmp_path)("status", code=4)

    assert "No AWS credentials were found." in answer.err
    assert "--local" in answer.err
