"""What a user sees when things go wrong under a command: killed processes, two at once, Ctrl-C.

The tests in engine/ show that the engine itself survives such moments; here the user's very next
command must work. Tests that kill or damage something have a local cloud of their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelctl.local import processes
from tests.e2e.conftest import User, cloud_folder, kill, until

Photo = Callable[..., Path]
Client = Callable[[str], Any]


def folder_of(user: User) -> Path:
    """The data folder of a user's own local cloud."""
    return cloud_folder(Path(user.env["HOME"]))


def programs(user: User) -> list[str]:
    """The parts of the user's local cloud that run."""
    pids = map(str, processes.find_processes(folder_of(user)))
    listed = subprocess.run(
        ["ps", "-o", "command=", "-p", ",".join(pids)], capture_output=True, text=True, check=True
    )
    return sorted(re.findall(r"-m labelctl\.local\.([\w.]+)", listed.stdout))


def ended(command: subprocess.Popen[bytes]) -> tuple[int, str]:
    """How a command that was started ended, and what it said. A traceback is never said."""
    _, err = command.communicate(timeout=90)
    assert b"Traceback" not in err, err.decode()
    return command.returncode, err.decode()


def statuses(user: User, *folder: str) -> set[str]:
    """Of all photos in the folders, which are there already, once none is waiting."""
    answer = user("upload", *folder, "--wait", "-o", "json")
    assert "unchanged" in answer.err
    assert "uploaded" not in answer.err
    return {photo["status"] for photo in answer.json["photos"]}


def test_photos_survive_a_kill_right_after_their_upload(own_stack: User, photo: Photo) -> None:
    own = own_stack
    for number in range(2):
        photo(f"album/{number}.jpg")
    before = own("local", "start", "-o", "json").json
    sent = own("upload", "album").rows
    kill(before["pid"])

    first = own("labels", "0.jpg", "--wait")

    assert first.err.startswith(f"Started the local cloud ({before['endpoint']}).")
    assert first.rows[0][0] == "Black"
    assert sorted(sent) == sorted(["uploaded", f"{number}.jpg", ""] for number in range(2))
    assert statuses(own, "album") == {"labelled"}
    assert own("status", "-o", "json").json["photos"] == {
        "labelled": 2,
        "failed": 0,
        "waiting": 0,
        "waiting_since": None,
        "approximate": [],
    }


def test_an_object_that_was_written_half_is_labelled_all_the_same(
    own_stack: User, photo: Photo
) -> None:
    """Killed before the version was on disk: the upload that was cut off finds it unchanged."""
    own, outputs = own_stack, own_stack.outputs
    content = photo("a.jpg").read_bytes()
    bucket = folder_of(own) / "objects" / "000000000000" / outputs["PhotosBucket"]
    bucket.mkdir(parents=True, exist_ok=True)
    (bucket / "a.jpg").write_bytes(content)
    about = [outputs["PhotosBucket"], "a.jpg", "s3:ObjectCreated:Put", len(content)]
    etag, version = hashlib.md5(content).hexdigest(), "4c0ffee0-0000-4000-8000-000000000000"
    begun = {
        **{"account": "000000000000", "region": "us-east-1", "about": [*about, f'"{etag}"', None]},
        "options": {"version_id": version, "sequencer": "00FF"},
    }
    number = (folder_of(own) / "state" / "current" / "journal.json").read_text()
    journal = folder_of(own) / "state" / "journal" / f"{int(number):08d}.jsonl"
    journal.parent.mkdir(exist_ok=True)
    journal.write_text(json.dumps(begun) + "\n")

    again = own("upload", "a.jpg", "--wait", "--timeout", "30", "-o", "json")

    assert "1 unchanged." in again.err
    assert [each["status"] for each in again.json["photos"]] == ["labelled"]
    assert own("verify", "--overdue", "0").out == ""


def test_the_next_command_repairs_the_cloud(own_stack: User, photo: Photo) -> None:
    """Other programs use both ports, the recogniser is killed, and the record is damaged.

    tests/e2e/engine/test_damage.py has each of them alone, and labels a photo after each.
    """
    own, record = own_stack, folder_of(own_stack) / "engine.json"
    saved = json.loads(record.read_text())
    taken = [saved["port"], saved["recogniser_port"]]
    with contextlib.ExitStack() as others:
        for port in taken:
            others.enter_context(socket.create_server(("127.0.0.1", port)))
        moved = own("upload", photo("a.jpg"), "--wait")
        assert "Another program" not in own("verify", "--overdue", "0").err
    assert moved.rows[0][:2] == ["a.jpg", "Black"]
    assert f"Another program uses port {taken[0]} and {taken[1]}" in moved.err
    assert "labelctl local env" in moved.err

    before = own("local", "status", "-o", "json").json
    kill(before["recogniser_pid"])
    own("local", "status", code=3)
    assert own("upload", photo("me.png", "astronaut.png"), "--wait").rows[0][:2] == [
        "me.png",
        "Face",
    ]
    after = own("local", "status", "-o", "json").json
    assert (after["pid"], after["recogniser"]) == (before["pid"], before["recogniser"])

    record.write_text('{"half": ')
    healed = own("verify", "--overdue", "0")
    assert "engine.json is damaged. Photos and labels are kept." in healed.err
    assert "damaged" not in own("verify", "--overdue", "0").err


def test_an_interrupted_start_leaves_nothing_and_two_deploys_at_once_make_one_stack(
    own: User, photo: Photo
) -> None:
    """One may get into the other's way, and is refused then; what is there works in any case."""
    command = own.start("deploy")
    until(lambda: processes.find_processes(folder_of(own)))
    os.killpg(command.pid, signal.SIGINT)
    assert ended(command) == (130, "")
    assert processes.find_processes(folder_of(own)) == set()

    both = [own.start("deploy") for _ in range(2)]
    outcomes = [ended(command) for command in both]

    assert {code for code, _ in outcomes} <= {0, 4}, outcomes
    for code, err in outcomes:
        if code:
            assert [line for line in err.splitlines() if line.startswith("Error: ")], err
    assert programs(own) == ["emulator.gateway", "rekognition"]
    own("deploy", "--quiet")
    assert own("upload", photo("a.jpg"), "--wait").rows[0][:2] == ["a.jpg", "Black"]


def test_two_uploads_at_once_lose_nothing(stack: User, photo: Photo) -> None:
    photo("one/0.jpg")
    photo("two/0.jpg", "coffee.png")  # the same key
    photo("two/more.jpg")
    both = [stack.start("upload", folder, "--wait") for folder in ("one", "two")]

    assert [ended(command)[0] for command in both] == [0, 0]

    now = stack("status", "-o", "json").json
    assert now["photos"] == {
        **{"labelled": 2, "failed": 0, "waiting": 0},
        "waiting_since": None,
        "approximate": [],
    }
    assert now["errors"] == []
    # Whichever came last, its labels are those that show: nothing is sent again from there.
    last = stack("labels", "0.jpg", "-o", "json").json
    winner = "one" if last["labels"][0]["name"] == "Black" else "two"
    assert stack("upload", winner).rows[0] == ["unchanged", "0.jpg", ""]


@pytest.mark.parametrize("line", ["CREATE_COMPLETE  Bucket ", "ADD ", "CREATE_COMPLETE  Queue "])
def test_an_interrupted_deploy_can_be_repeated(undeployed: User, client: Client, line: str) -> None:
    """The terminal's Ctrl-C, at three moments: before there is a plan, with it, and on the way."""
    command = undeployed.start("deploy")
    assert command.stderr
    read = ""
    while line not in read:
        read = command.stderr.readline().decode()
        assert read, f"{line!r} never came"
    os.killpg(command.pid, signal.SIGINT)

    assert ended(command)[0] == 130
    until(lambda: is_settled(client, undeployed.env["LABELCTL_STACK"]))
    undeployed("deploy", "--quiet")
    status = undeployed("status", "-o", "json").json["status"]
    assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def is_settled(client: Client, stack: str) -> bool:
    """Whether CloudFormation has finished what the interrupted command had started."""
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    return not any(
        each["StackStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
        for each in stacks
        if each["StackName"] in (stack, f"{stack}-artifacts")
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("lock", ".labelctl-local")
    }


def test_a_damaged_state_is_named_and_kept(own_stack: User, photo: Photo) -> None:
    photo("a.jpg")
    own, folder = own_stack, folder_of(own_stack)
    for scratch in ("tmp", "empty-home"):
        shutil.rmtree(folder / scratch)
    found = list(folder.glob("state/0*/dynamodb.json"))
    assert found
    for path in found:
        path.write_text('{"half": ')
    before = contents(folder)

    answer = own("labels", "a.jpg", code=4)
    own("upload", "a.jpg", code=4)

    assert "is damaged." in answer.err.splitlines()[0]
    assert str(folder) in answer.err
    assert "labelctl local reset" in answer.err
    assert contents(folder) == before
    own("local", "reset", "--yes")
    assert (
        own("status", code=3).err.splitlines()[1].startswith('Error: There is no stack "labelctl"')
    )


def test_a_folder_of_somebody_else_is_left_alone(own: User) -> None:
    folder = folder_of(own)
    folder.mkdir(parents=True)
    (folder / "engine.json").write_text("my own notes")
    (folder / "state").mkdir()
    (folder / "state" / "novel.txt").write_text("Chapter 1")
    before = contents(folder)

    for words in (["deploy"], ["local", "start"], ["local", "reset", "--yes"]):
        assert own(*words, code=4).err.startswith("Error: The "), words

    assert contents(folder) == before
