"""Comparing an idle bucket with the tables: exactly the existing problems are found."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl.contract import s3_events
from labelctl.operations.verify.findings import Progress, Summary
from tests.unit.verify_world import NOW, World, kinds


@pytest.fixture
def world() -> World:
    """An empty world with small pages. `test_in_any_world…` has pages of other sizes."""
    return World(page=2)


# ---- no problems


def test_an_empty_bucket_and_empty_tables(world):
    assert world.check() == ([], Summary(0, 0, 0, 0, 0, {}, 0))


def test_no_problems(world):
    for number in range(5):
        labels = {f"Label {each}": 90.0 for each in range(number)}
        world.label(world.put(f"{number}.jpg"), labels)
    world.fail(world.put("bad.jpg"))
    world.forget(world.remove("gone.jpg"))
    world.put("replaced.jpg")
    world.label(world.put("replaced.jpg", "another picture"))

    assert world.check() == ([], Summary(7, 6, 1, 0, 0, {}, 0))
    read_again = {"BatchGetItem", "look", "ReceiveMessage", "GetQueueAttributes"}
    assert not read_again & world.calls.keys()


def test_a_listing_and_a_scan_are_all_that_it_takes():
    world = World(page=100)
    for number in range(500):
        world.label(world.put(f"{number}.jpg"))
    world.check()
    assert world.calls.keys() == {"ListObjectVersions", "Scan"}
    assert world.calls["ListObjectVersions"] == 5
    assert world.calls["Scan"] <= 5 + 4  # of each segment the last page may be empty


# ---- each problem, made by hand


def missing(world):
    world.put("x.jpg")


def missing_after_a_late_event(world):
    """The function handled the removal of an earlier object after this one was uploaded."""
    world.put("x.jpg")
    world.put("x.jpg", "another picture")
    world.forget(world.remove("x.jpg"))
    world.put("x.jpg", "a third picture")


def stale(world):
    world.label(world.put("x.jpg"))
    world.put("x.jpg", "another picture")


def stale_failure(world):
    world.fail(world.put("x.jpg"))
    world.put("x.jpg", "another picture")


def shown_again(world):
    """The newest version was removed, so the one before it is the photo."""
    first = world.put("x.jpg")
    world.label(first)
    world.label(world.put("x.jpg", "another picture"))
    world.s3._versions["x.jpg"].pop(0)


def orphaned(world):
    world.label(world.put("x.jpg"))
    world.purge("x.jpg")


def orphaned_failure(world):
    world.fail(world.put("x.jpg"))
    world.purge("x.jpg")


def hidden_by_a_marker(world):
    world.label(world.put("x.jpg"))
    world.remove("x.jpg")


DAMAGES = [
    (missing, "missing"),
    (missing_after_a_late_event, "missing"),
    (stale, "stale"),
    (stale_failure, "stale"),
    (shown_again, "stale"),
    (orphaned, "orphaned"),
    (orphaned_failure, "orphaned"),
    (hidden_by_a_marker, "orphaned"),
]


@pytest.mark.parametrize(
    ("damage", "kind"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES]
)
def test_each_problem_is_found_and_one_request_sent_for_it(world, damage, kind):
    for key in ("a.jpg", "x.jpg.old", "z.jpg"):
        world.label(world.put(key))
    damage(world)

    [finding], summary = world.check()
    assert (finding.kind, finding.image, finding.repaired) == (kind, "x.jpg", False)
    assert summary.labelled == 3
    assert summary.photos == 3 + (kind != "orphaned")
    assert summary.problems == {kind: 1}
    assert world.requests() == []

    [finding], summary = world.check(repair=True)
    assert finding.repaired
    assert summary.repaired == 1
    # Right behind what is stored: before whatever S3 sends later.
    stored = world.photo("x.jpg") or {}
    sequencer = s3_events.next_sequencer(stored.get("sequencer", ""))
    assert world.requests() == [("requested", "x.jpg", sequencer)]


def test_a_request_made_before_is_followed_by_the_next(world):
    event = world.put("x.jpg")
    photo = world.label(event)
    number = f"{event.sequencer}:00000009"
    world.dynamodb.put("photos-table", {**photo, "sequencer": number})
    world.put("x.jpg", "another picture")
    world.check(repair=True)
    assert world.requests() == [("requested", "x.jpg", f"{event.sequencer}:0000000A")]


def test_details_of_findings(world):
    world.put("m.jpg", at=NOW - timedelta(hours=50))
    world.label(world.put("o.jpg"))
    world.remove("o.jpg")
    world.label(world.put("s.jpg"))
    world.put("s.jpg", "another picture")
    details = {finding.image: finding.detail for finding in world.check()[0]}
    assert details == {
        "m.jpg": "It has had no result for 2 days.",
        "o.jpg": "The photo was removed, but its result is still stored.",
        "s.jpg": "Its result is of another version than the one in the bucket.",
    }


def test_many_problems_are_read_again_a_hundred_at_once_and_repaired_ten_at_once():
    world = World(page=70)
    names = [f"{number:03}.jpg" for number in range(250)]
    for name in names:
        world.put(name)
    findings, summary = world.check(repair=True)
    assert sorted(finding.image for finding in findings) == names
    assert sorted(key for _, key, _ in world.requests()) == names
    assert summary.photos == summary.repaired == 250
    assert world.calls["BatchGetItem"] == 3
    assert world.calls["SendMessageBatch"] == 25


# ---- which keys


def test_a_folder_of_the_console_is_no_photo(world):
    for key in ("a/", "b/", "c/"):
        world.put(key, size=0)
    world.label(world.put("a/photo.jpg"))
    world.forget(world.put("b/", size=0))  # a photo was there, and its result is removed
    world.fail(world.put("c/", size=0))  # of a photo that was there
    world.put("odd/", size=9)
    findings, summary = world.check()
    assert kinds(findings) == {"c/": "orphaned", "odd/": "missing"}
    assert (summary.photos, summary.labelled) == (2, 1)


def test_a_bucket_without_versions_is_compared_by_content():
    world = World(versions=False)
    world.label(world.put("same"))
    for key in ("replaced", "again"):
        event = world.put(key)
        world.put(key, "another picture")
        world.label(event)
    world.label(world.put("again"))
    world.label(world.put("gone"))
    world.remove("gone")
    findings, summary = world.check()
    assert kinds(findings) == {"replaced": "stale", "gone": "orphaned"}
    assert (summary.photos, summary.labelled) == (3, 2)


def test_only_the_keys_with_the_prefix_are_checked(world):
    for folder in ("a/", "b/", "b.jpg/"):
        world.put(f"{folder}missing.jpg")
        world.label(world.put(f"{folder}well.jpg"))
        world.label(world.put(f"{folder}gone.jpg"))
        world.purge(f"{folder}gone.jpg")
    findings, summary = world.check(prefix="b/", repair=True)
    assert kinds(findings) == {"b/gone.jpg": "orphaned", "b/missing.jpg": "missing"}
    assert (summary.photos, summary.labelled) == (2, 1)
    assert {key for _, key, _ in world.requests()} == {"b/gone.jpg", "b/missing.jpg"}


# ---- what waits


@pytest.mark.parametrize("messages", [0, 1])
def test_a_recent_photo_is_waiting_and_an_old_one_only_with_a_busy_queue(world, messages):
    world.put("young.jpg", at=NOW - timedelta(minutes=4, seconds=55))
    world.put("older.jpg", at=NOW - timedelta(minutes=5))
    world.put("overdue.jpg", at=NOW - timedelta(hours=12))
    for _ in range(messages):
        world.sqs.send("work", "something else")
    findings, summary = world.check()
    expected = (
        {"overdue.jpg": "missing"}
        if messages
        else dict.fromkeys(("older.jpg", "overdue.jpg"), "missing")
    )
    assert kinds(findings) == expected
    assert (summary.photos, summary.waiting) == (3, 3 - len(expected))


def test_overdue_takes_the_place_of_the_stacks_alarm_age(world):
    world.put("a.jpg", at=NOW - timedelta(hours=3))
    world.put("new.jpg", at=NOW + timedelta(seconds=1))  # S3's clock is ahead
    world.sqs.send("work", "something else")
    assert world.check()[1].waiting == 2
    assert kinds(world.check(overdue=3 * 3600)[0]) == {"a.jpg": "missing"}
    assert kinds(world.check(overdue=0)[0]) == dict.fromkeys(("a.jpg", "new.jpg"), "missing")


def test_results_that_are_still_to_be_removed_are_counted_apart(world):
    world.label(world.put("gone.jpg"))
    world.queue(world.remove("gone.jpg"))
    world.label(world.put("purged.jpg"))
    world.queue(world.purge("purged.jpg"))
    findings, summary = world.check()
    assert (findings, summary.photos, summary.waiting) == ([], 0, 0)
    assert summary.removals == 2


# ---- progress


def test_progress_names_each_step_and_ends_at_the_total():
    world = World(page=2)
    for number in range(6):
        event = world.put(f"{number}.jpg")
        if number:
            world.label(event)
    world.label(world.put("purged.jpg"))
    world.purge("purged.jpg")
    world.forget(world.remove("gone.jpg"))
    last = {
        step.message: (step.done, step.total)
        for step in world.steps(index=True)
        if isinstance(step, Progress)
    }
    assert last == {
        "Listing the bucket": (6, None),
        "Reading the table": (7, 7),
        "Comparing": (8, 8),
        "Checking the queue": (2, 3),
        "Checking again": (2, 2),
        "Reading the index": (7, 7),  # and the vocabulary's one item
    }


# ---- any world


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, dict[str, str]]:
    """Keys in various states, and the problem expected for each."""
    world = World(draw(st.integers(1, 7)), versions=draw(st.booleans()))
    expected: dict[str, str] = {}
    for key in draw(st.sets(st.text("ab/", min_size=1, max_size=3), max_size=6)):
        pictures = count()
        photo, labelled = None, None  # the newest object; that of the stored result
        state = "nothing"
        for step in draw(st.lists(st.sampled_from(STEPS), max_size=4)):
            if step in ("put", "put a folder"):
                size = 0 if step == "put a folder" else 9
                event = world.put(key, f"picture {next(pictures)}", size=size)
                photo = None if s3_events.is_folder(key, size) else event
            elif step == "remove":
                world.remove(key)
                photo = None
            elif step == "purge" and world.s3.newest(key):
                world.purge(key)
                photo = None
            elif step == "label" and photo:
                labels = draw(st.dictionaries(st.sampled_from(["Dog", "Cat"]), st.just(90.0)))
                world.label(photo, labels)
                labelled, state = photo, "labelled"
            elif step == "fail" and photo:
                world.fail(photo)
                labelled, state = photo, "failed"
            elif step == "forget" and not photo:
                world.forget(world.remove(key))
                labelled, state = None, "removed"
        if photo and not labelled:
            expected[key] = "missing"
        elif photo and labelled != photo:
            expected[key] = "stale"
        elif labelled and not photo:
            expected[key] = "orphaned"
        elif photo:
            world.states = {**getattr(world, "states", {}), key: state}
    return world, expected


STEPS = ("put", "put a folder", "remove", "purge", "label", "fail", "forget")


@given(worlds(), st.booleans())
def test_in_any_world_exactly_the_problems_are_found(made, repair):
    world, expected = made
    states = [*getattr(world, "states", {}).values()]
    findings, summary = world.check(index=True, repair=repair)
    assert kinds(findings) == expected
    assert (summary.labelled, summary.failed) == (states.count("labelled"), states.count("failed"))
    assert summary.photos == len(states) + sum(kind != "orphaned" for kind in expected.values())
    assert (summary.waiting, summary.removals) == (0, 0)
    assert sorted(key for _, key, _ in world.requests()) == sorted(expected if repair else ())
