"""What is not amiss yet: photos that are young, or wait, or change while they are looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from labelctl import contract, verify
from labelctl.inventory import Inventory
from labelctl.verify import Progress
from tests.unit.verify_world import (
    BEGIN,
    HOUR,
    STACK,
    Later,
    World,
    check,
    incomplete,
    kinds,
    leftovers,
)


@pytest.fixture(params=[1, 2, 3, 1000])
def world(request: pytest.FixtureRequest) -> World:
    """An empty world, with pages of several sizes."""
    return World(request.param)


# ---- what waits


def test_a_young_photo_waits_though_the_queue_seems_empty(world):
    world.put("new.jpg", at=BEGIN - timedelta(seconds=110))
    world.put("old.jpg", at=BEGIN - timedelta(seconds=121))
    findings, summary = check(world)
    assert kinds(findings) == {"old.jpg": "missing"}
    assert (summary.photos, summary.waiting) == (2, 1)


@pytest.mark.parametrize("depths", [[4], [0, 4], [0, 0, 4]])
def test_while_the_queue_holds_anything_a_photo_waits(world, depths):
    """SQS counts approximately: once in three looks is enough."""
    world.put("a.jpg")
    world.put("b.jpg", "v2")
    world.labelled("b.jpg", version_id="v1")
    world.labelled("gone.jpg")
    leftovers(world)
    incomplete_ = "c.jpg"
    world.put(incomplete_)
    world.header(incomplete_, label_count=3)
    world.depths = [*depths, 0]

    findings, summary = check(world)

    assert kinds(findings) == {incomplete_: "incomplete"}  # which no message excuses
    assert (summary.photos, summary.waiting, summary.cleanups) == (4, 2, 2)
    assert (summary.lost, summary.messages) == (0, 4)
    assert summary.labelled == 1


def test_what_has_waited_for_too_long_is_missing_whatever_the_queue_holds(world):
    world.put("a.jpg", at=BEGIN - timedelta(hours=50))
    world.put("b.jpg", at=BEGIN - timedelta(hours=40))
    world.depths = [1]
    findings, summary = check(world, overdue=45 * HOUR)
    [finding] = findings
    assert (finding.image, finding.detail) == ("a.jpg", "It has had no result for 2 days.")
    assert summary.waiting == 1
    world.put("new.jpg", at=BEGIN + timedelta(seconds=1))  # by a clock that tells parts of seconds
    assert check(world, overdue=0)[1].amiss == {"missing": 3}
    assert check(world, overdue=100 * HOUR)[1].amiss == {}


def test_the_age_is_told_by_the_clock_of_s3_and_not_by_this_machines(world):
    """Both ways: a machine that is an hour behind or ahead."""
    date = BEGIN.strftime("%a, %d %b %Y %H:%M:%S GMT")
    pages = world._list_object_versions_pages

    def dated(**request):
        for page in pages(**request):
            yield {**page, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    world._list_object_versions_pages = dated
    world.put("new.jpg", at=BEGIN - timedelta(seconds=60))
    world.put("old.jpg", at=BEGIN - timedelta(seconds=180))
    for wrong in (-HOUR, HOUR):
        findings, _ = check(world, clock=Later(BEGIN.timestamp() + wrong))
        assert kinds(findings) == {"old.jpg": "missing"}
    findings, _ = check(world, clock=Later(BEGIN.timestamp(), passed=90))
    assert kinds(findings) == {"old.jpg": "missing", "new.jpg": "missing"}


def test_a_long_listing_makes_no_photo_older(world):
    """What S3's clock tells is held against this machine's of the same moment."""
    clock = Later()
    pages = world._list_object_versions_pages

    def slow(**request):
        for page in pages(**request):
            date = format_datetime(datetime.fromtimestamp(clock(), UTC), usegmt=True)
            yield {**page, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}
            clock.sleep(100)

    world._list_object_versions_pages = slow
    for number in range(6):
        world.put(f"{number}.jpg")
        world.labelled(f"{number}.jpg")
    last = 100 * -(-7 // world.page)
    world.put("new.jpg", at=BEGIN + timedelta(seconds=last - 60))
    findings, summary = check(world, clock=clock)
    assert (findings, summary.waiting) == ([], 1)


# ---- more waits than the queue holds


@pytest.mark.parametrize(("messages", "lost"), [(1, 4), (4, 1), (5, 0), (100, 0)])
def test_what_waits_without_a_message_for_each_is_lost(world, messages, lost):
    for number in range(3):
        world.put(f"{number}.jpg")
    world.remove("gone.jpg")
    world.labelled("gone.jpg")
    world.put("replaced.jpg", "v2")
    world.labelled("replaced.jpg", version_id="v1")
    world.put("young.jpg", at=BEGIN)  # S3 may not have told of it yet
    world.depths = [messages]
    findings, summary = check(world)
    assert findings == []
    assert (summary.waiting, summary.cleanups) == (5, 1)
    assert (summary.lost, summary.messages) == (lost, messages)


@pytest.mark.parametrize("depths", [[1, 3], [1, 1, 3, 1], [3, 1]])
def test_what_the_queue_holds_is_the_most_that_it_was_seen_to_hold(world, depths):
    for number in range(3):
        world.put(f"{number}.jpg")
    world.depths = [*depths]
    assert check(world)[1].lost == 0


def test_a_photo_grown_old_while_it_was_listed_is_not_lost(world):
    """Its message may have come to the queue after that was counted."""
    world.put("x.jpg", at=BEGIN - timedelta(seconds=100))
    world.put("y.jpg", at=BEGIN - timedelta(seconds=100))
    world.depths = [1]
    clock = Later()
    world.before["batch_get_item"] = lambda: clock.sleep(60)
    assert check(world, clock=clock)[1].lost == 0


# ---- what may be young, for all that is known


def gone_for_good(world):
    world.labelled("x.jpg")


def uploaded_in_parts(world):
    world.put("x.jpg", etag="e-2")


@pytest.fixture(params=[gone_for_good, uploaded_in_parts])
def unsure(request, world):
    request.param(world)
    return world


def test_it_is_looked_at_again_when_it_cannot_be_young_any_more(unsure):
    clock = Later()
    [finding], summary = check(unsure, clock=clock)
    assert finding.kind in ("orphaned", "missing")
    assert (summary.waiting, summary.cleanups, summary.lost) == (0, 0, 0)
    assert 120 <= clock.slept < 130


def test_the_second_look_finds_it_well(unsure):
    clock = Later()

    def settles():
        if clock.slept > 5:
            if unsure.versions:
                unsure.labelled("x.jpg")
            else:
                unsure.rows.clear()

    unsure.before["get_queue_attributes"] = settles
    findings, summary = check(unsure, clock=clock)
    assert findings == []
    assert summary.photos == summary.labelled == len(unsure.versions)


def test_what_changed_between_the_looks_is_young(unsure):
    clock = Later()
    unsure.before["look"] = lambda: clock.slept > 5 and unsure.put("x.jpg", "v9", etag="e-9")
    findings, summary = check(unsure, clock=clock)
    assert (findings, summary.photos, summary.waiting) == ([], 1, 1)


def test_it_is_told_at_once_if_nothing_is_to_be_waited_for(unsure):
    clock = Later()
    findings, _ = check(unsure, clock=clock, overdue=0)
    assert len(findings) == 1
    assert clock.slept <= 1  # for the queue's counts


def test_one_that_changed_since_the_listing_has_as_much_time(world):
    world.put("x.jpg", etag="e-1")
    clock = Later()

    def happens():
        if world.calls["get_queue_attributes"] == 1:
            clock.sleep(100)
            world.put("x.jpg", "v2", etag="e-2")
        elif clock.slept > 200:
            world.labelled("x.jpg", version_id="v2")

    world.before["get_queue_attributes"] = happens
    findings, summary = check(world, clock=clock)
    assert (findings, summary.labelled) == ([], 1)


def test_nobody_waits_for_longer_than_it_takes_to_be_overdue(world):
    gone_for_good(world)
    clock = Later()
    findings, _ = check(world, clock=clock, overdue=30)
    assert len(findings) == 1
    assert 30 <= clock.slept < 40


def test_it_is_told_at_once_if_it_was_listed_so_long_ago(unsure):
    clock = Later()
    unsure.before["scan"] = lambda: clock.sleep(121)
    findings, _ = check(unsure, clock=clock)
    assert len(findings) == 1
    assert clock.slept < 5 * 121 * 4
    assert "look" in unsure.calls
    assert unsure.calls["get_queue_attributes"] == 4  # not twice


def test_nobody_waits_for_it_if_the_queue_has_a_message_for_it(unsure):
    clock = Later()
    unsure.depths = [1]
    findings, summary = check(unsure, clock=clock)
    assert findings == []
    assert (summary.waiting + summary.cleanups, summary.lost, clock.slept) == (1, 0, 0)


def test_two_with_one_message_are_looked_at_again_and_one_is_lost(world):
    gone_for_good(world)
    world.put("y.jpg", etag="e-2")
    world.depths = [1]
    clock = Later()
    findings, summary = check(world, clock=clock)
    assert findings == []
    assert (summary.waiting, summary.cleanups, summary.lost) == (1, 1, 1)
    assert clock.slept > 120


def test_nobody_waits_where_all_is_well_or_waits_or_is_certain(world):
    world.put("well.jpg", etag="e-2")
    world.labelled("well.jpg")
    world.put("young.jpg", at=BEGIN)
    world.put("missing.jpg")
    clock = Later()
    findings, _ = check(world, clock=clock)
    assert kinds(findings) == {"missing.jpg": "missing"}
    assert clock.slept <= 1


def test_the_second_look_is_told_as_progress_and_repairs(unsure):
    clock = Later()
    steps = list(verify.verify(unsure, STACK, repair=True, clock=clock, sleep=clock.sleep))
    words = [step.words for step in steps if isinstance(step, Progress)]
    assert sum(told.startswith("looking again in ") for told in words) > 100
    assert words[-1] == "Looking again"
    assert [event.key for event in unsure.sent] == ["x.jpg"]


# ---- dead letters that nobody could see


def test_a_photo_does_not_wait_for_sure_while_another_holds_dead_letters(world):
    world.put("x.jpg")
    world.put("y.jpg")
    world.depths = [1]
    world.hidden = 1
    findings, summary = check(world)
    assert findings == []
    assert (summary.waiting, summary.unclear, summary.lost) == (0, 2, 0)


# ---- everything moves


def test_a_photo_labelled_since_the_scan_is_labelled(world):
    world.put("x.jpg")
    world.before["get_queue_attributes"] = lambda: world.labelled("x.jpg")
    findings, summary = check(world)
    assert (findings, summary.labelled, summary.photos) == ([], 1, 1)


def test_a_photo_labelled_while_it_is_looked_at_is_labelled(world):
    world.put("x.jpg")
    world.before["query"] = lambda: world.labelled("x.jpg")
    findings, summary = check(world)
    assert (findings, summary.labelled, summary.photos) == ([], 1, 1)


@pytest.mark.parametrize("when", ["scan", "get_queue_attributes", "batch_get_item", "query"])
def test_a_photo_removed_meanwhile_is_not_missed(world, when):
    world.put("x.jpg")
    world.before[when] = lambda: world.remove("x.jpg", at=BEGIN)
    findings, summary = check(world)
    assert (findings, summary.photos) == ([], 0)


def test_a_photo_replaced_meanwhile_waits(world):
    world.put("x.jpg", "v1")
    world.before["look"] = lambda: world.put("x.jpg", "v2", at=BEGIN)
    findings, summary = check(world)
    assert (findings, summary.waiting, summary.photos) == ([], 1, 1)


def test_a_photo_that_came_after_the_listing_is_counted_when_it_is_met(world):
    def comes():
        if "x.jpg" not in world.versions:
            world.put("x.jpg", at=BEGIN)
            world.labelled("x.jpg")

    world.before["scan"] = comes
    findings, summary = check(world)
    assert findings == []
    assert summary.photos == summary.labelled <= 1  # its segment may have been read before


def test_an_incomplete_result_is_told_only_if_it_is_so_twice(world):
    incomplete(world)
    looks = iter([None, lambda: world.labelled("x.jpg", count=2, number=7)])
    world.before["query"] = lambda: (happens := next(looks, None)) and happens()
    world.rows["x.jpg"].pop(next(row for row in world.rows["x.jpg"] if row != "#"))
    findings, _ = check(world)
    # The new result stands with the rows of the old one, which the function has yet to sweep.
    assert kinds(findings) == {"x.jpg": "leftovers"}


def test_left_overs_that_are_swept_while_they_are_looked_at_are_not_told(world):
    """The header is the same all the while."""
    leftovers(world)
    old = contract.pad_sequencer("1")

    def swept():
        if world.calls["query"] == 2:
            rows = world.rows["x.jpg"]
            world.rows["x.jpg"] = {row: rows[row] for row in rows if not row.startswith(old)}

    world.before["query"] = swept
    findings, summary = check(world)
    assert (findings, summary.labelled, summary.photos) == ([], 1, 1)


def test_a_photo_that_never_stands_still_is_being_worked_on(world):
    incomplete(world)
    world.labels("x.jpg", contract.pad_sequencer("F000") + ".aa", 1)  # so all requests are alike
    numbers = iter(range(2, 1000))
    world.before["query"] = lambda: world.header("x.jpg", next(numbers), label_count=9)
    findings, summary = check(world)
    assert (findings, summary.waiting, summary.photos) == ([], 1, 1)


def test_rows_of_one_photo_that_come_apart_cost_a_look_and_nothing_else(world):
    """DynamoDB keeps them together, but nothing told leans on it."""
    world.put("x.jpg")
    world.labelled("x.jpg", count=3)
    scan = world.scan

    def torn(**request):
        answer = scan(**request)
        answer["Items"] = [item for item in answer["Items"] if item["row"]["S"] == "#"] + [
            {"image": {"S": "between.jpg"}, "row": {"S": "#"}, "status": {"S": "removed"}},
            *(item for item in answer["Items"] if item["row"]["S"] != "#"),
        ]
        return answer

    world.scan = torn
    findings, summary = check(world)
    assert (findings, summary.labelled, summary.photos) == ([], 1, 1)
    assert world.calls["query"] == 1


def test_a_doubt_about_rows_is_not_lost():
    with Inventory() as photos:
        for rows in (True, False):
            photos.doubt([("x.jpg", rows)])
        [[doubt]] = photos.doubtful(10)
    assert doubt.rows
