"""Reading the dead-letter queue never loses a message, whatever happens."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl.aws import queues
from labelctl.contract import s3_events
from labelctl.errors import RefusedError
from labelctl.operations import dead_letters
from labelctl.operations.dead_letters import UnreadMessages, lease
from tests.lambda_runtime import s3_record
from tests.unit.queue_world import bodies, body, put, put_many, visible

# ---- reading


def test_an_empty_queue(sqs: Any, dead: str) -> None:
    with lease(sqs, dead) as dead_messages:
        assert list(dead_messages) == []
    assert not dead_messages.more


def test_contents_of_a_dead_letter(sqs: Any, dead: str) -> None:
    sent = body("a b.jpg")
    message_id = put(sqs, dead, sent, error="AccessDenied", reason="The function may not.")
    with lease(sqs, dead) as dead_messages:
        (dead_message,) = dead_messages
    assert dead_message.message_id == message_id
    assert dead_message.images == ("a b.jpg",)
    assert [event.sequencer for event in dead_message.events] == [s3_events.pad_sequencer("1")]
    assert (dead_message.error, dead_message.reason) == ("AccessDenied", "The function may not.")
    assert dead_message.sent_at.startswith("20")
    assert dead_message.sent_at.endswith("Z")
    assert dead_message.receives == 1
    assert dead_message.body == sent


def test_a_message_dead_lettered_by_sqs_has_no_code_but_a_reason(sqs: Any, dead: str) -> None:
    put(sqs, dead, body("a.jpg"))
    with lease(sqs, dead) as dead_messages:
        (dead_message,) = dead_messages
    assert (dead_message.error, dead_message.reason) == ("", dead_letters.NO_REASON)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "{}",
        "[" * 100_000,
        json.dumps({"Event": "s3:TestEvent"}),
        json.dumps({"Records": []}),
        json.dumps({"Records": [s3_record("a.jpg", "not hexadecimal")]}),
        body(""),
        body("k" * 1025),
        body("x").replace('"x"', '"\\ud800"'),
    ],
    ids=range(9),
)
def test_a_message_without_photo_events(sqs: Any, dead: str, text: str) -> None:
    put(sqs, dead, text)
    with lease(sqs, dead) as dead_messages:
        (dead_message,) = dead_messages
    assert dead_message.images == dead_message.events == ()
    assert dead_message.body == text


def test_each_message_is_yielded_once_and_released(sqs: Any, dead: str) -> None:
    ids = {put(sqs, dead, body(f"{number}.jpg")) for number in range(57)}
    for _ in range(2):
        with lease(sqs, dead) as dead_messages:
            found = [dead_message.message_id for dead_message in dead_messages]
            assert visible(sqs, dead) == 0
        assert len(found) == len(ids)
        assert set(found) == ids
        assert not dead_messages.more
        assert visible(sqs, dead) == len(ids)


def test_a_shared_reason_is_stored_once(sqs: Any, dead: str) -> None:
    for number in range(3):
        put(sqs, dead, body(f"{number}.jpg"), error="AccessDenied", reason="The function may not.")
    with lease(sqs, dead) as dead_messages:
        found = list(dead_messages)
    assert len({id(dead_message.error) for dead_message in found}) == 1
    assert len({id(dead_message.reason) for dead_message in found}) == 1


def test_few_messages_take_few_requests(sqs: Any, dead: str) -> None:
    put(sqs, dead, body("a.jpg"))
    made: list[str] = []
    sqs.meta.events.register("before-call.sqs", lambda model, **_: made.append(model.name))
    with lease(sqs, dead) as dead_messages:
        list(dead_messages)
    assert len(made) <= 4
    assert made.count("ChangeMessageVisibilityBatch") == 1


@pytest.mark.parametrize("limit", [1, 10, 25])
def test_the_lease_never_exceeds_its_limit(sqs: Any, dead: str, limit: int) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(26)])
    with lease(sqs, dead, limit) as dead_messages:
        assert len(list(dead_messages)) == limit
        assert dead_messages.more
        assert visible(sqs, dead) == 26 - limit
    assert visible(sqs, dead) == 26


def test_the_limit_applies_to_messages_leased_at_once(sqs: Any, dead: str, queue: str) -> None:
    """A queue of any length can be emptied with little memory."""
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(50)])
    with lease(sqs, dead, limit=10) as dead_messages:
        for dead_message in dead_messages:
            dead_messages.redrive([dead_message], queue)
    assert not dead_messages.more
    assert (visible(sqs, dead), visible(sqs, queue)) == (0, 50)


def test_long_leases_are_renewed(sqs: Any, dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise other readers would receive them, and an expired receipt deletes nothing."""
    monkeypatch.setattr(dead_letters, "TICK", 0.001)
    ids = [put(sqs, dead, body(f"{number}.jpg")) for number in range(12)]
    held_anew: Counter[str] = Counter()

    def look(params: Any, **_: Any) -> None:
        result = json.loads(params["body"])["Entries"]
        assert {each["VisibilityTimeout"] for each in result} <= {0, dead_letters.LEASE}
        held_anew.update(each["ReceiptHandle"] for each in result if each["VisibilityTimeout"])

    sqs.meta.events.register("before-call.sqs.ChangeMessageVisibilityBatch", look)
    with lease(sqs, dead, clock=lambda: 2000 * time.monotonic()) as dead_messages:
        found = list(dead_messages)
        dead_messages.delete(found[:2])
        kept = {dead_message.receipt for dead_message in found[2:]}
        deadline = time.monotonic() + 60
        while min(held_anew[receipt] for receipt in kept) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        gone = {dead_message.receipt: held_anew[dead_message.receipt] for dead_message in found[:2]}
        most = held_anew[found[2].receipt]
        while held_anew[found[2].receipt] < most + 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # A message deleted during its renewal may be counted twice.
        assert all(held_anew[receipt] <= count + 1 for receipt, count in gone.items())
    assert len(ids) == 12
    assert visible(sqs, dead) == 10
    assert not any(thread.name == "dead-letters-renewer" for thread in threading.enumerate())


# ---- messages leased by others


def test_messages_leased_by_others_are_counted(sqs: Any, dead: str) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(15)])
    sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=4)  # a reader that was killed
    before = queues.depth(sqs, dead)
    with lease(sqs, dead) as dead_messages:
        assert len(list(dead_messages)) == 11
        assert dead_messages.unread(before) == UnreadMessages(hidden=4)


@pytest.mark.parametrize(
    ("waiting", "in_flight", "limit", "hidden"),
    [
        (3, 0, 10, 0),  # the count is ahead, or a message was deleted
        (2, 0, 10, 0),
        (0, 2, 10, 0),  # the count lags behind an earlier command
        (1, 2, 10, 1),  # one of the two became visible again
        (2, 2, 10, 2),
        (9, 2, 2, 0),  # unknown
    ],
)
def test_slightly_wrong_counts_cause_no_warning(
    sqs: Any, dead: str, waiting: int, in_flight: int, limit: int, hidden: int
) -> None:
    for number in range(2):
        put(sqs, dead, body(f"{number}.jpg"))
    with lease(sqs, dead, limit) as dead_messages:
        list(dead_messages)
        assert dead_messages.unread(queues.QueueDepth(waiting, in_flight, 0)).hidden == hidden
        assert (
            dead_messages.more
            is dead_messages.unread(queues.QueueDepth(0, 0, 0)).cut_off
            is (limit == 2)
        )


def test_sentences_for_the_user() -> None:
    assert list(UnreadMessages().sentences()) == []
    assert not UnreadMessages()
    [one, limit] = UnreadMessages(1, cut_off=True).sentences()
    assert one == (
        "1 dead letter is in use by another command, or by one that was killed. "
        "It will be available again within a minute."
    )
    assert limit == (
        "There are more dead letters than can be read at once (limit: 100,000). Some were not read."
    )
    [several] = UnreadMessages(2).sentences()
    assert several.startswith("2 dead letters are in use")
    assert several.endswith(" They will be available again within a minute.")
    [many] = UnreadMessages(dead_letters.SHORT_LEASE_LIMIT + 1).sentences()
    assert many.endswith(" They will be available again within 10 minutes.")
    assert (dead_letters.LEASE, dead_letters.LONG_LEASE) == (60, 600)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_all_messages_are_released_after_an_error(
    sqs: Any, dead: str, error: type[BaseException]
) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(35)])

    def read() -> None:
        with lease(sqs, dead) as dead_messages:
            for _ in dead_messages:
                raise error

    with pytest.raises(error):
        read()
    assert visible(sqs, dead) == 35


def test_messages_being_received_during_an_error_are_released(sqs: Any, dead: str) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(30)])
    receives, given_back = count(1), threading.Event()

    def receive(**_: Any) -> None:
        number = next(receives)
        if number == 2:
            raise KeyboardInterrupt
        if number == 3:  # the answer is late
            given_back.wait(0.2)

    sqs.meta.events.register("before-call.sqs.ReceiveMessage", receive)
    sqs.meta.events.register(
        "after-call.sqs.ChangeMessageVisibilityBatch", lambda **_: given_back.set()
    )

    def read() -> None:
        with lease(sqs, dead) as dead_messages:
            list(dead_messages)

    with pytest.raises(KeyboardInterrupt):
        read()
    assert visible(sqs, dead) == 30


def test_the_original_error_is_raised(sqs: Any, dead: str) -> None:
    put(sqs, dead, body("a.jpg"))

    def read() -> None:
        with lease(sqs, dead) as dead_messages:
            list(dead_messages)
            sqs.delete_queue(QueueUrl=dead)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        read()


# ---- redriving and deleting


def test_redrive_sends_unchanged_bodies_without_attributes(sqs: Any, dead: str, queue: str) -> None:
    sent = sorted(body(f"{number}.jpg") for number in range(23))
    for text in sent:
        put(sqs, dead, text, error="E", reason="why")
    with lease(sqs, dead) as dead_messages:
        dead_messages.redrive(dead_messages, queue)
    assert visible(sqs, dead) == 0
    answer = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], VisibilityTimeout=0)
    assert "MessageAttributes" not in answer["Messages"][0]
    assert bodies(sqs, queue) == sent


def test_other_messages_stay(sqs: Any, dead: str, queue: str) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(12)])
    with lease(sqs, dead) as dead_messages:
        found = list(dead_messages)
        dead_messages.redrive(found[:5], queue)
        dead_messages.delete(found[5:7])
    assert (visible(sqs, dead), visible(sqs, queue)) == (5, 5)
    kept = {dead_message.body for dead_message in found[7:]}
    assert set(bodies(sqs, dead)) == kept


def test_a_failed_deletion_does_not_stop_others(sqs: Any, dead: str) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(30)])
    calls, never = count(1), threading.Event()
    failed = [{"Id": str(number), "SenderFault": True, "Code": "No"} for number in range(10)]

    def refuse(**_: Any) -> Any:
        if next(calls) == 1:
            return SimpleNamespace(status_code=200), {"Failed": failed}
        return never.wait(0.1) or None  # the others take longer

    sqs.meta.events.register("before-call.sqs.DeleteMessageBatch", refuse)
    with lease(sqs, dead) as dead_messages:
        found = list(dead_messages)
        with pytest.raises(RefusedError, match="SQS did not delete 10 dead letters: No"):
            dead_messages.delete(found)
        assert queues.depth(sqs, dead).depth == 10


@pytest.mark.parametrize("what", ["move", "delete"])
def test_messages_no_longer_leased_are_ignored(sqs: Any, dead: str, queue: str, what: str) -> None:
    """A message with several photos may be redriven for each of them."""
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(15)])
    with lease(sqs, dead) as dead_messages:
        found = list(dead_messages)

        def act(some: list[Any]) -> None:
            dead_messages.redrive(some, queue) if what == "move" else dead_messages.delete(some)

        act(found[:3])
        act(found[2:5] + found[2:12])
        act(found[:12])
    assert visible(sqs, dead) == 3
    assert visible(sqs, queue) == (12 if what == "move" else 0)


def test_a_message_is_always_in_at_least_one_queue(sqs: Any, dead: str, queue: str) -> None:
    """If interrupted between the two steps, it is in both."""
    put(sqs, dead, body("a.jpg"))

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    sqs.meta.events.register("before-call.sqs.DeleteMessageBatch", interrupt)

    def move() -> None:
        with lease(sqs, dead) as dead_messages:
            dead_messages.redrive(dead_messages, queue)

    with pytest.raises(KeyboardInterrupt):
        move()
    assert (visible(sqs, dead), visible(sqs, queue)) == (1, 1)


@given(st.lists(st.integers(0, 300_000), max_size=40))
def test_batches_respect_the_request_size(sizes: list[int]) -> None:
    dead_messages: Any = [
        SimpleNamespace(body="x" * size, number=number) for number, size in enumerate(sizes)
    ]
    batches = list(dead_letters._batches(dead_messages))
    assert [dead_message for batch in batches for dead_message in batch] == dead_messages
    for batch in batches:
        assert 1 <= len(batch) <= 10
        assert (
            len(batch) == 1 or sum(len(dead_message.body) for dead_message in batch) <= 256 * 1024
        )
