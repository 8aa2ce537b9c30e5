"""Each row of the table in `rules.classify`, at its limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent
from labelctl.operations.verify import rules
from labelctl.operations.verify.rules import GRACE_PERIOD, PhotoState, Queues
from labelctl.photos import versions
from labelctl.photos.versions import ObjectVersion

NOW = 1_900_000_000.0
HOUR = 3600.0
OVERDUE = 12 * HOUR
LONG_AGO = NOW - 11 * HOUR


def seq(number: int) -> str:
    return s3_events.pad_sequencer(f"{number:X}")


def there(version: str | None = "v2", etag: str | None = "e2", since: float | None = LONG_AGO):
    return ObjectVersion("x.jpg", version, etag, since=since)


def gone(since: float | None = LONG_AGO):
    return ObjectVersion("x.jpg", "m", since=since)


def result(
    version: str | None = "v2",
    etag: str | None = "e2",
    *,
    status: str = "labelled",
    number: int = 5,
    done: float = LONG_AGO,
) -> dict[str, Any]:
    return {
        "image": "x.jpg",
        "status": status,
        "sequencer": seq(number),
        "version_id": version,
        "etag": etag,
        "done_at": _iso(done),
    }


def removed(**more: Any) -> dict[str, Any]:
    return result(None, None, status="removed", **more)


def _iso(seconds: float) -> str:
    return s3_events.format_time(datetime.fromtimestamp(seconds, UTC))


def event(
    kind: Any = "created", version: str | None = "v2", etag: str | None = "e2", number: int = 9
) -> PhotoEvent:
    return PhotoEvent("photos", "x.jpg", kind, seq(number), version, etag, None, "")


def classify(
    photo: ObjectVersion,
    stored: dict[str, Any] | None,
    *messages: PhotoEvent,
    empty: bool = True,
    overdue: float = OVERDUE,
) -> str:
    queues = Queues(empty, {"x.jpg": messages}, overdue)
    return rules.classify(PhotoState(photo, stored), queues, NOW)


# ---- what is as it should be


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("status", ["labelled", "failed"])
def test_a_photo_with_the_result_of_its_version_is_ok(status, empty):
    assert classify(there(), result(status=status), empty=empty) == "ok"
    assert classify(there(), result(status=status), event(), empty=empty) == "ok"


@pytest.mark.parametrize("stored", [None, removed()])
def test_no_photo_and_no_result_is_ok(stored):
    assert classify(gone(), stored) == "ok"
    assert classify(gone(), stored, event("removed")) == "ok"
    assert classify(ObjectVersion("x.jpg"), stored) == "ok"


@pytest.mark.parametrize(
    ("photo", "stored", "kind"),
    [
        (
            there("v2", "same"),
            result("v1", "same"),
            "stale",
        ),  # versions decide where both know them
        (there("v2", "other"), result("v2", "same"), "ok"),
        (there(None, "same"), result(None, "same"), "ok"),
        (there(None, "other"), result(None, "same"), "stale"),
        (there(None, "same"), result("v1", "same"), "ok"),  # versions were suspended since
        (there(None, "other"), result("v1", "same"), "stale"),
        (there("v2", "same"), result(None, "same"), "ok"),
        (there("v2", "other"), result(None, "same"), "stale"),
    ],
)
def test_a_version_is_compared_by_its_id_or_else_by_its_content(photo, stored, kind):
    assert classify(photo, stored) == kind


# ---- what is not


PROBLEMS = [
    ("missing", there(), None),
    ("missing", there(), removed()),
    ("stale", there(), result("v1", "e1")),
    ("stale", there(), result("v1", "e1", status="failed")),
    ("orphaned", gone(), result()),
    ("orphaned", gone(), result(status="failed")),
]
each_problem = pytest.mark.parametrize(("kind", "photo", "stored"), PROBLEMS)


@each_problem
def test_each_problem(kind, photo, stored):
    assert classify(photo, stored) == kind


@each_problem
def test_within_the_grace_period_a_problem_is_waiting_in_any_case(kind, photo, stored):
    for empty in (True, False):
        young = replace(photo, since=NOW - GRACE_PERIOD + 0.001)
        assert classify(young, stored, empty=empty) == "waiting"
    assert classify(replace(photo, since=NOW - GRACE_PERIOD), stored) == kind


@each_problem
def test_with_a_busy_queue_a_problem_is_waiting_until_overdue(kind, photo, stored):
    waits = replace(photo, since=NOW - OVERDUE + 0.001)
    assert classify(waits, stored, empty=False) == "waiting"
    assert classify(waits, stored, empty=True) == kind
    assert classify(replace(photo, since=NOW - OVERDUE), stored, empty=False) == kind


@each_problem
@pytest.mark.parametrize("empty", [True, False])
def test_less_than_the_grace_period_may_be_overdue(kind, photo, stored, empty):
    for overdue in (30, 0):
        late = replace(photo, since=NOW - overdue)
        assert classify(late, stored, empty=empty, overdue=overdue) == kind
    young = replace(photo, since=NOW - 29.999)
    assert classify(young, stored, empty=empty, overdue=30) == "waiting"


@each_problem
def test_overdue_0_waits_for_nothing_even_if_the_clock_of_s3_is_ahead(kind, photo, stored):
    ahead = replace(photo, since=NOW + 2)
    assert classify(ahead, stored, empty=False, overdue=0) == kind
    assert classify(ahead, stored, overdue=1) == "waiting"


def test_without_a_removal_time_the_age_of_the_result_counts():
    unknown = ObjectVersion("x.jpg")
    young = result(done=NOW - GRACE_PERIOD + 1)
    assert classify(unknown, young) == "waiting"
    assert classify(unknown, result(done=NOW - GRACE_PERIOD)) == "orphaned"
    assert classify(unknown, result(done=NOW - OVERDUE + 1), empty=False) == "waiting"
    assert classify(unknown, result(done=NOW - OVERDUE), empty=False) == "orphaned"


# ---- dead letters


@each_problem
@pytest.mark.parametrize("empty", [True, False])
def test_a_dead_letter_that_would_resolve_the_problem_comes_first(kind, photo, stored, empty):
    message = event() if photo.exists else event("removed", "m", None)
    for since in (NOW, LONG_AGO, NOW - OVERDUE):
        aged = replace(photo, since=since)
        assert classify(aged, stored, message, empty=empty) == "dead_letter"


@pytest.mark.parametrize(("number", "kind"), [(4, "stale"), (5, "stale"), (6, "dead_letter")])
def test_only_a_dead_letter_that_is_newer_than_the_result_counts(number, kind):
    """The function ignores an event that is not newer than the stored result."""
    stored = result("v1", "e1", number=5)
    assert classify(there(), stored, event(number=number)) == kind
    assert classify(there(), stored, event("requested", None, None, number)) == kind
    assert classify(there(), None, event(number=number)) == "dead_letter"


def test_one_of_several_dead_letters_is_enough():
    older, other, right = event(number=1), event(version="v1"), event(number=9)
    assert classify(there(), result("v1"), older, other) == "stale"
    assert classify(there(), result("v1"), older, other, right) == "dead_letter"
    queues = Queues(True, {"x.jpg": (older, other, right)}, OVERDUE)
    assert rules.dead_letter(PhotoState(there(), result("v1")), queues) == right


def test_the_function_processes_every_event_without_a_sequencer():
    unordered = replace(event("unordered"), sequencer="")
    assert classify(there(), None, unordered) == "dead_letter"
    assert classify(there(), result("v1", number=9), unordered) == "dead_letter"


def test_the_dead_letter_of_another_photo_does_not_count():
    queues = Queues(True, {"y.jpg": (event(),)}, OVERDUE)
    assert rules.classify(PhotoState(there(), None), queues, NOW) == "missing"


GONE, MARKED = ObjectVersion("x.jpg"), ObjectVersion("x.jpg", "m", since=1.0)
HERE, UNVERSIONED = (ObjectVersion("x.jpg", version, "e", since=1.0) for version in ("v2", None))


@pytest.mark.parametrize(
    ("kind", "version", "etag", "solves"),
    [
        ("created", "v2", "e", [HERE, UNVERSIONED]),
        ("created", "v1", "e", [UNVERSIONED]),  # in a bucket without versions it may be the same
        ("created", "v2", "other", [HERE]),
        ("created", None, "e", [HERE, UNVERSIONED]),
        ("created", None, "other", []),
        ("removed", "m", None, [GONE, MARKED]),
        ("removed", None, None, [GONE, MARKED]),
        ("version_removed", "v1", None, [GONE, MARKED, HERE, UNVERSIONED]),
        ("requested", None, None, [GONE, MARKED, HERE, UNVERSIONED]),
        ("unordered", "v1", "e", [GONE, MARKED, HERE, UNVERSIONED]),
    ],
)
def test_what_an_event_would_resolve(kind, version, etag, solves):
    states = (GONE, MARKED, HERE, UNVERSIONED)
    found = [each for each in states if versions.would_resolve(event(kind, version, etag), each)]
    assert found == solves


# ---- a listing that is older than the item


@pytest.mark.parametrize(
    ("since", "item", "outdated"),
    [
        (LONG_AGO, None, False),
        (LONG_AGO, result("v3", done=LONG_AGO), False),
        (LONG_AGO, result("v3", done=LONG_AGO + 1), True),
        (LONG_AGO, removed(done=LONG_AGO + 1), True),
        (None, result("v3", done=LONG_AGO), True),
        (None, None, False),
    ],
)
def test_an_item_that_is_newer_than_the_object_is_of_another_one(since, item, outdated):
    assert rules.is_outdated(PhotoState(there(since=since), item)) == outdated


# ---- the whole table, read by brute force


TABLE = [
    # in the bucket, stored, dead letter, age, queue → the answer; None: any
    (True, "same", None, None, None, "ok"),
    (False, "nothing", None, None, None, "ok"),
    (None, None, True, None, None, "dead_letter"),
    (None, None, None, "young", None, "waiting"),
    (None, None, None, "waits", "filled", "waiting"),
    (True, "nothing", None, None, None, "missing"),
    (True, "other", None, None, None, "stale"),
    (False, "other", None, None, None, "orphaned"),
]


def by_the_table(*facts: Any) -> str:
    for *row, answer in TABLE:
        if all(wanted is None or wanted == fact for wanted, fact in zip(row, facts, strict=True)):
            return str(answer)
    raise AssertionError(facts)


borders = [float(border + near) for border in (0, 30, GRACE_PERIOD, OVERDUE) for near in (-1, 0, 1)]
ages = st.one_of(st.sampled_from(borders), st.integers(-10, 2 * int(OVERDUE)).map(float))
messages = st.builds(
    event,
    st.sampled_from(["created", "removed", "version_removed", "requested"]),
    st.sampled_from(["v1", "v2"]),
    number=st.integers(4, 6),
)


@given(
    exists=st.booleans(),
    stored=st.sampled_from([None, "removed", "v1", "v2", "failed"]),
    age=ages,
    knows=st.booleans(),
    done=ages,
    empty=st.booleans(),
    overdue=st.sampled_from([0.0, 30.0, OVERDUE]),
    dead=st.lists(messages, max_size=3),
)
def test_any_photo_is_classified_as_the_table_says(
    exists, stored, age, knows, done, empty, overdue, dead
):
    since = NOW - age if knows or exists else None
    photo = there("v2", "e2", since) if exists else ObjectVersion("x.jpg", since=since)
    item = {
        None: None,
        "removed": removed(done=NOW - done),
        "failed": result("v2", status="failed", done=NOW - done),
        "v1": result("v1", "e1", done=NOW - done),
        "v2": result("v2", done=NOW - done),
    }[stored]
    content = "nothing" if stored in (None, "removed") else "other"
    if exists and stored in ("v2", "failed"):
        content = "same"
    waited = max(age if since is not None else done, 0)  # a clock may be ahead
    when = "late"
    if waited < min(GRACE_PERIOD, overdue):
        when = "young"
    elif waited < overdue:
        when = "waits"
    solved = any(
        (item is None or each.sequencer > item["sequencer"]) and solves(each, exists)
        for each in dead
    )
    queue = "empty" if empty else "filled"
    expected = by_the_table(exists, content, solved, when, queue)
    assert classify(photo, item, *dead, empty=empty, overdue=overdue) == expected


def solves(message: PhotoEvent, exists: bool) -> bool:
    match message.kind:
        case "created":
            return exists and message.version_id == "v2"
        case "removed":
            return not exists
    return True


def test_the_table_covers_every_case():
    for facts in product(
        (True, False),
        ("same", "other", "nothing"),
        (True, False),
        ("young", "waits", "late"),
        ("empty", "filled"),
    ):
        if facts[:2] != (False, "same"):
            by_the_table(*facts)
