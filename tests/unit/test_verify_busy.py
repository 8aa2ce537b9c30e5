"""`verify` while bucket, table and queues are in use, and AWS is busy: it makes up no loss."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from botocore.exceptions import ClientError

from tests.unit.verify_world import BEGIN, HOUR, Later, World, check, kinds


@pytest.fixture(params=[1, 2, 1000])
def world(request: pytest.FixtureRequest) -> World:
    """Twenty photos and their labels, with pages of several sizes, and a queue that is never empty."""
    world = World(request.param)
    for number in range(20):
        world.put(f"{number:02}.jpg", at=BEGIN - timedelta(hours=1))
        world.labelled(f"{number:02}.jpg")
    world.depths = [1]
    return world


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ---- what was done since the listing


def uploaded(world: World, number: int, at: datetime) -> None:
    world.put(f"new{number}.jpg", at=at)
    world.labelled(f"new{number}.jpg", number=5, done_at=iso(at))


def replaced(world: World, number: int, at: datetime) -> None:
    key = f"{number:02}.jpg"
    world.put(key, "v2", at=at)
    del world.rows[key]
    world.labelled(key, number=5, version_id="v2", done_at=iso(at))


def removed(world: World, number: int, at: datetime) -> None:
    key = f"{number:02}.jpg"
    world.remove(key, at=at)
    del world.rows[key]
    world.header(key, 5, "", status="removed", done_at=iso(at))


@pytest.mark.parametrize("seconds", [1, 300])
@pytest.mark.parametrize("change", [uploaded, replaced, removed])
def test_what_came_and_was_done_since_the_listing_is_well(world, change, seconds):
    clock = Later()
    pages = world._list_object_versions_pages

    def then(**request):
        yield from pages(**request)
        clock.sleep(seconds)
        for number in range(3):
            change(world, number, datetime.fromtimestamp(clock(), UTC))

    world._list_object_versions_pages = then
    findings, summary = check(world, clock=clock)
    there = sum("ETag" in versions[0] for versions in world.versions.values())
    assert findings == []
    assert (summary.photos, summary.labelled) == (there, there)
    assert (summary.waiting, summary.cleanups, summary.lost) == (0, 0, 0)
    assert world.calls["look"] == 3


@pytest.mark.parametrize(("seconds", "looks"), [(61, 0), (59, 1)])
def test_only_a_result_that_may_be_newer_than_the_listing_is_looked_at_closer(
    world, seconds, looks
):
    """The function's clock and S3's may be a minute apart."""
    world.put("05.jpg", "v2", at=BEGIN - timedelta(hours=1))
    world.labelled("05.jpg", done_at=iso(BEGIN - timedelta(seconds=seconds)))
    findings, summary = check(world)
    assert (findings, summary.waiting, summary.lost) == ([], 1, 0)
    assert world.calls["look"] == looks


def test_photos_that_were_all_replaced_and_wait_cost_no_look_each(world):
    for number in range(20):
        world.put(f"{number:02}.jpg", "v2", at=BEGIN - timedelta(hours=1))
    world.depths = [20]
    findings, summary = check(world)
    assert (findings, summary.waiting, summary.lost) == ([], 20, 0)
    assert not {"look", "query"} & world.calls.keys()
    assert world.calls["batch_get_item"] == 1


# ---- dead letters that somebody else holds, or moves


@pytest.fixture
def dead(world: World) -> World:
    """Nothing is queued, a photo has no result, one has an old one, and one is gone."""
    world.put("x.jpg")
    world.put("05.jpg", "v2")
    world.labelled("gone.jpg")
    world.remove("gone.jpg")
    world.depths = [0]
    return world


def test_nobody_knows_what_was_given_up_while_another_holds_dead_letters(dead):
    dead.hidden = 1
    findings, summary = check(dead, repair=True)
    assert kinds(findings) == {"gone.jpg": "orphaned"}  # whatever a letter may say
    assert (summary.unclear, summary.waiting, summary.photos) == (2, 0, 21)
    assert [event.key for event in dead.sent] == ["gone.jpg"]


def test_what_is_overdue_by_order_is_lost_whoever_holds_dead_letters(dead):
    dead.hidden = 1
    findings, summary = check(dead, overdue=5 * HOUR)
    assert kinds(findings) == {"05.jpg": "outdated", "gone.jpg": "orphaned", "x.jpg": "missing"}
    assert summary.unclear == 0
    assert check(dead, overdue=100 * HOUR)[1].unclear == 2


def test_a_dead_letter_that_is_moved_back_before_it_was_read_is_waited_for(dead):
    dead.before["receive_message"] = partial(setattr, dead, "depths", [3])
    findings, summary = check(dead)
    assert findings == []
    assert (summary.waiting, summary.cleanups, summary.lost) == (2, 1, 0)


def test_a_message_that_was_queued_before_the_dead_letters_were_read_counts(dead):
    dead.depths = [3, 0]
    findings, summary = check(dead)
    assert findings == []
    assert (summary.waiting, summary.cleanups, summary.messages) == (2, 1, 3)


# ---- AWS is busy


def refuse(world: World, name: str, code: str, times: int) -> None:
    left = iter(range(times))

    def happens() -> None:
        if next(left, None) is not None:
            raise ClientError({"Error": {"Code": code, "Message": "Not now."}}, name)

    world.before[name] = happens


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize(
    ("name", "code"),
    [("query", "ThrottlingException"), ("look", "SlowDown"), ("look", "ServiceUnavailable")],
)
def test_a_busy_service_is_asked_again(dead, monkeypatch, naps, name, code, times):
    monkeypatch.setattr("labelctl.reads.time.sleep", naps)
    refuse(dead, name, code, times)
    assert len(check(dead)[0]) == 3
    assert len(naps) == times


@pytest.mark.parametrize("name", ["query", "look"])
def test_another_refusal_is_final(dead, name):
    refuse(dead, name, "AccessDenied", 1)
    with pytest.raises(ClientError, match="Not now"):
        check(dead)
