"""Waiting for photos: each is told of once, when it is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelctl import contract, results
from labelctl.errors import WaitTimeoutError
from labelctl.results import Awaited
from tests.unit.photo_rows import NOW, event, labelled


@pytest.fixture
def label(stored):
    """Stores the labels of a photo's version."""
    return lambda *of, **more: stored(*labelled(*of, **more))


class Clock:
    """Time that passes by sleeping, and things that happen meanwhile."""

    def __init__(self):
        self.now, self.naps, self.plans = 1000.0, [], []

    def __call__(self):
        return self.now

    def at(self, second, happens):
        self.plans.append((self.now + second, happens))

    def sleep(self, seconds):
        self.now += seconds
        self.naps.append(seconds)
        due = [each for each in self.plans if each[0] <= self.now]
        self.plans = [each for each in self.plans if each not in due]
        for _, happens in due:
            happens()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wait(dynamodb, table, clock):
    def waiting(sent, patience=60, now=None):
        there = {photo.key: photo for photo in sent}
        return results.wait(
            dynamodb,
            table,
            sent,
            patience=patience,
            now=now or there.get,
            sleep=clock.sleep,
            clock=clock,
        )

    return waiting


def keys(photos):
    return [photo.key for photo in photos]


def test_what_is_done_already_is_told_at_once(label, wait, clock):
    label(event("a.jpg"))
    assert keys(wait([Awaited("a.jpg", "v1", "e1")])) == ["a.jpg"]
    assert clock.naps == []


def test_nothing_to_wait_for(wait, clock):
    assert list(wait([])) == []


def test_each_is_told_once_when_it_is_done(label, stored, wait, clock):
    sent = [Awaited(f"{number}.jpg", "v1", "e1") for number in range(3)]
    label(event("0.jpg", version_id="v0", etag="e0"))  # of an earlier version: to be waited for
    failed = contract.failed_header(event("2.jpg"), "v.aa", "TooLarge", "It is too large.", NOW)
    clock.at(1, lambda: stored(failed))
    clock.at(50, lambda: label(event("1.jpg")))
    clock.at(100, lambda: label(event("0.jpg", number=2)))
    assert keys(wait(sent, patience=60)) == ["2.jpg", "1.jpg", "0.jpg"]


def test_patience_is_counted_from_the_last_news(label, wait, clock):
    clock.at(50, lambda: label(event("a.jpg")))
    told = wait([Awaited("a.jpg", "v1", "e1"), Awaited("b.jpg", "v1", "e1")], patience=60)
    assert next(told).key == "a.jpg"
    with pytest.raises(WaitTimeoutError, match="1 photo still waiting after 60 s"):
        next(told)
    assert 110 <= clock.now - 1000 < 115


def test_it_asks_less_and_less_often(wait, clock):
    with pytest.raises(WaitTimeoutError):
        list(wait([Awaited("a.jpg", "v1", "e1")], patience=30))
    assert clock.naps[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert max(clock.naps) == 2.0
    assert len(clock.naps) < 30


def test_more_photos_than_are_asked_about_at_once(label, wait, clock, dynamodb):
    sent = [Awaited(f"{number:03}.jpg", "v1", "e1") for number in range(310)]
    asked = []
    dynamodb.meta.events.register(
        "before-parameter-build.dynamodb.BatchGetItem",
        lambda params, **_: asked.append(len(next(iter(params["RequestItems"].values()))["Keys"])),
    )
    for each in sent[:309]:
        label(event(each.key), {"Labels": []})
    clock.at(1, lambda: label(event(sent[309].key), {"Labels": []}))
    assert keys(wait(sent)) == keys(sent)
    assert asked[:4] == [100, 100, 100, 10]


def test_a_photo_that_is_replaced_meanwhile_is_told_of_as_what_it_is_now(label, wait):
    label(event("a.jpg", version_id="v2", etag="e2"))
    newer = Awaited("a.jpg", "v2", "e2")
    assert list(wait([Awaited("a.jpg", "v1", "e1")], now=lambda key: newer)) == [newer]


def test_a_photo_that_is_removed_meanwhile_is_not_waited_for(label, wait, clock):
    sent = [Awaited("a.jpg", "v1", "e1"), Awaited("b.jpg", "v1", "e1")]
    clock.at(20, lambda: label(event("b.jpg")))
    told = wait(sent, now=lambda key: None if key == "a.jpg" else sent[1])
    assert keys(told) == ["b.jpg"]


def test_many_that_are_stuck_do_not_hide_the_others(label, wait, clock):
    sent = [Awaited(f"{number:03}.jpg", "v1", "e1") for number in range(700)]
    clock.at(1, lambda: label(event("699.jpg"), {"Labels": []}))
    assert next(wait(sent)).key == "699.jpg"


def test_keys_that_dynamodb_leaves_over_are_asked_for_again(table):
    """It may answer a part only, when it is busy or the answer is large."""
    header = {
        "image": {"S": "a.jpg"},
        "status": {"S": "labelled"},
        "sequencer": {"S": "1"},
        "version_id": {"S": "v1"},
    }
    other = {**header, "image": {"S": "b.jpg"}}
    answers = [
        {"Responses": {"labels": [header]}, "UnprocessedKeys": {"labels": {"Keys": ["b"]}}},
        {"Responses": {"labels": [other]}, "UnprocessedKeys": {}},
    ]

    class Busy:
        def batch_get_item(self, RequestItems, **_):  # noqa: N803
            return answers.pop(0)

    sent = [Awaited("a.jpg", "v1", None), Awaited("b.jpg", "v1", None)]
    assert keys(results.wait(Busy(), "labels", sent, patience=1, now=None)) == ["a.jpg", "b.jpg"]


def test_the_same_photo_twice_is_asked_for_once(label, wait):
    label(event("a.jpg"))
    twice = [Awaited("a.jpg", "v1", "e1")] * 2  # DynamoDB refuses a key twice in one question
    assert keys(wait(twice)) == ["a.jpg", "a.jpg"]


def test_an_older_result_is_no_answer_to_a_request(label, wait, dynamodb, table):
    """A photo that was asked for again is waited for although the same version has a result."""
    label(event("a.jpg"))
    asked = Awaited("a.jpg", "v1", "e1", contract.next_sequencer(contract.pad_sequencer("1")))
    same = Awaited("a.jpg", "v1", "e1")
    with pytest.raises(WaitTimeoutError):
        list(wait([asked], now=lambda key: same))
    label(replace(event("a.jpg"), sequencer=asked.sequencer))
    assert list(wait([asked])) == [asked]
