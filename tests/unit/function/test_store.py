"""Consistency of the tables with concurrent and interrupted workers.

Workers run the function's code for the events of one photo (see photo_world). Hypothesis chooses what
happens in the bucket, which worker receives which message when, and where workers are killed. After
each step the visible state is checked.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.photo_world import AGAIN, World

small = st.integers(0, 5)
steps = st.one_of(
    st.tuples(st.just("put"), st.none() | small),
    st.tuples(st.just("remove")),
    st.tuples(st.just("delete_version"), small),
    st.tuples(st.just("request")),
    st.tuples(st.just("redeliver"), small),
    st.tuples(st.just("take"), small, st.booleans()),
    *[st.tuples(st.just("step"), small)] * 5,
    st.tuples(st.just("step"), small, st.integers(AGAIN, 1)),
    st.tuples(st.just("kill"), small, st.booleans()),
    st.tuples(st.just("restart")),
)
STEP = ("step", 0)
TAKE = ("take", 0, False)
# The index items are written, but not yet the photo's item: of the first and of the second worker.
INDEXED, SECOND_INDEXED = ("until", 0, "PutItem"), ("until", 1, "PutItem")
DONE, SECOND_DONE = ("until", 0, "end"), ("until", 1, "end")
KILL = ("kill", 0)
RESPONSE_LOST = ("step", 0, AGAIN)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller batches, and so more steps."""
    monkeypatch.setattr("labeller.store._BATCH", 2)
    monkeypatch.setattr("labeller.store.time.sleep", lambda _: None)


def run(world: World, steps: list[tuple[Any, ...]]) -> None:
    try:
        for step, *arguments in steps:
            getattr(world, step)(*arguments)
        world.finish()
    finally:
        world.close()


@pytest.mark.usefixtures("small_batches")
@settings(max_examples=settings().max_examples * 3)  # the interleavings are many and cheap
@given(st.booleans(), st.lists(steps, max_size=80))
# Two attempts at one version. The second begins after the first has written its index items.
@example(True, [("put", 3), ("redeliver", 0), TAKE, INDEXED, TAKE])
# The same, but both have written them: the loser must not delete the items of the winner.
@example(
    True, [("put", 3), ("redeliver", 0), TAKE, INDEXED, TAKE, SECOND_INDEXED, SECOND_DONE, DONE]
)
# An attempt is killed before it writes the photo's item; then come another version and a retry.
@example(True, [("put", 3), ("put", 2), TAKE, INDEXED, KILL, TAKE, DONE])
# An older version is delayed before the photo's item until a newer one is done; then it loses.
@example(True, [("put", 3), ("remove",), TAKE, INDEXED, TAKE, SECOND_DONE])
@example(True, [("put", 3), ("put", 2), TAKE, INDEXED, TAKE, SECOND_DONE])
# A loser is killed before or while it deletes its index items.
@example(True, [("put", 3), ("put", 1), TAKE, INDEXED, TAKE, SECOND_DONE, STEP, KILL])
@example(True, [("put", 3), ("put", 1), TAKE, INDEXED, TAKE, SECOND_DONE, STEP, STEP, KILL])
# An attempt is killed before or while it deletes the old index items.
@example(True, [("put", 3), TAKE, DONE, ("put", 1), TAKE, INDEXED, STEP, KILL])
@example(True, [("put", 3), TAKE, DONE, ("put", 1), TAKE, INDEXED, STEP, STEP, KILL])
# The result is replaced while the index items of the previous one are being deleted.
@example(
    True,
    [
        *[("put", 3), TAKE, DONE, ("put", 3), TAKE, INDEXED, STEP],
        *[("put", 3), TAKE, SECOND_DONE],
    ],
)
# The response to the write of the photo's item is lost; it was the first result, or replaced one.
@example(True, [("put", 2), TAKE, INDEXED, RESPONSE_LOST])
@example(True, [("put", 2), TAKE, DONE, ("put", 1), TAKE, INDEXED, RESPONSE_LOST])
# It replaced another result than the one that was read.
@example(True, [("put", 2), ("put", 2), TAKE, INDEXED, TAKE, SECOND_INDEXED, DONE, DONE])
# The same, and the response is lost.
@example(
    True,
    [
        ("put", 2),
        ("put", 2),
        TAKE,
        INDEXED,
        ("take", 0, False),
        SECOND_INDEXED,
        DONE,
        RESPONSE_LOST,
    ],
)
# A delete marker is deleted, and the event of that arrives before the event of its creation.
@example(True, [("put", 1), TAKE, DONE, ("remove",), ("delete_version", 1), ("take", 1, False)])
# The same, but the event of its creation arrives while the other is being processed.
@example(
    True,
    [
        *[("put", 1), TAKE, DONE, ("remove",), ("delete_version", 1)],
        *[("take", 1, False), STEP, STEP, TAKE, SECOND_DONE],
    ],
)
# The first event is redelivered after a request has written its index items but not yet its item.
@example(
    True,
    [
        *[("put", 2), ("redeliver", 0), TAKE, DONE, ("request",)],
        *[("take", 1, False), INDEXED, TAKE, SECOND_DONE],
    ],
)
# The removal of an old version, which keeps the result, is delayed while a newer version is stored,
# or while the same version is labelled again.
@example(
    True,
    [
        *[("put", 1), TAKE, DONE, ("put", 1), TAKE, DONE, ("delete_version", 0), TAKE, INDEXED],
        *[("put", 2), TAKE, SECOND_DONE],
    ],
)
@example(
    True,
    [
        *[("put", 1), TAKE, DONE, ("put", 1), TAKE, DONE, ("delete_version", 0), ("request",)],
        *[("take", 0, False), INDEXED, TAKE, SECOND_DONE],
    ],
)
# Two removals of old versions keep the result; the earlier one is processed last.
@example(
    True,
    [
        *[
            ("put", 1),
            ("put", 1),
            ("put", 1),
            ("take", 2, False),
            DONE,
            ("delete_version", 0),
            ("delete_version", 0),
        ],
        *[("take", 2, False), INDEXED, ("take", 2, False), SECOND_DONE, DONE],
    ],
)
# An attempt is killed before it writes the photo's item, and its version is deleted.
@example(True, [("put", 3), TAKE, INDEXED, KILL, ("delete_version", 0)])
@example(True, [("put", 1), TAKE, DONE, ("put", 3), TAKE, INDEXED, KILL, ("delete_version", 1)])
@example(False, [("put", 3), TAKE, INDEXED, KILL, ("put", 1)])
# Its message is dead-lettered and requeued, so that the number of receives restarts at 1.
@example(True, [("put", 3), TAKE, INDEXED, ("kill", 0, False)])
# The object is replaced while Rekognition reads it.
@example(False, [("put", 1), TAKE, STEP, STEP, ("put", 2)])
def test_only_the_newest_version_is_shown(versioned, steps):
    run(World(versioned), steps)


@pytest.mark.usefixtures("small_batches")
@given(
    st.booleans(),
    st.lists(st.one_of(steps, st.tuples(st.just("lose"), small)), max_size=80),
)
@example(True, [("put", 1), ("lose", 0)])
@example(True, [("put", 1), TAKE, DONE, ("remove",), ("lose", 0)])
@example(True, [("put", 3), TAKE, INDEXED, KILL, ("lose", 0)])
def test_request_recovers_a_lost_message(versioned, steps):
    """S3 and SQS guarantee delivery, but a request recovers even a lost message."""
    run(World(versioned), steps)
