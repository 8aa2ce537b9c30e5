"""The promise of the table: whoever writes, in whatever order, cut off wherever, one version shows.

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

from labelctl import contract
from labelctl.contract import PhotoEvent
from tests.unit.photo_world import AGAIN, TableInMemory, World

# The fake is worth nothing unless it does what DynamoDB does.


def header(event: PhotoEvent, version: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return contract.labelled_header(event, version, rows, {}, "2026-01-02T03:04:05.678Z")


def happened(sequencer: str, kind: Any = "created") -> PhotoEvent:
    padded = contract.pad_sequencer(sequencer)
    return PhotoEvent("photos", "a.jpg", kind, padded, f"v{sequencer}", "e", 9, "2026")


def labels(event: PhotoEvent, version: str, count: int) -> list[dict[str, Any]]:
    found = [{"Name": f"{event.version_id} {number}", "Confidence": 90} for number in range(count)]
    return contract.label_rows(event, version, found)


@pytest.fixture
def store_class(function: ModuleType) -> Any:
    return type(function._store)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("123f"), st.sampled_from([0, 1, 27])),
        min_size=1,
        max_size=5,
    )
)
def test_moto_and_the_table_in_memory_agree(dynamodb, table, store_class, puts):
    memory = TableInMemory()
    for row in dynamodb.scan(TableName=table)["Items"]:
        dynamodb.delete_item(TableName=table, Key={name: row[name] for name in ("image", "row")})
    for number, (sequencer, count) in enumerate(puts):
        event = happened(sequencer)
        version = contract.version_of(event, f"{number:08x}")
        rows = labels(event, version, count)
        stored = [
            store_class(client, table).put(event, header(event, version, rows), rows)
            for client in (dynamodb, memory)
        ]
        assert stored[0] == stored[1]
        assert store_class(dynamodb, table).header("a.jpg") == store_class(memory, table).header(
            "a.jpg"
        )
        kept = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
        assert {(row["image"]["S"], row["row"]["S"]): row for row in kept} == memory.rows


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
)
STEP = ("step", 0)
TAKE = ("take", 0, False)


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
# Two attempts at one version, of which the second begins when the first has written its rows.
@example(True, [("put", 3), ("twice", 0), TAKE, *[STEP] * 4, TAKE])
# An attempt is killed between its rows and its header; then another version comes, then it again.
@example(True, [("put", 3), ("put", 2), TAKE, *[STEP] * 4, ("kill", 0), TAKE, *[STEP] * 9])
# An older version is held before its header until a newer one is done.
@example(True, [("put", 3), ("remove",), TAKE, *[STEP] * 4, TAKE, *[("step", 1)] * 9])
# A delete marker goes again, and that is told before that it came.
@example(True, [("put", 1), TAKE, *[STEP] * 9, ("remove",), ("erase", 1), ("take", 1, False)])
# The same, and that it came is told while that it went is worked on.
@example(
    True,
    [
        *[("put", 1), TAKE, *[STEP] * 9, ("remove",), ("erase", 1)],
        *[("take", 1, False), STEP, STEP, TAKE, *[("step", 1)] * 9],
    ],
)
# The first event comes again while a request has its rows written and not yet its header.
@example(
    True,
    [
        *[("put", 2), ("twice", 0), TAKE, *[STEP] * 9, ("ask",)],
        *[("take", 1, False), *[STEP] * 4, TAKE, *[("step", 1)] * 9],
    ],
)
# The header is written, and the answer to that is lost.
@example(True, [("put", 2), TAKE, *[STEP] * 3, ("step", 0, AGAIN)])
# An attempt is killed between its rows and its header, and its version is removed for good.
@example(True, [("put", 3), TAKE, *[STEP] * 4, ("kill", 0), ("erase", 0)])
@example(
    True,
    [("put", 1), TAKE, *[STEP] * 9, ("put", 3), TAKE, *[STEP] * 4, ("kill", 0), ("erase", 1)],
)
@example(False, [("put", 3), TAKE, *[STEP] * 3, ("kill", 0), ("put", 1)])
# Or its message becomes a dead letter and is moved back: the count of its receives begins anew.
@example(True, [("put", 3), TAKE, *[STEP] * 4, ("kill", 0, False)])
# The object is replaced while Rekognition reads it.
@example(False, [("put", 1), TAKE, *[STEP] * 2, ("put", 2)])
def test_one_version_shows_and_the_newest_stays(worker, versioned, happenings):
    lead(World(worker, versioned), happenings)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.lists(st.one_of(happenings, st.tuples(st.just("lose"), small)), max_size=80),
)
@example(True, [("put", 1), ("lose", 0)])
@example(True, [("put", 1), TAKE, *[STEP] * 9, ("remove",), ("lose", 0)])
@example(True, [("put", 3), TAKE, *[STEP] * 4, ("kill", 0), ("lose", 0)])
def test_what_was_lost_is_found_again_by_asking(worker, versioned, happenings):
    """A lost message is against all promises of S3 and SQS; a request makes up even for that."""
    lead(World(worker, versioned), happenings)
