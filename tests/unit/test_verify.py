"""Bucket against table: each thing that can be amiss, made by hand, is found."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl import contract, verdict, verify
from labelctl.errors import RefusedError
from labelctl.inventory import Inventory, There
from labelctl.verdict import Finding
from labelctl.verify import Progress, Summary
from tests.unit.verify_world import (
    DAMAGES,
    OLD,
    STACK,
    Later,
    World,
    after,
    check,
    kinds,
)


@pytest.fixture(params=[1, 2, 3, 1000])
def world(request: pytest.FixtureRequest) -> World:
    """An empty world, with pages of several sizes."""
    return World(request.param)


# ---- all is well


def test_nothing_at_all(world):
    assert check(world) == ([], Summary(0, 0, 0, 0, 0, 0, 0, 0, None, {}, 0, 0.5 * 4))


def test_all_is_well(world):
    for number in range(5):
        world.put(f"{number}.jpg")
        world.labelled(f"{number}.jpg", count=number)
    world.put("bad.jpg")
    world.header("bad.jpg", status="failed")
    world.remove("gone.jpg")
    world.header("gone.jpg", status="removed", version_id="")
    world.put("replaced.jpg", "v1")
    world.put("replaced.jpg", "v2", etag="f")
    world.labelled("replaced.jpg", version_id="v2")

    findings, summary = check(world)

    assert findings == []
    assert (summary.photos, summary.labelled, summary.failed) == (7, 6, 1)
    assert (summary.waiting, summary.cleanups) == (0, 0)
    assert not {"look", "query", "batch_get_item", "receive_message"} & world.calls.keys()


def test_a_folder_of_the_console_is_no_photo(world):
    for key in ("a/", "b/", "c/"):
        world.put(key, size=0)
    world.put("a/photo.jpg")
    world.labelled("a/photo.jpg")
    world.header("b/", status="removed", version_id="")  # one that was mended
    world.header("c/", status="failed")  # of the time when it was one
    world.put("odd/")
    findings, summary = check(world)
    assert kinds(findings) == {"c/": "orphaned", "odd/": "missing"}
    assert (summary.photos, summary.labelled) == (2, 1)


def test_a_bucket_without_versions_is_compared_by_content(world):
    for key, etag, told in (("a", "same", ""), ("b", "other", ""), ("c", "other", "null")):
        world.put(key, "null", etag=etag)
        world.header(key, version_id=told, etag="same")
    findings, summary = check(world)
    assert kinds(findings) == {"b": "outdated", "c": "outdated"}
    assert summary.labelled == 1


def test_progress_tells_each_step_and_ends_at_the_total():
    world = World(page=2)
    for number in range(6):
        world.put(f"{number}.jpg")
        if number:
            world.labelled(f"{number}.jpg")
    steps = verify.verify(world, STACK, clock=Later(), sleep=lambda _: None)
    last = {step.words: (step.done, step.total) for step in steps if isinstance(step, Progress)}
    assert last == {
        "Listing the bucket": (6, None),
        "Comparing": (5, 6),
        "Looking closer": (1, 1),
    }


# ---- what can be amiss


@pytest.mark.parametrize(
    ("damage", "kind", "sequencer"), DAMAGES, ids=[each[0].__name__ for each in DAMAGES]
)
def test_each_damage_is_told_and_a_request_is_sent_that_mends_it(world, damage, kind, sequencer):
    for name in ("a.jpg", "z.jpg"):  # around it all is well
        world.put(name)
        world.labelled(name)
    damage(world)

    findings, summary = check(world)
    [finding] = findings
    assert (finding.kind, finding.image, finding.sequencer) == (kind, "x.jpg", sequencer)
    assert not finding.repaired
    assert summary.labelled == 2 + (kind == "leftovers")
    assert world.sent == []

    [mended], summary = check(world, repair=True)
    assert mended.repaired
    assert summary.repaired == 1
    [event] = world.sent
    assert (event.kind, event.key, event.sequencer) == ("requested", "x.jpg", sequencer)


@pytest.mark.parametrize("gone", [True, False])
def test_a_row_that_the_function_never_wrote_is_told_but_cannot_be_mended(world, gone):
    if not gone:
        world.put("x.jpg")
        world.labelled("x.jpg")
    world.row("x.jpg", "note#to self")
    [finding], summary = check(world, repair=True)
    assert finding.kind == ("orphaned" if gone else "leftovers")
    assert 'The function never wrote "note": remove it by hand.' in finding.detail
    assert (finding.repaired, summary.repaired, world.sent) == (False, 0, [])


def test_requests_made_before_are_followed_by_the_next(world):
    world.put("x.jpg", "v2")
    world.header("x.jpg", sequencer=after("1", 9), version=after("1", 9) + ".aa")
    [finding], _ = check(world)
    assert finding.sequencer == after("1", 10)


def test_only_the_prefix_is_looked_at(world):
    for key in ("a/x.jpg", "b/x.jpg"):
        world.put(key)
    world.labelled("a/gone.jpg")
    world.labelled("b/gone.jpg")
    findings, summary = check(world, prefix="b/")
    assert kinds(findings) == {"b/gone.jpg": "orphaned", "b/x.jpg": "missing"}
    assert summary.photos == 1


def test_findings_come_in_the_order_of_the_keys():
    world = World(page=7)
    names = [f"{number:03}.jpg" for number in range(250)]
    for name in names:
        world.put(name)
    findings, summary = check(world, repair=True)
    assert [finding.image for finding in findings] == names
    assert [event.key for event in world.sent] == names
    assert summary.photos == summary.repaired == 250
    assert world.calls["batch_get_item"] == 3


# ---- which dead letter explains what


GONE, MARKED = There(), There("m", None, 1.0)
HERE, UNVERSIONED = There("v2", "e", 1.0), There(None, "e", 1.0)


@pytest.mark.parametrize(
    ("kind", "version_id", "etag", "explained"),
    [
        ("created", "v2", "e", [HERE, UNVERSIONED]),
        ("created", "v1", "e", [UNVERSIONED]),  # of a bucket without versions it may be the one
        ("created", None, "e", [HERE, UNVERSIONED]),
        ("created", None, None, []),
        ("removed", "m", None, [GONE, MARKED]),
        ("removed", None, None, [GONE, MARKED]),
        ("version_removed", "v1", None, [GONE, MARKED, HERE, UNVERSIONED]),
        ("requested", None, None, [GONE, MARKED, HERE, UNVERSIONED]),
    ],
)
def test_a_dead_letter_explains_what_the_function_would_have_seen_to(
    kind, version_id, etag, explained
):
    event = contract.PhotoEvent("photos", "x.jpg", kind, "1", version_id, etag, None, "")
    states = (GONE, MARKED, HERE, UNVERSIONED)
    assert [there for there in states if verdict.leads_to(event, there)] == explained


# ---- any world


def photo_in(world: World, key: str) -> str | None:
    """The version of the photo that shows under a key, if one does."""
    newest = world.versions.get(key, [{}])[0]
    if "ETag" not in newest or (key[-1] == "/" and newest["Size"] == 0):
        return None
    return str(newest["VersionId"])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, dict[str, str]]:
    """A world of a few photos, each in some state, and what is amiss with it by brute force.

    Some of them are folders of the S3 console.
    """
    world = World(draw(st.integers(1, 7)))
    expected: dict[str, str] = {}
    for key in draw(st.sets(st.text("ab/", min_size=1, max_size=3), max_size=6)):
        for number in range(draw(st.integers(0, 2))):
            world.put(key, f"v{number}", size=draw(st.sampled_from([0, 9])))
        if draw(st.booleans()) and key in world.versions:
            world.remove(key)
        version_id = photo_in(world, key)
        status = draw(st.sampled_from([None, "labelled", "failed", "removed"]))
        header_id = draw(st.sampled_from(["v0", "v1"])) if status != "removed" else ""
        counted = draw(st.integers(0, 2)) if status == "labelled" else 0
        if status:
            world.header(key, 2, header_id, status=status, label_count=counted)
        own = draw(st.integers(0, 2)) if status else 0
        world.labels(key, contract.pad_sequencer("2") + ".aa", own)
        others = draw(st.lists(st.sampled_from(["1.aa", "2.bb", "3.aa"]), max_size=2, unique=True))
        for other in others:
            number, _, attempt = other.partition(".")
            world.labels(key, f"{contract.pad_sequencer(number)}.{attempt}", 1)
        if version_id is None:
            if own or others or status in ("labelled", "failed"):
                expected[key] = "orphaned"
        elif status in (None, "removed"):
            expected[key] = "missing"
        elif header_id != version_id:
            expected[key] = "outdated"
        elif own != counted:
            expected[key] = "incomplete"
        elif others:
            expected[key] = "leftovers"
    return world, expected


@given(worlds())
def test_of_any_world_exactly_what_is_amiss_is_told(made):
    world, expected = made
    findings, summary = check(world)
    assert kinds(findings) == expected
    assert len(findings) == len(expected)
    assert summary.photos == len([key for key in world.versions if photo_in(world, key)])


# ---- what it takes


class Endless(World):
    """So many photos, all of them well but every hundredth missing, made while they are asked for."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def _list_object_versions_pages(self, **_: Any) -> Any:
        for start in range(0, self._count, 100):
            self.calls["list_object_versions"] += 1
            yield {
                "ResponseMetadata": {},
                "Versions": [
                    {**self._version(number), "IsLatest": True}
                    for number in range(start, min(start + 100, self._count))
                ],
            }

    def _version(self, number: int) -> dict[str, Any]:
        key = f"{number:09}.jpg"
        told = {"Key": key, "VersionId": f"v{number}", "Size": 9, "LastModified": OLD}
        return {**told, "ETag": '"e"'}

    def list_object_versions(self, *, Prefix: str, **_: Any) -> Any:  # noqa: N803
        return {"Versions": [{**self._version(int(Prefix[:9])), "IsLatest": True}]}

    def scan(self, **request: Any) -> Any:
        self.calls["scan"] += 1
        start = int(request.get("ExclusiveStartKey", {"n": request["Segment"]})["n"])
        page = World()
        numbers = range(start, self._count, request["TotalSegments"])
        for number in islice(numbers, 10):
            if number % 100:
                page.labelled(f"{number:09}.jpg", 2, version_id=f"v{number}")
        items = [item for rows in page.rows.values() for item in rows.values()]
        last = {"LastEvaluatedKey": {"n": numbers[10]}} if len(numbers) > 10 else {}
        return {"Items": items, **last}


OPEN = Path("/proc/self/fd")


def open_files() -> set[str]:
    found = set()
    for each in OPEN.iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(str(each.readlink()))
    return found


def peak(count: int) -> int:
    """The most memory that Python's objects took at once, in bytes."""
    tracemalloc.start()
    amiss = 0
    clock = Later()
    for step in verify.verify(Endless(count), STACK, clock=clock, sleep=lambda _: None):
        amiss += isinstance(step, Finding)
        if isinstance(step, Summary):
            assert (step.photos, step.labelled) == (count, count - count // 100)
    assert amiss == count // 100
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_bucket():
    """SQLite's own is bounded by its cache, 2 MB unless told otherwise."""
    peak(1000)  # what is imported and made once
    assert peak(10_000) < 1.3 * peak(1000)


def test_a_listing_and_a_scan_are_all_that_it_takes_when_all_is_well():
    world = World(page=100)
    for number in range(500):
        world.put(f"{number}.jpg")
        world.labelled(f"{number}.jpg", count=3)
    check(world)
    pages = 500 * 4 / 100
    assert world.calls.keys() == {"list_object_versions", "scan"}
    assert world.calls["list_object_versions"] == 5
    assert pages <= world.calls["scan"] <= pages + 4


@pytest.mark.skipif(not OPEN.is_dir(), reason="only Linux tells which files are open")
def test_what_the_bucket_holds_lies_in_a_file_and_not_in_memory():
    before = open_files()
    with Inventory() as photos:
        for _ in photos.fill(Endless(50_000), "photos", ""):
            pass
        [name] = open_files() - before
        assert "etilqs" in name  # SQLite's, backwards
    assert open_files() <= before


def test_who_stops_listening_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    steps = verify.verify(Endless(50_000), STACK, clock=Later())
    for step in steps:
        if isinstance(step, Progress) and step.words == "Comparing":
            break
    assert list(tmp_path.iterdir()) == []  # the file has no name even while it is used
    steps.close()


def test_a_full_disk_is_told_as_one(monkeypatch):
    class Small(Inventory):
        def __init__(self) -> None:
            super().__init__()
            self._database.execute("PRAGMA max_page_count = 20")

    monkeypatch.setattr(verify, "Inventory", Small)
    with pytest.raises(RefusedError, match="database or disk is full") as told:
        list(verify.verify(Endless(10_000), STACK, clock=Later()))
    assert "TMPDIR" in told.value.hint
