"""Bucket against table: each thing that can be amiss, made by hand, found, and mended."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections import Counter
from datetime import timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl import contract, verify
from labelctl.inventory import Inventory
from labelctl.verdict import Finding
from labelctl.verify import Progress, Summary
from tests.lambda_runtime import message_body
from tests.unit.conftest import REGION
from tests.unit.verify_world import BEGIN, OLD, STACK, World

HOUR = 3600.0


class Later:
    """A clock that stands still; `passed` seconds go by once the listing has begun."""

    def __init__(self, begin: float, passed: float = 0) -> None:
        self._now = begin
        self._passed = passed

    def __call__(self) -> float:
        now = self._now
        self._now += self._passed
        self._passed = 0
        return now


def check(world: Any, stack: Any = STACK, **more: Any) -> tuple[list[Finding], Summary]:
    more = {"clock": Later(BEGIN.timestamp()), "sleep": lambda _: None, **more}
    steps = list(verify.verify(world, stack, **more))
    *_, summary = steps
    assert isinstance(summary, Summary)
    findings = [step for step in steps if isinstance(step, Finding)]
    assert Counter(finding.kind for finding in findings) == summary.amiss
    assert len(findings) + sum(isinstance(step, Progress) for step in steps) + 1 == len(steps)
    without = {"missing", "dead_letter", "outdated", "incomplete"}
    if not any(f.kind == "dead_letter" for f in findings):  # it may be that of a removal
        bad = sum(count for kind, count in summary.amiss.items() if kind in without)
        assert summary.photos == summary.labelled + summary.failed + summary.waiting + bad
    return findings, summary


def kinds(findings: list[Finding]) -> dict[str, str]:
    return {finding.image: finding.kind for finding in findings}


@pytest.fixture(params=[1, 2, 3, 1000])
def world(request: pytest.FixtureRequest) -> World:
    """An empty world, with pages of several sizes."""
    return World(request.param)


# ---- all is well


def test_nothing_at_all(world):
    assert check(world) == ([], Summary(0, 0, 0, 0, 0, {}, 0, 0.5 * 4))


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
    steps = verify.verify(world, STACK, clock=Later(BEGIN.timestamp()), sleep=lambda _: None)
    last = {step.words: (step.done, step.total) for step in steps if isinstance(step, Progress)}
    assert last == {
        "Listing the bucket": (6, None),
        "Comparing": (5, 6),
        "Looking closer": (1, 1),
    }


# ---- what can be amiss


def missing(world):
    world.put("x.jpg")


def missing_with_rows_of_an_attempt(world):
    world.put("x.jpg")
    world.labels("x.jpg", contract.pad_sequencer("9") + ".aa", 2)


def taken_for_removed(world):
    world.put("x.jpg")
    world.header("x.jpg", status="removed", version_id="")


def outdated(world):
    world.put("x.jpg", "v1")
    world.put("x.jpg", "v2")
    world.labelled("x.jpg", version_id="v1")


def outdated_failure(world):
    world.put("x.jpg", "v2")
    world.header("x.jpg", status="failed", version_id="v1")


def incomplete(world):
    world.put("x.jpg")
    world.labels("x.jpg", world.header("x.jpg", label_count=3), 2)


def one_too_many(world):
    world.put("x.jpg")
    world.labels("x.jpg", world.header("x.jpg", label_count=1), 2)


def orphaned(world):
    world.labelled("x.jpg")


def orphaned_failure(world):
    world.header("x.jpg", status="failed")


def hidden_by_a_marker(world):
    world.put("x.jpg")
    world.remove("x.jpg")
    world.labelled("x.jpg")


def rows_beside_a_tombstone(world):
    world.remove("x.jpg")
    world.header("x.jpg", number=2, status="removed", version_id="")
    world.labels("x.jpg", contract.pad_sequencer("1") + ".aa", 2)


def rows_without_header(world):
    world.labels("x.jpg", contract.pad_sequencer("1") + ".aa", 2)


def leftovers(world):
    world.put("x.jpg")
    world.labelled("x.jpg", number=2)
    world.labels("x.jpg", contract.pad_sequencer("1") + ".aa", 2)


def leftovers_of_another_attempt(world):
    world.put("x.jpg")
    world.labelled("x.jpg", number=2)
    world.labels("x.jpg", contract.pad_sequencer("2") + ".bb", 2)


def leftovers_of_a_later_event(world):
    world.put("x.jpg")
    world.labelled("x.jpg", number=2)
    world.labels("x.jpg", contract.pad_sequencer("3") + ".aa", 2)


def after(number: str, count: int = 1) -> str:
    return f"{contract.pad_sequencer(number)}:{count:08X}"


DAMAGES = [
    (missing, "missing", after("0")),
    (missing_with_rows_of_an_attempt, "missing", after("9")),
    (taken_for_removed, "missing", after("1")),
    (outdated, "outdated", after("1")),
    (outdated_failure, "outdated", after("1")),
    (incomplete, "incomplete", after("1")),
    (one_too_many, "incomplete", after("1")),
    (orphaned, "orphaned", after("1")),
    (orphaned_failure, "orphaned", after("1")),
    (hidden_by_a_marker, "orphaned", after("1")),
    (rows_beside_a_tombstone, "orphaned", after("2")),
    (rows_without_header, "orphaned", after("1")),
    (leftovers, "leftovers", contract.pad_sequencer("2")),  # only a sweep: no new result
    (leftovers_of_another_attempt, "leftovers", contract.pad_sequencer("2")),
    (leftovers_of_a_later_event, "leftovers", after("3")),
]


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


# ---- what is not amiss yet


def test_a_young_photo_waits_though_the_queue_seems_empty(world):
    world.put("new.jpg", at=BEGIN - timedelta(seconds=119))
    world.put("old.jpg", at=BEGIN - timedelta(seconds=121))
    findings, summary = check(world)
    assert kinds(findings) == {"old.jpg": "missing"}
    assert (summary.photos, summary.waiting) == (2, 1)


@pytest.mark.parametrize("depths", [[1], [0, 1], [0, 0, 1]])
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
    assert check(world)[1].amiss == {}


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


# ---- any world


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, dict[str, str]]:
    """A world of a few photos, each in some state, and what is amiss with it by brute force."""
    world = World(draw(st.integers(1, 7)))
    expected: dict[str, str] = {}
    for key in draw(st.sets(st.text("ab", min_size=1, max_size=3), max_size=6)):
        for number in range(draw(st.integers(0, 2))):
            world.put(key, f"v{number}")
        if draw(st.booleans()) and key in world.versions:
            world.remove(key)
        newest = world.versions.get(key, [{}])[0]
        version_id = newest["VersionId"] if "ETag" in newest else None
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
    in_bucket = [key for key, versions in world.versions.items() if "ETag" in versions[0]]
    assert summary.photos == len(in_bucket)


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
        return {"Key": key, "VersionId": f"v{number}", "ETag": '"e"', "LastModified": OLD}

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


def peak(count: int) -> int:
    """The most memory that Python's objects took at once, in bytes."""
    tracemalloc.start()
    amiss = 0
    clock = Later(BEGIN.timestamp())
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


def test_who_stops_listening_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    steps = verify.verify(Endless(50_000), STACK, clock=Later(BEGIN.timestamp()))
    for step in steps:
        if isinstance(step, Progress) and step.words == "Comparing":
            break
    assert list(tmp_path.iterdir()) == []  # the file has no name even while it is used
    steps.close()


# ---- with the function itself


@pytest.fixture
def aws(s3, dynamodb, queues):
    sqs = boto3.client("sqs", region_name=REGION)
    return SimpleNamespace(s3=s3, dynamodb=dynamodb, sqs=sqs)


@pytest.fixture
def stack(aws, queues, bucket, table):
    # Not the queue in which `work` leaves what it took.
    queue = aws.sqs.create_queue(QueueName="asked")["QueueUrl"]
    return SimpleNamespace(bucket=bucket, table=table, queue=queue, dead_letters=queues.dead)


@pytest.fixture
def see(aws, stack):
    """What is told an hour later."""

    def run(**more):
        return check(aws, stack, clock=Later(time.time(), passed=HOUR), **more)

    return run


@pytest.fixture
def drain(aws, stack, work):
    """Have the function work off what is in the queue; how many messages that were."""

    def run():
        count = 0
        while messages := aws.sqs.receive_message(QueueUrl=stack.queue).get("Messages"):
            for message in messages:
                aws.sqs.delete_message(QueueUrl=stack.queue, ReceiptHandle=message["ReceiptHandle"])
                count += 1
                assert work(message["Body"]) == []
        return count

    return run


def lose_the_event(photos, work, dynamodb):
    photos.put("x.jpg", b"another picture")


def lose_the_removal(photos, work, dynamodb):
    photos.remove("x.jpg")


def lose_the_header(photos, work, dynamodb):
    delete(dynamodb, "#")


def lose_a_row(photos, work, dynamodb):
    delete(dynamodb, next(row for row in stored(dynamodb) if row != "#"))


def lose_the_tombstone(photos, work, dynamodb):
    work(photos.remove("x.jpg"))
    photos.put("x.jpg")


def leave_rows(number):
    def leave(photos, work, dynamodb):
        version = next(row for row in stored(dynamodb) if row != "#").partition(".")[0]
        sequencer = f"{int(version, 16) + number:032X}"
        dynamodb.put_item(
            TableName="labels",
            Item={"image": {"S": "x.jpg"}, "row": {"S": f"{sequencer}.cafe#Cat"}},
        )

    return leave


def stored(dynamodb):
    items = dynamodb.scan(TableName="labels", ConsistentRead=True)["Items"]
    return [item["row"]["S"] for item in items if item["image"]["S"] == "x.jpg"]


def delete(dynamodb, row):
    dynamodb.delete_item(TableName="labels", Key={"image": {"S": "x.jpg"}, "row": {"S": row}})


MENDED = [
    (lose_the_event, "outdated", 1),
    (lose_the_removal, "orphaned", 0),
    (lose_the_header, "missing", 1),
    (lose_a_row, "incomplete", 1),
    (lose_the_tombstone, "missing", 1),
    (leave_rows(-1), "leftovers", 0),
    (leave_rows(0), "leftovers", 0),
    (leave_rows(1), "leftovers", 1),
]


@pytest.mark.parametrize(("damage", "kind", "cost"), MENDED)
def test_the_function_mends_what_is_queued(
    photos, work, drain, see, dynamodb, rekognition, damage, kind, cost
):
    """`cost`: calls to Rekognition, which are paid for."""
    work(photos.put("a.jpg"), photos.put("x.jpg"))
    assert see() == ([], Summary(2, 2, 0, 0, 0, {}, 0, see()[1].units))
    damage(photos, work, dynamodb)
    asked = len(rekognition.requests)

    [finding], _ = see(repair=True)
    assert (finding.kind, finding.image) == (kind, "x.jpg")
    assert drain() == 1

    findings, summary = see()
    assert findings == []
    assert summary.labelled == summary.photos == (1 if kind == "orphaned" else 2)
    assert len(rekognition.requests) - asked == cost


def test_a_dead_letter_is_told_with_its_reason_and_moved_back(
    photos, work, drain, see, rekognition, aws, stack
):
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(photos.put("x.jpg"), photos.put("a.jpg"), receives=(10, 1))
    findings, summary = see()
    [finding] = findings
    assert (finding.kind, finding.image) == ("dead_letter", "x.jpg")
    assert re.match(r"Given up\. AccessDeniedException: .*said Rekognition", finding.detail)
    assert (summary.photos, summary.labelled) == (2, 1)

    rekognition.answers.clear()
    [finding], _ = see(repair=True)
    assert finding.repaired
    assert drain() == 1
    assert see()[0] == []
    dead = aws.sqs.get_queue_attributes(QueueUrl=stack.dead_letters, AttributeNames=["All"])
    assert dead["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_the_dead_letter_of_an_older_version_does_not_excuse_the_newer(
    photos, work, drain, see, rekognition
):
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(photos.put("x.jpg"), receives=(10,))
    rekognition.answers.clear()
    photos.put("x.jpg", b"newer")
    [finding], _ = see(repair=True)
    assert finding.kind == "missing"
    assert drain() == 1
    assert see()[0] == []


def test_a_dead_letter_is_told_though_others_wait(photos, work, see, rekognition, aws, stack):
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(photos.put("x.jpg"), receives=(10,))
    photos.put("y.jpg")
    aws.sqs.send_message(QueueUrl=stack.queue, MessageBody="something else")
    findings, summary = see()
    assert kinds(findings) == {"x.jpg": "dead_letter"}
    assert summary.waiting == 1


def test_the_dead_letter_of_what_was_before_the_result_mends_nothing(
    photos, work, drain, see, queues, aws
):
    photos.put("x.jpg")
    before = photos.remove("x.jpg")
    work(photos.put("x.jpg"))
    photos.put("x.jpg", b"newer, and lost")
    aws.sqs.send_message(QueueUrl=queues.dead, MessageBody=message_body(before))
    [finding], _ = see(repair=True)
    assert finding.kind == "outdated"
    assert drain() == 1
    assert see()[0] == []


def test_a_photo_with_a_dead_letter_and_a_result_is_well(photos, work, see, rekognition):
    record = photos.put("x.jpg")
    rekognition.answers["x.jpg"] = "AccessDeniedException"
    work(record, receives=(10,))
    rekognition.answers.clear()
    work(record)
    assert see()[0] == []


def test_the_dead_letter_of_a_removal(photos, work, drain, see, dynamodb, queues, aws):
    work(photos.put("x.jpg"))
    record = photos.remove("x.jpg")
    aws.sqs.send_message(QueueUrl=queues.dead, MessageBody=message_body(record))
    [finding], summary = see(repair=True)
    assert (finding.kind, summary.photos) == ("dead_letter", 0)
    assert drain() == 1
    assert see()[0] == []


def test_dead_letters_that_are_no_events_are_left_alone(photos, work, see, aws, stack):
    aws.sqs.send_message(QueueUrl=stack.dead_letters, MessageBody="poison")
    photos.put("x.jpg")
    [finding], _ = see(repair=True)
    assert finding.kind == "missing"
    dead = aws.sqs.receive_message(QueueUrl=stack.dead_letters)["Messages"]
    assert [message["Body"] for message in dead] == ["poison"]
