"""The promise of the tables: whoever writes, in whatever order, cut off wherever, one version shows.

Workers run the function's own code on what happens to one photo (see photo_world). Hypothesis chooses
what happens in the bucket, who takes which message when, who is killed where; after each step
somebody reads.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.photo_world import AGAIN, World

small = st.integers(0, 5)
happenings = st.one_of(
    st.tuples(st.just("put"), st.none() | small),
    st.tuples(st.just("remove")),
    st.tuples(st.just("erase"), small),
    st.tuples(st.just("ask")),
    st.tuples(st.just("twice"), small),
    st.tuples(st.just("take"), small, st.booleans()),
    *[st.tuples(st.just("step"), small)] * 5,
    st.tuples(st.just("step"), small, st.integers(AGAIN, 1)),
    st.tuples(st.just("kill"), small, st.booleans()),
    st.tuples(st.just("restart")),
)
STEP = ("step", 0)
TAKE = ("take", 0, False)
# The index items are written, and the photo's item is not; the first worker, and the second.
INDEXED, SECOND_INDEXED = ("until", 0, "PutItem"), ("until", 1, "PutItem")
DONE, SECOND_DONE = ("until", 0, "end"), ("until", 1, "end")
KILL = ("kill", 0)
ANSWER_LOST = ("step", 0, AGAIN)


@pytest.fixture
def worker(function: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The function, with smaller batches: more steps, between which something can happen."""
    monkeypatch.setattr("store._BATCH", 2)
    monkeypatch.setattr("store.time.sleep", lambda _: None)
    return function


def lead(world: World, happenings: list[tuple[Any, ...]]) -> None:
    try:
        for what, *how in happenings:
            getattr(world, what)(*how)
        world.finish()
    finally:
        world.close()


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(happenings, max_size=80))
# Two attempts at one version, of which the second begins when the first has written its index items.
@example(True, [("put", 3), ("twice", 0), TAKE, INDEXED, TAKE])
# The same, and both have written them: the loser must not take what the winner needs.
@example(True, [("put", 3), ("twice", 0), TAKE, INDEXED, TAKE, SECOND_INDEXED, SECOND_DONE, DONE])
# An attempt is killed between index items and the photo's item; then another version, then it again.
@example(True, [("put", 3), ("put", 2), TAKE, INDEXED, KILL, TAKE, DONE])
# An older version is held before the photo's item until a newer one is done; then it loses.
@example(True, [("put", 3), ("remove",), TAKE, INDEXED, TAKE, SECOND_DONE])
@example(True, [("put", 3), ("put", 2), TAKE, INDEXED, TAKE, SECOND_DONE])
# A loser is killed before it has deleted its index items, and while it does.
@example(True, [("put", 3), ("put", 1), TAKE, INDEXED, TAKE, SECOND_DONE, STEP, KILL])
@example(True, [("put", 3), ("put", 1), TAKE, INDEXED, TAKE, SECOND_DONE, STEP, STEP, KILL])
# An attempt is killed between the photo's item and the deletion of the old index items, or during it.
@example(True, [("put", 3), TAKE, DONE, ("put", 1), TAKE, INDEXED, STEP, KILL])
@example(True, [("put", 3), TAKE, DONE, ("put", 1), TAKE, INDEXED, STEP, STEP, KILL])
# The result is replaced while the index items of the one before it are still being deleted.
@example(
    True,
    [
        *[("put", 3), TAKE, DONE, ("put", 3), TAKE, INDEXED, STEP],
        *[("put", 3), TAKE, SECOND_DONE],
    ],
)
# The photo's item is written, and the answer to that is lost; it was the first, or replaced another.
@example(True, [("put", 2), TAKE, INDEXED, ANSWER_LOST])
@example(True, [("put", 2), TAKE, DONE, ("put", 1), TAKE, INDEXED, ANSWER_LOST])
# It replaced another than the one that was read before.
@example(True, [("put", 2), ("put", 2), TAKE, INDEXED, TAKE, SECOND_INDEXED, DONE, DONE])
# The same, and the answer to that is lost.
@example(
    True,
    [("put", 2), ("put", 2), TAKE, INDEXED, ("take", 0, False), SECOND_INDEXED, DONE, ANSWER_LOST],
)
# A delete marker goes again, and that is known before that it came.
@example(True, [("put", 1), TAKE, DONE, ("remove",), ("erase", 1), ("take", 1, False)])
# The same, and that it came is known while that it went is worked on.
@example(
    True,
    [
        *[("put", 1), TAKE, DONE, ("remove",), ("erase", 1)],
        *[("take", 1, False), STEP, STEP, TAKE, SECOND_DONE],
    ],
)
# The first event comes again while a request has its index items written and not yet its item.
@example(
    True,
    [
        *[("put", 2), ("twice", 0), TAKE, DONE, ("ask",)],
        *[("take", 1, False), INDEXED, TAKE, SECOND_DONE],
    ],
)
# A removal of an old version, which leaves the result as it is, is held while a newer one is stored;
# and while the same version is labelled again.
@example(
    True,
    [
        *[("put", 1), TAKE, DONE, ("put", 1), TAKE, DONE, ("erase", 0), TAKE, INDEXED],
        *[("put", 2), TAKE, SECOND_DONE],
    ],
)
@example(
    True,
    [
        *[("put", 1), TAKE, DONE, ("put", 1), TAKE, DONE, ("erase", 0), ("ask",)],
        *[("take", 0, False), INDEXED, TAKE, SECOND_DONE],
    ],
)
# Two removals of old versions leave the result as it is; the earlier one is the last to say so.
@example(
    True,
    [
        *[("put", 1), ("put", 1), ("put", 1), ("take", 2, False), DONE, ("erase", 0), ("erase", 0)],
        *[("take", 2, False), INDEXED, ("take", 2, False), SECOND_DONE, DONE],
    ],
)
# An attempt is killed between index items and the photo's item, and its version is removed for good.
@example(True, [("put", 3), TAKE, INDEXED, KILL, ("erase", 0)])
@example(True, [("put", 1), TAKE, DONE, ("put", 3), TAKE, INDEXED, KILL, ("erase", 1)])
@example(False, [("put", 3), TAKE, INDEXED, KILL, ("put", 1)])
# Or its message becomes a dead letter and is moved back: the count of its receives begins at 1 again.
@example(True, [("put", 3), TAKE, INDEXED, ("kill", 0, False)])
# The object is replaced while Rekognition reads it.
@example(False, [("put", 1), TAKE, STEP, STEP, ("put", 2)])
def test_only_the_newest_version_is_shown(worker, versioned, happenings):
    lead(World(worker, versioned), happenings)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.lists(st.one_of(happenings, st.tuples(st.just("lose"), small)), max_size=80),
)
@example(True, [("put", 1), ("lose", 0)])
@example(True, [("put", 1), TAKE, DONE, ("remove",), ("lose", 0)])
@example(True, [("put", 3), TAKE, INDEXED, KILL, ("lose", 0)])
def test_request_recovers_a_lost_message(worker, versioned, happenings):
    """A lost message is against all promises of S3 and SQS; a request makes up even for that."""
    lead(World(worker, versioned), happenings)
