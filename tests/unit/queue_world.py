"""Helpers to put messages into queues and read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from labelctl.contract import s3_events
from labelctl.operations import dead_letters
from tests.lambda_runtime import s3_record


def body(key: str, number: int = 1) -> str:
    """S3's message of a photo's version v1 with eTag e1; `number` is its sequencer."""
    return json.dumps({"Records": [s3_record(key, f"{number:X}", versionId="v1", eTag="e1")]})


def put(sqs: Any, queue: str, text: str, **attributes: str) -> str:
    """Send a message; returns its id."""
    result = {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }
    answer = sqs.send_message(QueueUrl=queue, MessageBody=text, MessageAttributes=result)
    message_id: str = answer["MessageId"]
    return message_id


def put_many(sqs: Any, queue: str, texts: Sequence[str]) -> None:
    """Send messages, ten per request."""
    for start in range(0, len(texts), 10):
        entries = [
            {"Id": str(number), "MessageBody": text}
            for number, text in enumerate(texts[start : start + 10])
        ]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def visible(sqs: Any, queue: str) -> int:
    name = "ApproximateNumberOfMessages"
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
    return int(answer["Attributes"][name])


def bodies(sqs: Any, queue: str) -> list[str]:
    """Receive all messages of a queue."""
    found = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return sorted(found)


def requests_in(sqs: Any, queue: str) -> list[tuple[str, str]]:
    """The requested photos with the requests' sequencers."""
    events = [each for text in bodies(sqs, queue) for each in s3_events.parse_message(text)]
    assert {each.kind for each in events} <= {"requested"}
    return sorted((each.key, each.sequencer) for each in events)


def key_of(text: str) -> str:
    """The photo that a message is about."""
    [each] = s3_events.parse_message(text)
    return each.key


def peek(sqs: Any, queue: str) -> list[str]:
    """The messages of a queue, without removing them."""
    with dead_letters.lease(sqs, queue) as dead_messages:
        return [dead_message.body for dead_message in dead_messages]
