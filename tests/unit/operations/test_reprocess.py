"""Requests to process photos again, as they arrive in the queue."""

from __future__ import annotations

import json
from itertools import count, islice

import boto3
import pytest

from labelctl.contract import s3_events
from labelctl.errors import RefusedError
from labelctl.operations import reprocess
from labelctl.operations.reprocess import ReprocessRequest
from tests.unit.conftest import REGION

AT = "2030-01-01T12:00:00.000Z"
FIRST = s3_events.next_sequencer("")


class Queue:
    """An SQS client that returns given entries of each call as failed, by their number."""

    def __init__(self, *failures: dict[int, dict[str, object]]) -> None:
        self.calls: list[list[str]] = []
        self._failures = list(failures)

    def send_message_batch(self, *, QueueUrl, Entries):  # noqa: N803
        assert len({entry["Id"] for entry in Entries}) == len(Entries) <= 10
        self.calls.append([key_of(entry["MessageBody"]) for entry in Entries])
        failed = self._failures.pop(0) if self._failures else {}
        return {
            "Successful": [],
            "Failed": [{"Id": str(number), **error} for number, error in failed.items()],
        }


BUSY = {"SenderFault": False, "Code": "ServiceUnavailable"}
WRONG = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "Bad text."}


def key_of(body: str) -> str:
    [event] = s3_events.parse_message(body)
    return event.key


def expected(*keys: str) -> list[ReprocessRequest]:
    return [ReprocessRequest(key, FIRST) for key in keys]


def send(sqs, photos, naps=lambda _: None):
    return list(reprocess.send(sqs, "url", "photos", photos, AT, sleep=naps))


def test_the_function_understands_what_arrives(moto):
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName="work")["QueueUrl"]
    keys = [f"[bold] a+b%20\n é 💚 {number}.jpg" for number in range(23)]
    photos = expected(*keys)

    assert list(reprocess.send(sqs, url, "photos", photos, AT)) == photos

    events = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            events += s3_events.parse_message(message["Body"])
    assert sorted(event.key for event in events) == sorted(keys)
    assert {(event.bucket, event.kind, event.sequencer, event.at) for event in events} == {
        ("photos", "requested", FIRST, AT)
    }


def test_ten_requests_per_call_consumed_lazily():
    sqs = Queue()
    endless = (ReprocessRequest(f"{number}.jpg", FIRST) for number in count())
    sent = reprocess.send(sqs, "url", "photos", endless, AT)
    assert [each.key for each in islice(sent, 15)] == [f"{number}.jpg" for number in range(15)]
    assert [len(call) for call in sqs.calls] == [10, 10]
    assert next(endless).key == "20.jpg"


def test_nothing_is_sent_for_nothing():
    sqs = Queue()
    assert send(sqs, []) == []
    assert sqs.calls == []


def test_returned_messages_are_sent_again_and_yielded_once(naps):
    sqs = Queue({1: BUSY, 2: BUSY}, {0: BUSY})
    photos = expected("a", "b", "c", "d")
    assert sorted(send(sqs, photos, naps), key=lambda each: each.key) == photos
    assert sqs.calls == [["a", "b", "c", "d"], ["b", "c"], ["b"]]
    assert naps == [0.2, 0.4]


def test_gives_up_on_a_busy_queue(naps):
    sqs = Queue(*[{0: BUSY}] * 9)
    with pytest.raises(RefusedError) as caught:
        send(sqs, expected("a", "b"), naps)
    assert caught.value.message == "SQS did not accept 1 message: ServiceUnavailable"
    assert len(sqs.calls) == 5
    assert sum(naps) == pytest.approx(3)


def test_what_sqs_will_never_take_is_refused_at_once(naps):
    sqs = Queue({0: BUSY, 1: WRONG})
    sent = reprocess.send(sqs, "url", "photos", expected("a", "b", "c"), AT, sleep=naps)
    assert next(sent).key == "c"
    with pytest.raises(RefusedError) as caught:
        next(sent)
    assert caught.value.message == "SQS did not accept 2 messages: Bad text."
    assert naps == []


def test_a_batch_of_the_longest_keys_is_far_from_the_limit_of_a_call():
    """SQS took 256 KB a call for long; it is 1 MiB now."""
    body = s3_events.request("b" * 63, "\N{GREEN HEART}" * 256, FIRST, AT)
    assert len(body) * 10 < 64_000
    assert json.loads(body)
