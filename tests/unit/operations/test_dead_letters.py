"""The dead-letter queue is read without losing anything, whatever happens while it is."""

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
from labelctl.operations.dead_letters import Unseen, lease
from tests.lambda_runtime import s3_record
from tests.unit.queue_world import bodies, body, put, visible

# ---- reading


def test_an_empty_queue(sqs: Any, dead: str) -> None:
    with lease(sqs, dead) as letters:
        assert list(letters) == []
    assert not letters.more


def test_what_a_dead_letter_tells(sqs: Any, dead: str) -> None:
    sent = body("a b.jpg")
    message_id = put(sqs, dead, sent, error="AccessDenied", reason="The function may not.")
    with lease(sqs, dead) as letters:
        (letter,) = letters
    assert letter.message_id == message_id
    assert letter.images == ("a b.jpg",)
    assert [event.sequencer for event in letter.events] == [s3_events.pad_sequencer("1")]
    assert (letter.error, letter.reason) == ("AccessDenied", "The function may not.")
    assert letter.sent_at.startswith("20")
    assert letter.sent_at.endswith("Z")
    assert letter.receives == 1
    assert letter.body == sent


def test_one_that_sqs_itself_set_aside_has_no_code_but_a_sentence(sqs: Any, dead: str) -> None:
    put(sqs, dead, body("a.jpg"))
    with lease(sqs, dead) as letters:
        (letter,) = letters
    assert (letter.error, letter.reason) == ("", dead_letters.NO_REASON)


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
def test_one_that_tells_of_no_photo(sqs: Any, dead: str, text: str) -> None:
    put(sqs, dead, text)
    with lease(sqs, dead) as letters:
        (letter,) = letters
    assert letter.images == letter.events == ()
    assert letter.body == text


def test_each_is_told_once_and_given_back(sqs: Any, dead: str) -> None:
    ids = {put(sqs, dead, body(f"{number}.jpg")) for number in range(57)}
    for _ in range(2):
        with lease(sqs, dead) as letters:
            found = [letter.message_id for letter in letters]
            assert visible(sqs, dead) == 0
        assert len(found) == len(ids)
        assert set(found) == ids
        assert not letters.more
        assert visible(sqs, dead) == len(ids)


def test_a_reason_that_thousands_share_is_kept_once(sqs: Any, dead: str) -> None:
    for number in range(3):
        put(sqs, dead, body(f"{number}.jpg"), error="AccessDenied", reason="The function may not.")
    with lease(sqs, dead) as letters:
        found = list(letters)
    assert len({id(letter.error) for letter in found}) == 1
    assert len({id(letter.reason) for letter in found}) == 1


def test_few_requests_are_made_for_few_letters(sqs: Any, dead: str) -> None:
    put(sqs, dead, body("a.jpg"))
    made: list[str] = []
    sqs.meta.events.register("before-call.sqs", lambda model, **_: made.append(model.name))
    with lease(sqs, dead) as letters:
        list(letters)
    assert len(made) <= 4
    assert made.count("ChangeMessageVisibilityBatch") == 1


@pytest.mark.parametrize("limit", [1, 10, 25])
def test_no_more_are_held_than_the_limit(sqs: Any, dead: str, limit: int) -> None:
    for number in range(26):
        put(sqs, dead, body(f"{number}.jpg"))
    with lease(sqs, dead, limit) as letters:
        assert len(list(letters)) == limit
        assert letters.more
        assert visible(sqs, dead) == 26 - limit
    assert visible(sqs, dead) == 26


def test_the_limit_is_of_those_held_at_once(sqs: Any, dead: str, queue: str) -> None:
    """So a queue of any length can be emptied in little memory."""
    for number in range(50):
        put(sqs, dead, body(f"{number}.jpg"))
    with lease(sqs, dead, limit=10) as letters:
        for letter in letters:
            letters.redrive([letter], queue)
    assert not letters.more
    assert (visible(sqs, dead), visible(sqs, queue)) == (0, 50)


def test_those_that_are_held_for_long_are_held_anew(
    sqs: Any, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or others would get them, and a receipt that is too old deletes nothing."""
    monkeypatch.setattr(dead_letters, "TICK", 0.001)
    ids = [put(sqs, dead, body(f"{number}.jpg")) for number in range(12)]
    held_anew: Counter[str] = Counter()

    def look(params: Any, **_: Any) -> None:
        told = json.loads(params["body"])["Entries"]
        assert {each["VisibilityTimeout"] for each in told} <= {0, dead_letters.LEASE}
        held_anew.update(each["ReceiptHandle"] for each in told if each["VisibilityTimeout"])

    sqs.meta.events.register("before-call.sqs.ChangeMessageVisibilityBatch", look)
    with lease(sqs, dead, clock=lambda: 2000 * time.monotonic()) as letters:
        found = list(letters)
        letters.delete(found[:2])
        kept = {letter.receipt for letter in found[2:]}
        deadline = time.monotonic() + 60
        while min(held_anew[receipt] for receipt in kept) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        gone = {letter.receipt: held_anew[letter.receipt] for letter in found[:2]}
        most = held_anew[found[2].receipt]
        while held_anew[found[2].receipt] < most + 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # One that was being held anew as it was deleted may be counted once more.
        assert all(held_anew[receipt] <= count + 1 for receipt, count in gone.items())
    assert len(ids) == 12
    assert visible(sqs, dead) == 10
    assert not any(thread.name == "dead-letters-renewer" for thread in threading.enumerate())


# ---- those that others hold


def test_what_somebody_else_holds_is_counted(sqs: Any, dead: str) -> None:
    for number in range(15):
        put(sqs, dead, body(f"{number}.jpg"))
    sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=4)  # and killed
    before = queues.depth(sqs, dead)
    with lease(sqs, dead) as letters:
        assert len(list(letters)) == 11
        assert letters.unread(before) == Unseen(hidden=4)


@pytest.mark.parametrize(
    ("waiting", "in_flight", "limit", "hidden"),
    [
        (3, 0, 10, 0),  # the count is ahead, or one was deleted meanwhile
        (2, 0, 10, 0),
        (0, 2, 10, 0),  # as a command before had them: the count lags behind
        (1, 2, 10, 1),  # one of the two came back meanwhile
        (2, 2, 10, 2),
        (9, 2, 2, 0),  # who knows
    ],
)
def test_counts_that_are_a_little_wrong_raise_no_alarm(
    sqs: Any, dead: str, waiting: int, in_flight: int, limit: int, hidden: int
) -> None:
    for number in range(2):
        put(sqs, dead, body(f"{number}.jpg"))
    with lease(sqs, dead, limit) as letters:
        list(letters)
        assert letters.unread(queues.Queue(waiting, in_flight, 0)).hidden == hidden
        assert letters.more is letters.unread(queues.Queue(0, 0, 0)).cut_off is (limit == 2)


def test_how_it_is_told() -> None:
    assert list(Unseen().sentences()) == []
    assert not Unseen()
    [one, limit] = Unseen(1, cut_off=True).sentences()
    assert one == (
        "1 dead letter is in use by another command, or by one that was killed. "
        "It will be available again within a minute."
    )
    assert limit == (
        "There are more dead letters than can be read at once (limit: 100,000). Some were not read."
    )
    [several] = Unseen(2).sentences()
    assert several.startswith("2 dead letters are in use")
    assert several.endswith(" They will be available again within a minute.")
    [many] = Unseen(dead_letters.SHORT_LEASE_LIMIT + 1).sentences()
    assert many.endswith(" They will be available again within 10 minutes.")
    assert (dead_letters.LEASE, dead_letters.LONG_LEASE) == (60, 600)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_all_are_given_back_when_something_goes_wrong(
    sqs: Any, dead: str, error: type[BaseException]
) -> None:
    for number in range(35):
        put(sqs, dead, body(f"{number}.jpg"))

    def read() -> None:
        with lease(sqs, dead) as letters:
            for _ in letters:
                raise error

    with pytest.raises(error):
        read()
    assert visible(sqs, dead) == 35


def test_what_is_being_received_as_it_goes_wrong_is_given_back_too(sqs: Any, dead: str) -> None:
    for number in range(30):
        put(sqs, dead, body(f"{number}.jpg"))
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
        with lease(sqs, dead) as letters:
            list(letters)

    with pytest.raises(KeyboardInterrupt):
        read()
    assert visible(sqs, dead) == 30


def test_what_went_wrong_first_is_told(sqs: Any, dead: str) -> None:
    put(sqs, dead, body("a.jpg"))

    def read() -> None:
        with lease(sqs, dead) as letters:
            list(letters)
            sqs.delete_queue(QueueUrl=dead)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        read()


# ---- moving and deleting


def test_a_move_sends_the_bodies_as_they_are_and_no_attributes(
    sqs: Any, dead: str, queue: str
) -> None:
    sent = sorted(body(f"{number}.jpg") for number in range(23))
    for text in sent:
        put(sqs, dead, text, error="E", reason="why")
    with lease(sqs, dead) as letters:
        letters.redrive(letters, queue)
    assert visible(sqs, dead) == 0
    answer = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], VisibilityTimeout=0)
    assert "MessageAttributes" not in answer["Messages"][0]
    assert bodies(sqs, queue) == sent


def test_those_that_are_not_chosen_stay(sqs: Any, dead: str, queue: str) -> None:
    for number in range(12):
        put(sqs, dead, body(f"{number}.jpg"))
    with lease(sqs, dead) as letters:
        found = list(letters)
        letters.redrive(found[:5], queue)
        letters.delete(found[5:7])
    assert (visible(sqs, dead), visible(sqs, queue)) == (5, 5)
    kept = {letter.body for letter in found[7:]}
    assert set(bodies(sqs, dead)) == kept


def test_those_that_sqs_will_not_remove_stop_no_others(sqs: Any, dead: str) -> None:
    for number in range(30):
        put(sqs, dead, body(f"{number}.jpg"))
    calls, never = count(1), threading.Event()
    failed = [{"Id": str(number), "SenderFault": True, "Code": "No"} for number in range(10)]

    def refuse(**_: Any) -> Any:
        if next(calls) == 1:
            return SimpleNamespace(status_code=200), {"Failed": failed}
        return never.wait(0.1) or None  # the others take longer

    sqs.meta.events.register("before-call.sqs.DeleteMessageBatch", refuse)
    with lease(sqs, dead) as letters:
        found = list(letters)
        with pytest.raises(RefusedError, match="SQS did not delete 10 dead letters: No"):
            letters.delete(found)
        assert queues.depth(sqs, dead).depth == 10


@pytest.mark.parametrize("what", ["move", "delete"])
def test_those_that_are_not_held_any_more_are_passed_over(
    sqs: Any, dead: str, queue: str, what: str
) -> None:
    """One that tells of several photos may well be moved for each of them."""
    for number in range(15):
        put(sqs, dead, body(f"{number}.jpg"))
    with lease(sqs, dead) as letters:
        found = list(letters)

        def act(some: list[Any]) -> None:
            letters.redrive(some, queue) if what == "move" else letters.delete(some)

        act(found[:3])
        act(found[2:5] + found[2:12])
        act(found[:12])
    assert visible(sqs, dead) == 3
    assert visible(sqs, queue) == (12 if what == "move" else 0)


def test_a_message_is_never_in_neither_queue(sqs: Any, dead: str, queue: str) -> None:
    """Cut off between the two steps, it is in both."""
    put(sqs, dead, body("a.jpg"))

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    sqs.meta.events.register("before-call.sqs.DeleteMessageBatch", interrupt)

    def move() -> None:
        with lease(sqs, dead) as letters:
            letters.redrive(letters, queue)

    with pytest.raises(KeyboardInterrupt):
        move()
    assert (visible(sqs, dead), visible(sqs, queue)) == (1, 1)


@given(st.lists(st.integers(0, 300_000), max_size=40))
def test_a_batch_is_as_large_as_a_request_may_be(sizes: list[int]) -> None:
    letters: Any = [
        SimpleNamespace(body="x" * size, number=number) for number, size in enumerate(sizes)
    ]
    batches = list(dead_letters._batches(letters))
    assert [letter for batch in batches for letter in batch] == letters
    for batch in batches:
        assert 1 <= len(batch) <= 10
        assert len(batch) == 1 or sum(len(letter.body) for letter in batch) <= 256 * 1024
