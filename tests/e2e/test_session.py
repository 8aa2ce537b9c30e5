"""The main job, as a user does it: deploy, upload, labels; and everything after."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from labelctl.deploy.stack import PIPELINE
from tests.e2e.conftest import LABELCTL, User, deployed, stored_items, until

Photo = Callable[..., Path]
Client = Callable[[str], Any]


def bucket_of(user: User) -> str:
    return user.outputs["PhotosBucket"]


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

    assert stack("upload", "me.png").rows == [["uploaded", "me.png"]]
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


def test_what_is_no_photo_is_refused_and_the_rest_goes_on(
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
    assert sorted(outcomes.values()) == ["refused"] * 7 + ["uploaded"]
    assert "mixed/notes.txt" not in outcomes
    reasons = {Path(row[1]).name: row[2] for row in answer.rows if len(row) > 2}
    assert "GIF" in reasons["loop.gif"]
    assert "79 x 200" in reasons["small.png"]
    assert "15 MB" in reasons["huge.jpg"]
    assert reasons["missing.jpg"] == "No such file or folder."
    assert "7 of 8 photos could not be uploaded." in answer.err


def test_a_folder_without_photos_says_so(shared: User) -> None:
    (shared.folder / "empty").mkdir()

    assert 'There are no photos in "empty".' in shared("upload", "empty", code=3).err
    gone = shared("upload", "emtpy", "nor/this", code=3).err
    assert gone.startswith('Error: No such file or folder: "emtpy", "nor/this".')


def test_failed_waiting_and_unknown_are_told_apart(
    stack: User, photo: Photo, client: Client
) -> None:
    client("s3").put_object(Bucket=bucket_of(stack), Key="bad.jpg", Body=b"GIF89a")
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


def stop_the_function(user: User, client: Client) -> None:
    """As soon as it is done with what S3 sends to try a new queue, which would pass for a photo's."""
    until(lambda: messages(user, client) == 0)
    function = user.outputs["Function"]
    functions = client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def messages(user: User, client: Client) -> int:
    """How many are in the work queue: those that wait, and those in the function's hands."""
    answer = client("sqs").get_queue_attributes(
        QueueUrl=user.outputs["Queue"], AttributeNames=["All"]
    )["Attributes"]
    kinds = ("", "NotVisible", "Delayed")
    return sum(int(answer[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)


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

    client("s3").delete_object(Bucket=bucket_of(stack), Key="one.png")

    def is_removed() -> bool:
        [photo], index = stored_items(client("dynamodb"), stack.outputs)
        return photo["status"]["S"] == "removed" and not index

    until(is_removed)
    stack("labels", "one.png", code=3)


def test_another_tool_may_bring_the_photos(shared: User, photographs: Path, client: Client) -> None:
    astronaut = str(photographs / "astronaut.png")
    client("s3").upload_file(astronaut, bucket_of(shared), "theirs/a b.png")

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


def test_destroy_asks_and_then_leaves_nothing(stack: User, photo: Photo, client: Client) -> None:
    photo("a.jpg")
    photo("new\nline.jpg")
    stack("upload", stack.folder, "--wait")
    bucket, name = bucket_of(stack), stack.env["LABELCTL_STACK"]
    client("s3").delete_object(Bucket=bucket, Key="a.jpg")
    client("s3").create_multipart_upload(Bucket=bucket, Key="unfinished")
    refused = stack("destroy", code=2)
    assert "(2 labelled, 0 failed" in refused.err or "labelled" in refused.err
    assert "--yes" in refused.err

    answer = stack("destroy", "--yes", "-o", "json").json

    assert answer["destroyed"] == [name, f"{name}-artifacts"]
    assert answer["versions"] >= 3
    left = [each["Name"] for each in client("s3").list_buckets()["Buckets"]]
    assert not [each for each in left if each.startswith(name)]
    groups = client("logs").describe_log_groups()["logGroups"]
    assert not [each for each in groups if f"/{name}/" in each["logGroupName"]]
    assert not [each for each in client("dynamodb").list_tables()["TableNames"] if name in each]
    assert "There is no stack" in stack("destroy", "--yes", code=3).err


def test_the_package_deploys_with_other_tools(user: User, client: Client, photo: Photo) -> None:
    answer = user("package", "--output-dir", "out", "-o", "json").json
    s3, cloudformation = client("s3"), client("cloudformation")
    s3.create_bucket(Bucket="my-own-bucket")
    zipped = user.folder / answer["zip"]
    s3.upload_file(str(zipped), "my-own-bucket", zipped.name)
    cloudformation.create_stack(
        StackName="by-hand",
        TemplateBody=(user.folder / answer["template"]).read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": "CodeBucket", "ParameterValue": "my-own-bucket"},
            {"ParameterKey": "CodeKey", "ParameterValue": zipped.name},
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="by-hand", WaiterConfig={"Delay": 1}
    )
    photo("a.jpg")

    assert user("upload", "a.jpg", "--wait", "--stack", "by-hand").rows[0][:2] == ["a.jpg", "Black"]
    user("destroy", "--yes", "--stack", "by-hand")


def test_a_failed_first_deploy_tells_the_cause_and_can_be_repeated(
    undeployed: User, client: Client
) -> None:
    """A stack that failed lies there in ROLLBACK_COMPLETE, as AWS leaves it."""
    broken = {"Description": PIPELINE, "Resources": {"Bad": {"Type": "AWS::S3::Bucket", "Properties": {
        "NotificationConfiguration": {"QueueConfigurations": [
            {"Event": "s3:ObjectCreated:*", "Queue": "arn:aws:sqs:us-east-1:000000000000:none"}
        ]}}}}}  # fmt: skip
    name = undeployed.env["LABELCTL_STACK"]
    client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(broken))
    until(lambda: status_of(client, name) == "ROLLBACK_COMPLETE")
    assert "ROLLBACK_COMPLETE" in undeployed("labels", "x", code=3).err

    answer = undeployed("deploy")

    assert "The last deploy failed at Bad" in answer.err
    assert status_of(client, name) == "CREATE_COMPLETE"


def test_a_stack_that_was_only_planned_is_deployed(
    undeployed: User, client: Client, photo: Photo
) -> None:
    """Cut off after its change set was made, a first deploy lies there in REVIEW_IN_PROGRESS."""
    name = undeployed.env["LABELCTL_STACK"]
    client("cloudformation").create_change_set(
        StackName=name,
        ChangeSetName="left-behind",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}}),
    )
    assert status_of(client, name) == "REVIEW_IN_PROGRESS"

    undeployed("deploy")

    assert status_of(client, name) == "CREATE_COMPLETE"
    photo("a.jpg")
    assert undeployed("upload", "a.jpg", "--wait").rows[0][:2] == ["a.jpg", "Black"]


def status_of(client: Client, stack: str) -> str:
    answer: str = client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0][
        "StackStatus"
    ]
    return answer


def test_the_demo_shows_what_it_recognises_and_the_commands_that_it_stands_for(
    cloud: User,
) -> None:
    """Its photographs have a folder of their own, so that they replace nothing of the user's."""
    answer = cloud("demo")

    recognised = dict(answer.rows)
    assert recognised["demo/astronaut.png"].startswith("Face 9")
    assert "(Head, Person)" in recognised["demo/astronaut.png"]
    assert recognised["demo/chelsea.png"].startswith("Cat 9")
    assert re.search(
        r"Cup 9\d %.*Espresso 9\d % \(Beverage, Coffee\)", recognised["demo/coffee.png"]
    )
    assert len(recognised) == 4
    commands = re.findall(r"^\$ labelctl (.*) --local$", answer.err, re.MULTILINE)
    assert commands[0] == "deploy"
    assert commands[1].startswith("upload --wait --prefix demo/ ")
    following = re.findall(r"^Next: \$ labelctl (.*) --local$", answer.err, re.MULTILINE)
    assert following == ["labels demo/astronaut.png", "search Face", "destroy"]
    for command in following[:2]:
        assert cloud(*command.split(), "--local").rows
    [page] = re.findall(r"^Gallery: (.*)$", answer.err, re.MULTILINE)
    assert "demo/chelsea.png" in Path(page).read_text()

    again = cloud("demo", "-o", "json")

    assert again.err == "4 unchanged.\n"
    assert [photo["image"] for photo in again.json["photos"]] == sorted(recognised)
    assert (again.json["not_sent"], again.json["gallery"]) == ([], page)
    cloud("destroy", "--local", "--yes")


def test_the_demo_of_ones_own_photos_goes_on_after_a_bad_one(
    undeployed: User, photo: Photo
) -> None:
    broken = photo("broken.jpg")
    broken.write_bytes(broken.read_bytes()[:10_000])
    answer = undeployed("demo", photo("me.png", "astronaut.png"), broken, code=5)

    assert answer.rows[0][0] == "me.png"
    assert "broken.jpg" in answer.err
    assert "Gallery: " in answer.err
    assert "1 of 2 photos could not be labelled." in answer.err


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
