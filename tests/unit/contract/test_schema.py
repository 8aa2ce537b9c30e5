"""The items of both tables: content, sort order and size."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from labelctl.contract import s3_events, schema
from tests.fakes import capacity
from tests.unit.photo_events import event, keys

ATTEMPT = "6a1f9c0d2e4b7788"
NOW = "2026-01-02T03:04:06.789Z"
names = st.text(min_size=1, max_size=20)
confidences = st.floats(0, 100).map(lambda number: round(number, 6)) | st.integers(0, 100)
ratios = st.floats(-0.5, 1.5).map(lambda number: round(number, 9))
boxes = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("Left", "Top", "Width", "Height"), ratios)
)
named = st.lists(st.fixed_dictionaries({"Name": names}), max_size=3)
labels = st.lists(
    st.fixed_dictionaries(
        {"Name": names, "Confidence": confidences},
        optional={
            "Categories": named,
            "Parents": named,
            "Aliases": named,
            "Instances": st.lists(
                st.fixed_dictionaries(
                    {}, optional={"BoundingBox": boxes, "Confidence": confidences}
                ),
                max_size=3,
            ),
        },
    ),
    max_size=4,
)
decimals = st.decimals(0, 100, places=6, allow_nan=False)
plain = st.recursive(
    st.text(max_size=20)
    | st.booleans()
    | st.none()
    | st.integers(-(10**37), 10**37)
    | st.decimals(-1000, 1000, places=7),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)

DOG = {
    "Name": "Dog",
    "Confidence": 98.7,
    "Instances": [
        {
            "BoundingBox": {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4},
            "Confidence": 97.5,
        }
    ],
    "Parents": [{"Name": "Animal"}, {"Name": "Pet"}],
    "Aliases": [{"Name": "Hound"}],
    "Categories": [{"Name": "Animals and Pets"}],
}


def labelled(*found: Any, **about: Any) -> dict[str, Any]:
    return schema.labelled_item(event(**about), ATTEMPT, {"Labels": found}, NOW)


def floats_in(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [one for inner in value for one in floats_in(inner)]
    return [value] if isinstance(value, float) else []


# A photo's item


def test_item_of_a_labelled_photo():
    answer = {
        "Labels": [{"Name": "Sea", "Confidence": 60}, DOG],
        "LabelModelVersion": "3.0",
        "ImageProperties": {"Quality": {"Sharpness": 12.5}},
    }
    box = {"left": "0.1", "top": "0.2", "width": "0.3", "height": "0.4", "confidence": "97.5"}
    assert schema.labelled_item(event(), ATTEMPT, answer, NOW) == {
        "image": "a.jpg",
        "status": "labelled",
        "state_shard": schema.state_shard("labelled", "a.jpg"),
        "sequencer": event().sequencer,
        "attempt": ATTEMPT,
        "version_id": "v1",
        "etag": "e1",
        "size": 12,
        "uploaded_at": "2026-01-02T03:04:05.678Z",
        "done_at": NOW,
        "model_version": "3.0",
        "label_count": 2,
        "top": ["Dog", "Sea"],
        "labels": {"Dog": Decimal("98.7"), "Sea": 60},
        "details": {
            "Dog": {
                "categories": ["Animals and Pets"],
                "parents": ["Animal", "Pet"],
                "aliases": ["Hound"],
                "boxes": [{side: Decimal(value) for side, value in box.items()}],
            }
        },
        "properties": {"Quality": {"Sharpness": Decimal("12.5")}},
    }


def test_items_of_failed_and_removed_photos():
    failed = schema.failed_item(event(), ATTEMPT, "Empty", "It is empty.", NOW)
    assert (failed["status"], failed["error"], failed["reason"]) == (
        "failed",
        "Empty",
        "It is empty.",
    )
    assert failed["state_shard"] in schema.state_shards("failed")
    gone = event(kind="removed", version_id=None, etag=None, size=None)
    removed = schema.removed_item(gone, ATTEMPT, NOW, 1_800_000_000)
    assert (removed["status"], removed["expires"]) == ("removed", 1_800_000_000)
    # Absent, not null. Without state_shard it is not in the index by state.
    assert not {"version_id", "etag", "size", "state_shard"} & removed.keys()
    assert schema.index_items(failed) == schema.index_items(removed) == []


def test_labels_differing_in_case_or_spaces_are_merged():
    found = [
        {"Name": "HOT DOG", "Confidence": 60.5},
        {"Name": "Hot  Dog", "Confidence": 70.5},
        {"Name": "hot dog", "Confidence": 50.5},
    ]
    item = labelled(*found)
    assert item["labels"] == {"Hot  Dog": Decimal("70.5")}
    assert (item["label_count"], item["top"]) == (1, ["Hot  Dog"])


def test_instance_without_a_box_is_omitted():
    item = labelled({"Name": "Sea", "Confidence": 60.5, "Instances": [{"Confidence": 60.5}]})
    assert item["details"] == {}


@given(labels)
def test_items_survive_serialization_by_dynamodb(found):
    answer = {"Labels": found, "ImageProperties": {"Quality": {"Sharpness": 12.5}}}
    photo = schema.labelled_item(event(), ATTEMPT, answer, NOW)
    items = [photo, *schema.index_items(photo), *schema.vocabulary_items(photo)]
    for item in items:
        assert floats_in(item) == []
        assert TypeDeserializer().deserialize(TypeSerializer().serialize(item)) == item
    assert photo["label_count"] == len(photo["labels"]) == (len(items) - 1) / 2


@given(labels)
def test_labels_are_ordered_by_confidence_then_name(found):
    item = labelled(*found)
    order = [(-confidence, name) for name, confidence in item["labels"].items()]
    assert order == sorted(order)


def test_top_labels_are_those_that_say_most():
    """A label that is another's parent, and a colour beside other labels, say less."""
    animal, gray = {"Name": "Animal"}, {"Name": "Colors and Visual Composition"}
    found = [
        {"Name": "Animal", "Confidence": 99.0},
        {"Name": "Gray", "Confidence": 98.0, "Categories": [gray]},
        {"Name": "Cat", "Confidence": 90.0, "Parents": [animal]},
        {"Name": "Sofa", "Confidence": 80.0},
    ]
    assert labelled(*found)["top"] == ["Cat", "Sofa"]
    assert labelled(*found[:2])["top"] == ["Animal"]
    assert labelled(found[1])["top"] == ["Gray"]
    around = [{"Name": "A", "Confidence": 9.0, "Parents": [{"Name": "A"}]}]
    assert labelled(*around)["top"] == ["A"]


# States


def test_photos_are_spread_over_the_shards_of_a_state():
    shards = [schema.state_shard("labelled", f"{number}.jpg") for number in range(1000)]
    assert set(shards) == set(schema.state_shards("labelled"))
    assert max(map(shards.count, set(shards))) < 300
    assert not set(schema.state_shards("failed")) & set(shards)


@given(keys)
def test_shard_of_a_photo_is_stable(key):
    shard = schema.state_shard("failed", key)
    assert shard in schema.state_shards("failed")
    assert shard == schema.state_shard("failed", key)


# The index


def test_index_items_of_a_photo():
    assert schema.index_items(labelled(DOG, {"Name": "Hot  Dog", "Confidence": 60})) == [
        {
            "label": "dog",
            "rank": f"001.300 a.jpg {ATTEMPT}",
            "image": "a.jpg",
            "uploaded_at": "2026-01-02T03:04:05.678Z",
        },
        {
            "label": "hot dog",
            "rank": f"040.000 a.jpg {ATTEMPT}",
            "image": "a.jpg",
            "uploaded_at": "2026-01-02T03:04:05.678Z",
        },
    ]


@given(decimals, keys)
def test_rank_contains_confidence_and_attempt(confidence, key):
    rank = schema.rank(confidence, key, ATTEMPT)
    assert len(rank.encode()) <= 1024  # [DynamoDB Developer Guide, "Constraints"]
    assert confidence <= schema.confidence_of(rank) < confidence + Decimal("0.001")
    assert schema.attempt_of(rank) == ATTEMPT


@given(st.lists(st.tuples(decimals, keys), min_size=2, max_size=6))
def test_ranks_sort_by_confidence_to_three_decimals_and_then_by_key(photos):
    def order(photo: tuple[Decimal, str]) -> Any:
        confidence, key = photo
        shown = schema.confidence_of(schema.rank(confidence, key, ATTEMPT))
        return -shown, key.encode()[:900].decode(errors="ignore") + " "

    def rank(photo: tuple[Decimal, str]) -> bytes:
        return schema.rank(*photo, ATTEMPT).encode()  # DynamoDB compares bytes

    by_rank = sorted(photos, key=rank)
    assert [order(photo) for photo in by_rank] == sorted(map(order, photos))


@given(decimals, decimals, keys)
def test_rank_limit_includes_every_sufficient_confidence(confidence, least, key):
    rank = schema.rank(confidence, key, ATTEMPT).encode()
    is_kept = rank <= schema.rank_limit(least).encode()
    assert is_kept == (
        schema.confidence_of(rank.decode())
        >= schema.confidence_of(schema.rank(least, key, ATTEMPT))
    )
    if confidence >= least:
        assert is_kept
    if confidence + Decimal("0.001") <= least:
        assert not is_kept


def test_ranks_of_extreme_confidences():
    assert schema.rank(Decimal(100), "a", ATTEMPT).startswith("000.000 ")
    assert schema.rank(Decimal("100.00001"), "a", ATTEMPT).startswith("000.000 ")
    assert schema.rank(Decimal(0), "a", ATTEMPT).startswith("100.000 ")


def test_attempts_are_unique_and_contain_their_start_time():
    attempts = {schema.new_attempt(1_800_000_000.9) for _ in range(1000)}
    assert len(attempts) == 1000
    assert {schema.attempt_time(attempt) for attempt in attempts} == {1_800_000_000}
    assert {len(attempt) for attempt in attempts} == {len(ATTEMPT)}


# The vocabulary


def test_vocabulary_item_has_name_and_relations():
    [item] = schema.vocabulary_items(
        labelled({"Name": "Hot  Dog", "Confidence": 60.5, "Parents": [{"Name": "Food"}]})
    )
    assert item == {
        "label": schema.VOCABULARY,
        "rank": "hot dog",
        "name": "Hot  Dog",
        "categories": [],
        "parents": ["Food"],
        "aliases": [],
    }


@given(names)
def test_no_label_equals_the_vocabulary_partition(name):
    assert schema.label_of(name) != schema.VOCABULARY
    assert schema.label_of(schema.VOCABULARY) != schema.VOCABULARY


# A response that does not fit into an item


@given(st.dictionaries(st.text(max_size=9), plain))
def test_item_size_is_computed_as_documented(item):
    assert schema.size_of(item) == capacity.size(item)


def crowd(labels: int, each: int) -> list[Any]:
    """Return labels with decreasing confidence, and `each` boxes of 70 bytes per label."""
    box = dict.fromkeys(("Left", "Top", "Width", "Height"), 0.123456789012)
    return [
        {
            "Name": f"Label {number:04}",
            "Confidence": 99 - number / 1000,
            "Parents": [{"Name": "Thing"}],
            "Instances": [{"BoundingBox": box, "Confidence": 90.123456}] * each,
        }
        for number in range(labels)
    ]


def test_fitting_item_is_complete():
    item = labelled(*crowd(20, 270))
    assert 350_000 < capacity.size(item) <= 400_000
    assert "left_out" not in item
    assert all(len(details["boxes"]) == 270 for details in item["details"].values())


def test_boxes_of_the_least_confident_labels_are_dropped_first():
    item = labelled(*crowd(1000, 20))
    assert 390_000 < capacity.size(item) <= 400_000
    assert item["label_count"] == len(item["labels"]) == 1000
    has_boxes = ["boxes" in item["details"][name] for name in item["labels"]]
    kept = sum(has_boxes)
    assert has_boxes == [True] * kept + [False] * (1000 - kept)
    assert item["left_out"] == {"labels": 0, "boxes": (1000 - kept) * 20}
    assert item["details"]["Label 0999"] == {"parents": ["Thing"]}


def test_labels_are_dropped_if_they_alone_do_not_fit():
    names = [f"{number:04} {'x' * 495}" for number in range(1000)]
    item = labelled(
        *({"Name": name, "Confidence": 99 - place / 1000} for place, name in enumerate(names))
    )
    assert 390_000 < capacity.size(item) <= 400_000
    kept = item["label_count"]
    assert list(item["labels"]) == names[:kept]
    assert item["left_out"] == {"labels": 1000 - kept, "boxes": 0}
    assert item["top"] == names[:3]
    assert len(schema.index_items(item)) == len(schema.vocabulary_items(item)) == kept


@given(st.integers(1, 400), st.integers(0, 40), st.integers(1, 1024))
def test_items_never_exceed_the_size_limit(count, each, key):
    item = labelled(*crowd(count, each), key="k" * key)
    assert capacity.size(item) + len("left_out") <= 400 * 1024
    boxes = sum(len(details.get("boxes", ())) for details in item["details"].values())
    left_out = item.get("left_out", {"labels": 0, "boxes": 0})
    assert boxes + left_out["boxes"] == count * each
    assert item["label_count"] + left_out["labels"] == count


def test_longest_key_leaves_room_for_left_out():
    item = labelled(*crowd(1000, 20), key="k" * s3_events.MAX_KEY)
    assert capacity.size(item) <= 400 * 1024
