"""What has waited for longer than the stack's alarm age: it may be lost, or the queue be that long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labelctl import contract
from tests.unit.verify_world import BEGIN, HOUR, Later, World, check, kinds

LATE = BEGIN - timedelta(hours=13)
NOT_YET = BEGIN - timedelta(hours=11)


@pytest.fixture(params=[1, 3, 1000])
def world(request: pytest.FixtureRequest) -> World:
    """Four late photos, one of them replaced, and what is left of one; pages of several sizes."""
    world = World(request.param)
    for number in range(3):
        world.put(f"{number}.jpg", at=LATE)
    world.put("3.jpg", "v2", at=LATE)
    world.labelled("3.jpg")
    world.labelled("gone.jpg")
    world.remove("gone.jpg", at=LATE)
    return world


def dear(world: World) -> int:
    return world.calls["look"] + world.calls["query"]


@pytest.mark.parametrize("repair", [False, True])
def test_they_wait_while_the_queue_has_a_message_for_each(world, repair):
    world.depths = [5]
    findings, summary = check(world, repair=repair)
    assert (findings, world.sent) == ([], [])
    assert (summary.waiting, summary.cleanups, summary.late, summary.lost) == (4, 1, 5, 0)
    assert dear(world) == 0


def test_where_messages_are_too_few_nobody_knows_which_are_lost(world):
    world.depths = [3]
    findings, summary = check(world)
    assert findings == []
    assert (summary.waiting, summary.cleanups, summary.late) == (4, 1, 5)
    assert (summary.lost, summary.messages) == (2, 3)
    assert dear(world) == 0


def test_a_repair_queues_all_of_them_then(world):
    world.put("waits.jpg", at=NOT_YET)
    world.depths = [3]
    clock = Later()
    findings, summary = check(world, repair=True, clock=clock)
    expected = {f"{number}.jpg": "missing" for number in range(3)}
    assert kinds(findings) == expected | {"3.jpg": "outdated", "gone.jpg": "orphaned"}
    assert all(finding.repaired for finding in findings)
    assert findings[0].detail == "It has had no result for 13 hours."
    assert {event.key for event in world.sent} == {finding.image for finding in findings}
    assert (summary.waiting, summary.late, summary.lost) == (1, 0, 0)
    assert clock.slept <= 5  # for the queue's counts: none of them is young


def test_what_a_repair_cannot_explain_by_the_late_is_lost(world):
    for number in range(6):
        world.put(f"waits{number}.jpg", at=NOT_YET)
    world.depths = [4]
    findings, summary = check(world, repair=True)
    assert len(findings) == 5
    assert (summary.waiting, summary.late, summary.lost) == (6, 0, 2)


def test_one_that_was_labelled_until_then_is_well(world):
    world.depths = [3]
    world.before["look"] = lambda: world.labelled("0.jpg")
    world.before["query"] = lambda: world.labelled("0.jpg")
    findings, summary = check(world, repair=True)
    assert (len(findings), summary.labelled) == (4, 1)


@pytest.mark.parametrize("depths", [[1, 1, 5], [1, 1, 1, 5, 1]])
def test_the_queue_is_counted_again_before_any_is_called_lost(world, depths):
    world.depths = [*depths]
    assert check(world, repair=True)[1].late == 5


def test_those_that_wait_for_less_need_a_message_too(world):
    world.put("waits.jpg", at=NOT_YET)
    world.depths = [5]
    assert check(world)[1].lost == 1
    assert len(check(world, repair=True)[0]) == 5


def test_where_the_queue_is_empty_they_are_lost(world):
    findings, summary = check(world)
    assert len(findings) == 5
    assert (summary.waiting, summary.late, summary.lost) == (0, 0, 0)


def test_an_order_is_an_order(world):
    """With `--overdue`, whatever the queue holds."""
    world.depths = [100]
    assert len(check(world, overdue=12 * HOUR)[0]) == 5
    summary = check(world, overdue=14 * HOUR)[1]
    assert (summary.amiss, summary.waiting, summary.late) == ({}, 4, 0)


def test_nobody_knows_while_another_holds_dead_letters(world):
    world.depths = [1]
    world.hidden = 1
    findings, summary = check(world, repair=True)
    assert findings == []
    assert (summary.unclear, summary.waiting, summary.cleanups) == (4, 0, 1)
    assert (summary.late, summary.lost) == (0, 0)
    assert dear(world) == 0


def test_one_with_a_result_and_left_overs_is_not_late(world):
    world.put("x.jpg", at=LATE)
    world.labelled("x.jpg", number=2)
    world.labels("x.jpg", contract.pad_sequencer("1") + ".aa", 2)
    world.depths = [6]
    findings, summary = check(world)
    assert findings == []
    assert (summary.cleanups, summary.late, summary.labelled) == (2, 5, 1)


# ---- beside those of which nothing tells how young they are


def unsure(world: World, count: int) -> None:
    for number in range(count):
        world.labelled(f"unsure{number}.jpg")


def test_nobody_waits_where_there_are_messages_enough(world):
    unsure(world, 2)
    world.depths = [5]
    clock = Later()
    summary = check(world, repair=True, clock=clock)[1]
    assert (summary.cleanups, summary.late, summary.lost, clock.slept) == (3, 5, 0, 0)


def test_all_are_looked_at_again_when_none_can_be_young(world):
    unsure(world, 2)
    world.depths = [1]
    clock = Later()
    findings, summary = check(world, repair=True, clock=clock)
    assert len(findings) == 5
    assert (summary.cleanups, summary.late, summary.lost) == (2, 0, 1)
    assert 120 <= clock.slept < 130


def test_a_second_look_leaves_the_first_looks_numbers_alone(world):
    unsure(world, 2)
    world.depths = [1, 1, 1, 1, 1, 3]
    findings, summary = check(world)
    assert (len(findings), summary.cleanups, summary.lost) == (5, 2, 0)


def test_an_upload_in_parts_that_began_long_ago_may_have_ended_just_now():
    world = World()
    world.put("x.jpg", at=LATE, etag="e-2")
    clock = Later()
    world.before["get_queue_attributes"] = lambda: clock.slept > 5 and world.labelled("x.jpg")
    findings, summary = check(world, clock=clock)
    assert (findings, summary.labelled) == ([], 1)
    assert 120 <= clock.slept < 130
