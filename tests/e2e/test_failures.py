"""What could not be labelled is listed with its reason, and can be put back to work."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import User, stored_items, until
from tests.e2e.pipeline import stop_the_function
from tests.lambda_runtime import s3_record

Photo = Callable[..., Path]
Client = Callable[[str], Any]

NOT_A_PICTURE = "It is not a JPEG or PNG image, or it is damaged."


@dataclass(frozen=True)
class Pipeline:
    """A stack's queues and bucket, as somebody with other tools reaches them."""

    s3: Any
    sqs: Any
    outputs: dict[str, str]

    def put(self, key: str, content: bytes) -> Any:
        return self.s3.put_object(Bucket=self.outputs["PhotosBucket"], Key=key, Body=content)

    def dead_letter(self, body: str, **attributes: str) -> str:
        """Put a message into the dead-letter queue, as the function does."""
        values = {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        }
        queue = self.outputs["DeadLetterQueue"]
        answer = self.sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=values)
        message_id: str = answer["MessageId"]
        return message_id


@pytest.fixture
def pipeline(stack: User, client: Client) -> Pipeline:
    return Pipeline(client("s3"), client("sqs"), stack.outputs)


def created(key: str, answer: Any, sequencer: str = "1") -> str:
    """S3's message about an object that was put."""
    photo = {"versionId": answer["VersionId"], "eTag": answer["ETag"].strip('"')}
    return json.dumps({"Records": [s3_record(key, sequencer, **photo)]})


def failures(user: User, *options: str) -> Any:
    return user("failures", *options, "-o", "json").json


def test_nothing_has_failed(stack: User, photo: Photo) -> None:
    photo("fine.jpg")
    stack("upload", "fine.jpg", "--wait")

    reply = stack("failures")

    assert reply.out == ""
    assert reply.err == "No photo has failed.\nThere are no dead letters.\n"
    again = stack("retry", "--all")
    assert (again.out, again.err) == ("", "No photo has failed, and there are no dead letters.\n")
    assert failures(stack) == {
        "failed": [],
        "dead_letters": [],
        "more_failed": False,
        "more_dead_letters": False,
        "hidden_dead_letters": 0,
    }


def test_failed_photos_and_dead_letters_are_told_apart(
    stack: User, photo: Photo, pipeline: Pipeline
) -> None:
    photo("fine.jpg")
    stack("upload", "fine.jpg", "--wait")
    fine = pipeline.s3.head_object(Bucket=pipeline.outputs["PhotosBucket"], Key="fine.jpg")
    pipeline.put("[bold] a b.jpg", b"GIF89a")
    stack("labels", "[bold] a b.jpg", "--wait", code=5)
    pipeline.dead_letter(created("fine.jpg", fine), error="AccessDenied", reason="It may not.")
    lost = pipeline.dead_letter("hello")
    waiting = json.dumps({"Records": [s3_record("lost.jpg", "5", versionId="v", eTag="e")]})
    pipeline.dead_letter(waiting)

    reply = stack("failures")

    rows = reply.rows
    (failed,) = [row for row in rows if row[0] == "failed"]
    assert failed[1] == "[bold] a b.jpg"
    assert failed[3].startswith(NOT_A_PICTURE)
    assert failed[4] == "new_file"
    dead = {row[1]: row for row in rows if row[0] != "failed"}
    assert dead.keys() == {"fine.jpg", "lost.jpg", lost}
    assert [dead["fine.jpg"][0], *dead["fine.jpg"][3:]] == ["obsolete", "It may not.", "retry"]
    assert (dead["lost.jpg"][0], dead["lost.jpg"][4]) == ("dead letter", "retry")
    assert (dead[lost][0], dead[lost][4]) == ("dead letter", "discard")
    # A retry of everything would include the photo that needs a new file.
    assert "Next: labelctl retry --reason AccessDenied" in reply.err
    assert "retry --all" not in reply.err
    chosen = failures(stack, "--reason", "accessdenied")
    assert [each["images"] for each in chosen["dead_letters"]] == [["fine.jpg"]]
    assert chosen["failed"] == []
    assert "about 2 more dead letters" in stack("failures", "--limit", "1").err


def test_labels_says_where_a_photo_that_waits_may_be(
    stack: User, photo: Photo, pipeline: Pipeline, client: Client
) -> None:
    stop_the_function(stack, client)
    photo("a.jpg")
    stack("upload", "a.jpg", "--quiet")
    assert "labelctl status" in stack("labels", "a.jpg", code=6).err
    pipeline.dead_letter("hello")

    assert "among the 1 dead letter: labelctl failures" in stack("labels", "a.jpg", code=6).err


def test_a_photo_that_fails_again_is_told_with_the_new_reason(
    stack: User, pipeline: Pipeline
) -> None:
    pipeline.put("bad.jpg", b"GIF89a")
    stack("labels", "bad.jpg", "--wait", code=5)
    [before] = failures(stack)["failed"]

    refused = stack("retry", "bad.jpg", "never.jpg", code=3)
    assert refused.out == ""
    assert 'There is no photo "never.jpg"' in refused.err
    assert failures(stack)["failed"] == [before]  # one unknown photo stops it before all else

    reply = stack("retry", "bad.jpg", "--wait", code=5)

    assert "1 of 1 photo could not be labelled." in reply.err
    assert NOT_A_PICTURE in reply.err
    (after,) = failures(stack)["failed"]
    assert after["failed_at"] > before["failed_at"]


def test_a_dead_letter_is_put_back_to_work(
    stack: User, photo: Photo, client: Client, pipeline: Pipeline
) -> None:
    """Its photo waited for somebody to mend what was wrong."""
    photo("holiday/beach.jpg")
    stop_the_function(stack, client)
    stack("upload", "holiday")
    (message,) = pipeline.sqs.receive_message(QueueUrl=pipeline.outputs["Queue"])["Messages"]
    pipeline.dead_letter(message["Body"], error="AccessDenied", reason="It may not.")
    pipeline.sqs.delete_message(
        QueueUrl=pipeline.outputs["Queue"], ReceiptHandle=message["ReceiptHandle"]
    )
    stack("labels", "beach.jpg", code=6)
    start_the_function(stack, client)

    reply = stack("retry", "holiday/beach.jpg", "--wait", "-o", "json").json

    assert [each["status"] for each in reply["photos"]] == ["labelled"]
    assert (reply["others"], reply["hidden_dead_letters"]) == ([], 0)
    again = stack("retry", "beach.jpg", "--wait", "-o", "json").json
    assert [each["status"] for each in again["photos"]] == ["labelled"]
    assert again["others"] == [
        {
            "image": "beach.jpg",
            "message_id": None,
            "outcome": "labelled",
            "why": "It is labelled already, so it was not requeued.",
        }
    ]
    assert failures(stack)["dead_letters"] == []
    assert stack("retry", "beach.jpg").rows == [
        ["labelled", "beach.jpg", "It is labelled already, so it was not requeued."]
    ]


def start_the_function(user: User, client: Client) -> None:
    function = user.outputs["Function"]
    functions = client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def test_a_photo_that_nothing_waits_for_any_more_gets_its_labels(
    stack: User, photo: Photo, client: Client, pipeline: Pipeline
) -> None:
    photo("lost.jpg")
    stop_the_function(stack, client)
    stack("upload", "lost.jpg")
    pipeline.sqs.purge_queue(QueueUrl=pipeline.outputs["Queue"])
    start_the_function(stack, client)

    assert stack("retry", "lost.jpg").rows == [["queued", "lost.jpg", "no result yet"]]

    assert stack("labels", "lost.jpg", "--wait").rows


def test_all_goes_back_to_work_but_what_cannot_be_read(
    stack: User, photographs: Path, pipeline: Pipeline, client: Client
) -> None:
    for number in range(12):
        pipeline.put(f"bad/{number}.jpg", b"GIF89a")
    until(lambda: len(stored_items(client("dynamodb"), stack.outputs)[0]) == 12)
    assert len(failures(stack)["failed"]) == 12
    rocket = (photographs / "rocket.jpg").read_bytes()
    for number in range(12):
        pipeline.dead_letter(created(f"{number}.jpg", pipeline.put(f"{number}.jpg", rocket)))
    lost = pipeline.dead_letter("hello", error="NotAnEvent", reason="no object")

    reply = stack("retry", "--all")

    outcomes = {row[1]: row[0] for row in reply.rows}
    assert outcomes.pop(lost) == "left"
    assert set(outcomes.values()) == {"queued"}
    assert len(outcomes) == 24
    assert "24 queued, 1 left in the dead-letter queue." in reply.err
    (left,) = failures(stack)["dead_letters"]
    assert left["message_id"] == lost
    done = stack("retry", "--reason", "InvalidImageFormat", "--wait", "-o", "json", code=5)
    assert len(done.json["photos"]) == 12
    assert "12 of 12 photos could not be labelled." in done.err


def test_dead_letters_that_a_killed_command_holds_are_not_denied(
    stack: User, pipeline: Pipeline
) -> None:
    pipeline.dead_letter("hello")
    dead = pipeline.outputs["DeadLetterQueue"]
    (letter,) = pipeline.sqs.receive_message(QueueUrl=dead, VisibilityTimeout=600)["Messages"]

    listed = stack("failures")
    retried = stack("retry", "--all")
    discarded = stack("failures", "--discard", "--yes")

    for reply in (listed, retried, discarded):
        assert "1 dead letter is in use by another command" in reply.err
        assert "There are no dead letters" not in reply.err
        assert "there are no dead letters" not in reply.err
    assert failures(stack)["hidden_dead_letters"] == 1
    waited = stack("retry", "--all", "--wait", "-o", "json").json
    assert waited == {"photos": [], "others": [], "hidden_dead_letters": 1}
    pipeline.sqs.change_message_visibility(
        QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
    )
    assert len(failures(stack)["dead_letters"]) == 1


def test_the_dead_letter_of_a_photo_that_is_gone_is_put_back_by_its_name(
    stack: User, pipeline: Pipeline
) -> None:
    gone = s3_record("gone.jpg", "5", versionId="v", eTag="e")
    pipeline.dead_letter(json.dumps({"Records": [gone]}))
    lost = pipeline.dead_letter("hello")

    reply = stack("retry", "gone.jpg", "--wait", "-o", "json").json

    assert reply["photos"] == []
    assert [(each["image"], each["outcome"]) for each in reply["others"]] == [
        ("gone.jpg", "queued")
    ]
    (left,) = failures(stack)["dead_letters"]
    assert left["message_id"] == lost
    stack("retry", "gone.jpg", "never.jpg", code=3)


def test_what_cannot_be_read_is_deleted_on_demand_only(stack: User, pipeline: Pipeline) -> None:
    lost = pipeline.dead_letter("hello", error="NotAnEvent", reason="no object")
    gone = json.dumps({"Records": [s3_record("gone.jpg", "5", versionId="v", eTag="e")]})
    pipeline.dead_letter(gone)

    asked = stack("failures", "--discard", code=2)
    assert "Add --yes" in asked.err
    assert len(failures(stack)["dead_letters"]) == 2

    done = stack("failures", "--discard", "--yes", "-o", "json")
    assert json.loads(done.out) == {"message_id": lost, "outcome": "deleted", "body": "hello"}
    (kept,) = failures(stack)["dead_letters"]
    assert kept["images"] == ["gone.jpg"]
    assert stack("failures", "--discard", "--yes").err == (
        "There are no unreadable dead letters.\n"
    )


def test_an_interrupt_gives_the_dead_letters_back(
    stack: User, client: Client, pipeline: Pipeline
) -> None:
    stop_the_function(stack, client)
    text = [json.dumps({"Records": [s3_record(f"{n}.jpg", "1")]}) for n in range(400)]
    for start in range(0, len(text), 10):
        entries = [
            {"Id": str(place), "MessageBody": body}
            for place, body in enumerate(text[start : start + 10])
        ]
        pipeline.sqs.send_message_batch(
            QueueUrl=pipeline.outputs["DeadLetterQueue"], Entries=entries
        )
    command = stack.start("retry", "--all")
    assert command.stdout
    assert command.stdout.readline().startswith(b"queued\t")
    os.killpg(command.pid, signal.SIGINT)
    out, err = command.communicate(timeout=60)

    assert command.returncode == 130
    assert err == b"Interrupted. Run the same command to resume.\n"
    now = stack("status", "-o", "json").json
    assert now["dead_letters"]["in_flight"] == 0
    assert now["dead_letters"]["waiting"] + now["queue"]["waiting"] == 400
    assert now["queue"]["waiting"] >= 1 + len(out.splitlines())
    assert len(stack("retry", "--all").rows) == now["dead_letters"]["waiting"]
