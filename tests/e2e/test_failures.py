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

from tests.e2e.conftest import User
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


def test_failures_are_listed_and_put_back_to_work(
    stack: User, photographs: Path, pipeline: Pipeline
) -> None:
    rocket = (photographs / "rocket.jpg").read_bytes()
    fine = pipeline.put("fine.jpg", rocket)
    stack("labels", "fine.jpg", "--wait")
    pipeline.put("[bold] a b.jpg", b"GIF89a")
    stack("labels", "[bold] a b.jpg", "--wait", code=5)
    pipeline.dead_letter(created("fine.jpg", fine), error="AccessDenied", reason="It may not.")
    lost = pipeline.dead_letter("hello", error="NotAnEvent", reason="no object")
    waiting = json.dumps({"Records": [s3_record("lost.jpg", "5", versionId="v", eTag="e")]})
    pipeline.dead_letter(waiting)

    listed = stack("failures")
    chosen = failures(stack, "--reason", "accessdenied")

    (failed,) = [row for row in listed.rows if row[0] == "failed"]
    assert failed[1] == "[bold] a b.jpg"
    assert failed[3].startswith(NOT_A_PICTURE)
    assert failed[4] == "new_file"
    dead = {row[1]: row for row in listed.rows if row[0] != "failed"}
    assert dead.keys() == {"fine.jpg", "lost.jpg", lost}
    assert [dead["fine.jpg"][0], *dead["fine.jpg"][3:]] == ["obsolete", "It may not.", "retry"]
    assert (dead["lost.jpg"][0], dead["lost.jpg"][4]) == ("dead letter", "retry")
    assert (dead[lost][0], dead[lost][4]) == ("dead letter", "discard")
    # A retry of everything would include the photo that needs a new file.
    assert "Next: labelctl retry --reason AccessDenied" in listed.err
    assert "retry --all" not in listed.err
    assert [each["images"] for each in chosen["dead_letters"]] == [["fine.jpg"]]
    assert chosen["failed"] == []
    assert "about 2 more dead letters" in stack("failures", "--limit", "1").err

    retried = stack("retry", "--all")

    outcomes = {row[1]: row[0] for row in retried.rows}
    assert outcomes.pop(lost) == "left"
    assert outcomes == dict.fromkeys(("[bold] a b.jpg", "fine.jpg", "lost.jpg"), "queued")
    assert "3 queued, 1 left in the dead-letter queue." in retried.err
    (left,) = failures(stack)["dead_letters"]
    assert left["message_id"] == lost


def test_a_photo_that_fails_again_has_the_new_reason(stack: User, pipeline: Pipeline) -> None:
    pipeline.put("bad.jpg", b"GIF89a")
    stack("labels", "bad.jpg", "--wait", code=5)
    [before] = failures(stack)["failed"]

    refused = stack("retry", "bad.jpg", "never.jpg", code=3)
    assert refused.out == ""
    assert 'There is no photo "never.jpg"' in refused.err
    assert failures(stack)["failed"] == [before]  # one unknown photo stops it before all else

    reply = stack("retry", "--reason", "InvalidImageFormat", "--wait", code=5)

    assert "1 of 1 photo could not be labelled." in reply.err
    assert NOT_A_PICTURE in reply.err
    (after,) = failures(stack)["failed"]
    assert after["failed_at"] > before["failed_at"]


def test_photos_whose_messages_are_dead_or_gone_get_their_labels(
    stack: User, photo: Photo, client: Client, pipeline: Pipeline
) -> None:
    queue = pipeline.outputs["Queue"]
    stop_the_function(stack, client)
    photo("holiday/beach.jpg")
    stack("upload", "holiday", "--quiet")
    assert "labelctl status" in stack("labels", "beach.jpg", code=6).err
    (message,) = pipeline.sqs.receive_message(QueueUrl=queue)["Messages"]
    pipeline.dead_letter(message["Body"], error="AccessDenied", reason="It may not.")
    assert "among the 1 dead letter: labelctl failures" in stack("labels", "beach.jpg", code=6).err
    stack("upload", photo("lost.jpg"), "--quiet")
    pipeline.sqs.purge_queue(QueueUrl=queue)
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
    assert stack("retry", "beach.jpg", "lost.jpg").rows == [
        ["labelled", "beach.jpg", "It is labelled already, so it was not requeued."],
        ["queued", "lost.jpg", "no result yet"],
    ]
    assert stack("labels", "lost.jpg", "--wait").rows


def start_the_function(user: User, client: Client) -> None:
    function = user.outputs["Function"]
    functions = client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def test_a_dead_letter_that_a_killed_command_holds_is_not_denied_and_then_deleted(
    stack: User, pipeline: Pipeline
) -> None:
    gone = json.dumps({"Records": [s3_record("gone.jpg", "5", versionId="v", eTag="e")]})
    pipeline.dead_letter(gone)
    lost = pipeline.dead_letter("hello", error="NotAnEvent", reason="no object")
    assert "Add --yes" in stack("failures", "--discard", code=2).err
    assert len(failures(stack)["dead_letters"]) == 2

    reply = stack("retry", "gone.jpg", "--wait", "-o", "json").json
    assert reply["photos"] == []
    assert [(each["image"], each["outcome"]) for each in reply["others"]] == [
        ("gone.jpg", "queued")
    ]
    stack("retry", "gone.jpg", "never.jpg", code=3)

    dead = pipeline.outputs["DeadLetterQueue"]
    (letter,) = pipeline.sqs.receive_message(QueueUrl=dead, VisibilityTimeout=600)["Messages"]
    assert letter["MessageId"] == lost
    for words in (["failures"], ["retry", "--all"], ["failures", "--discard", "--yes"]):
        err = stack(*words).err
        assert "1 dead letter is in use by another command" in err
        assert "there are no dead letters" not in err.lower()
    assert failures(stack)["hidden_dead_letters"] == 1
    waited = stack("retry", "--all", "--wait", "-o", "json").json
    assert waited == {"photos": [], "others": [], "hidden_dead_letters": 1}
    pipeline.sqs.change_message_visibility(
        QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
    )

    pipeline.dead_letter(gone)
    done = stack("failures", "--discard", "--yes", "-o", "json")
    assert json.loads(done.out) == {"message_id": lost, "outcome": "deleted", "body": "hello"}
    (kept,) = failures(stack)["dead_letters"]
    assert kept["images"] == ["gone.jpg"]


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
