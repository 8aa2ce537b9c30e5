"""`verify` and dead letters: which ones explain a problem, and which are redriven."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from labelctl.operations import dead_letters
from labelctl.operations.verify import verify
from tests.unit.verify_world import World, kinds


@pytest.fixture
def world() -> World:
    """An empty world with small pages."""
    return World(page=2)


# ---- which of them count


def test_a_dead_letter_is_found_with_its_reason_and_redriven(world):
    event = world.put("x.jpg")
    world.record_failure(event, "AccessDeniedException", "Rekognition may not read the photo.")
    world.label(world.put("a.jpg"))

    [finding], summary = world.check()
    assert (finding.kind, finding.image) == ("dead_letter", "x.jpg")
    assert finding.detail == (
        "Dead letter. AccessDeniedException: Rekognition may not read the photo."
    )
    assert (summary.photos, summary.labelled) == (2, 1)
    assert len(world.sqs.bodies("dead")) == 1
    assert world.sqs.take("dead")  # released: anybody may see it

    world.sqs = type(world.sqs)()
    world.record_failure(event)
    [finding], _ = world.check(repair=True)
    assert re.fullmatch(r"Dead letter\. The function failed or was stopped .*\.", finding.detail)
    assert finding.repaired
    assert world.requests() == [("created", "x.jpg", event.sequencer)]
    assert world.sqs.bodies("dead") == []


def test_the_dead_letter_of_a_removal(world):
    world.label(world.put("x.jpg"))
    event = world.remove("x.jpg")
    world.record_failure(event)
    [finding], summary = world.check(repair=True)
    assert (finding.kind, summary.photos) == ("dead_letter", 0)
    assert world.requests() == [("removed", "x.jpg", event.sequencer)]


def test_a_dead_letter_that_would_not_help_stays_and_a_request_is_sent(world):
    older = world.put("x.jpg")
    world.put("x.jpg", "another picture")
    world.record_failure(older)
    [finding], _ = world.check(repair=True)
    assert finding.kind == "missing"
    assert [kind for kind, *_ in world.requests()] == ["requested"]
    assert len(world.sqs.bodies("dead")) == 1


def test_of_several_dead_letters_only_the_useful_one_is_redriven(world):
    world.record_failure(world.put("x.jpg"))
    event = world.put("x.jpg", "another picture")
    world.record_failure(event, "Newer", "It is of the newer one.")
    [finding], _ = world.check(repair=True)
    assert finding.detail == "Dead letter. Newer: It is of the newer one."
    assert world.requests() == [("created", "x.jpg", event.sequencer)]
    assert len(world.sqs.bodies("dead")) == 1


def test_a_dead_letter_of_a_photo_without_a_problem_is_left_alone(world):
    event = world.put("well.jpg")
    world.record_failure(event)
    world.label(event)
    world.sqs.send("dead", "not an event")
    world.record_failure(world.put("x.jpg"))
    findings, _ = world.check(repair=True)
    assert kinds(findings) == {"x.jpg": "dead_letter"}
    assert len(world.sqs.bodies("dead")) == 2


# ---- while others read or redrive them


def test_a_photo_redriven_before_the_read_is_waiting(world):
    event = world.put("x.jpg")
    world.record_failure(event)

    def moved():
        message = world.sqs.take("dead")
        world.sqs.delete("dead", message)
        world.queue(event)

    world.once("ReceiveMessage", moved)
    findings, summary = world.check()
    assert (findings, summary.waiting) == ([], 1)


def test_a_photo_that_is_given_up_and_labelled_by_a_retry_is_ok(world):
    event = world.put("x.jpg")
    world.record_failure(event)

    def retried():
        world.label(event)

    world.once("BatchGetItem", retried)
    findings, summary = world.check()
    assert (findings, summary.labelled) == ([], 1)


def test_dead_letters_leased_by_another_command_are_reported_as_unread(world):
    world.record_failure(world.put("x.jpg"))
    world.sqs.take("dead")
    findings, summary = world.check()
    assert kinds(findings) == {"x.jpg": "missing"}
    assert summary.unseen.hidden == 1
    assert not world.check(prefix="y")[1].unseen  # they do not matter without a problem


def test_a_dead_letter_is_leased_until_it_was_redriven(world):
    """Otherwise another command could receive it, and nothing would be repaired."""
    event = world.put("x.jpg")
    world.record_failure(event)
    taken: list[Any] = []
    world.once("SendMessageBatch", lambda: taken.append(world.sqs.take("dead")))
    [finding], _ = world.check(repair=True)
    assert finding.repaired
    assert taken == [None]
    assert world.requests() == [("created", "x.jpg", event.sequencer)]
    assert world.sqs.bodies("dead") == []


def test_dead_letters_beyond_the_lease_limit_are_reported_as_unread(world, monkeypatch):
    monkeypatch.setattr(verify, "lease", partial(dead_letters.lease, limit=2))
    for number in range(4):
        world.record_failure(world.put(f"{number}.jpg"))
    findings, summary = world.check()
    assert summary.unseen.cut_off
    assert sorted(finding.kind for finding in findings) == [*["dead_letter"] * 2, *["missing"] * 2]
