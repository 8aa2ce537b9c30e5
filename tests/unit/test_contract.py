"""The contract: whatever S3 may send is read right or refused, and what is stored keeps its order."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import example, given
from hypothesis import strategies as st

from labelctl import contract
from labelctl.contract import PhotoEvent, parse_message
from tests.lambda_runtime import s3_record

# Text that UTF-8 can carry, as S3's keys are, at most 1,024 bytes of it.
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1024).filter(
    lambda key: len(key.encode()) <= 1024
)
sequencers = st.text("0123456789abcdefABCDEF", min_size=1, max_size=32)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def message(*records: Any) -> str:
    return json.dumps({"Records": records})


def only(record: Any) -> PhotoEvent:
    [event] = parse_message(message(record))
    return event


def event(**changes: Any) -> PhotoEvent:
    values: dict[str, Any] = {
        "bucket": "photos",
        "key": "a.jpg",
        "kind": "created",
        "sequencer": contract.pad_sequencer("5F"),
        "version_id": "v1",
        "etag": "e1",
        "size": 12,
        "at": "2026-01-02T03:04:05.678Z",
    }
    return PhotoEvent(**{**values, **changes})


# What S3 tells


def test_a_new_photo():
    record = s3_record("holiday/at sea.jpg", "0a5F", size=12, eTag="e1", versionId="v1")
    assert only(record) == event(key="holiday/at sea.jpg", sequencer="0" * 28 + "0A5F")


@given(keys)
@example("holiday photo+1 100%.jpg")
@example("a#b?c&d=e.jpg")
@example("line\nbreak\x00.jpg")
@example("%2B+%20")
@example("😀" * 256)
@example("é" * 512)
def test_every_key_comes_back_from_the_encoding_of_s3(key):
    assert only(s3_record(key, "1")).key == key


@pytest.mark.parametrize(
    ("name", "photo", "kind"),
    [
        ("ObjectCreated:Put", {"versionId": "v"}, "created"),
        ("ObjectCreated:CompleteMultipartUpload", {}, "created"),
        ("s3:ObjectCreated:Copy", {}, "created"),
        ("ObjectRemoved:Delete", {}, "removed"),
        ("ObjectRemoved:DeleteMarkerCreated", {"versionId": "v"}, "removed"),
        ("LifecycleExpiration:DeleteMarkerCreated", {"versionId": "v"}, "removed"),
        ("LifecycleExpiration:Delete", {}, "removed"),
        ("ObjectRemoved:Delete", {"versionId": "v"}, "version_removed"),
        ("LifecycleExpiration:Delete", {"versionId": "v"}, "version_removed"),
    ],
)
def test_what_happened_to_the_photo(name, photo, kind):
    assert only(s3_record("a.jpg", "1", name, **photo)).kind == kind


def test_a_removal_has_neither_size_nor_etag():
    gone = only(s3_record("a.jpg", "1", "ObjectRemoved:Delete"))
    assert (gone.size, gone.etag, gone.version_id) == (None, None, None)


@pytest.mark.parametrize("name", ["ObjectTagging:Put", "ObjectRestore:Post", "ReducedRedundancy"])
def test_other_events_are_passed_over(name):
    # Such events have no sequencer. [S3, Event message structure]
    other = s3_record("a.jpg", "1", name)
    del other["s3"]["object"]["sequencer"]
    assert parse_message(message(other, s3_record("b.jpg", "2"))) == [only(s3_record("b.jpg", "2"))]


FOLDERS = [
    *[("holiday/", 0, True), ("/", 0, True), ("a/b c/", 0, True)],
    *[
        ("holiday/", 1, False),
        ("holiday/", None, False),
        ("empty.jpg", 0, False),
        ("a/b", 0, False),
    ],
]


@pytest.mark.parametrize(("key", "size", "folder"), FOLDERS)
def test_a_folder_of_the_console_is_no_photo(key, size, folder):
    assert contract.is_folder(key, size) is folder
    told = {} if size is None else {"size": size}
    made, photo = s3_record(key, "1", eTag="e1", **told), s3_record("b.jpg", "2")
    events = parse_message(message(made, photo))
    assert [event.key for event in events] == (["b.jpg"] if folder else [key, "b.jpg"])


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "LifecycleExpiration:Delete"])
def test_a_removal_counts_whatever_the_key(name):
    """It tells no size, so that a photo may have been there."""
    assert only(s3_record("holiday/", "1", name)).kind == "removed"
    assert only(s3_record("holiday/", "1", name, versionId="v", size=0)).kind == "version_removed"


def test_the_test_event_of_a_new_notification_is_no_photo():
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"}
    assert parse_message(json.dumps(test)) == []


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.9", "2"])
def test_minor_versions_of_the_event_are_compatible(version):
    assert only({**s3_record("a.jpg", "1"), "eventVersion": version}).key == "a.jpg"


@pytest.mark.parametrize("version", ["1.0", "3.0", "20.1", ""])
def test_another_major_version_is_refused(version):
    with pytest.raises(ValueError, match="eventVersion"):
        parse_message(message({**s3_record("a.jpg", "1"), "eventVersion": version}))


@pytest.mark.parametrize(
    "body",
    ["", "hello", "[]", "null", "7", '"Records"', "{}", '{"Records": {}}', '{"Records": [7]}'],
)
def test_what_is_no_notification_is_refused(body):
    with pytest.raises(ValueError, match=r"."):
        parse_message(body)


def test_a_message_nested_beyond_reason_is_refused():
    with pytest.raises(ValueError, match="nested"):
        parse_message("[" * 200_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("key", value) for value in (7, None, {})],
        *[("size", value) for value in ("12", 1.5, True)],
        *[("sequencer", value) for value in (None, "", "xyz", "1" * 33, "12\n")],
        ("versionId", {}),
        ("eTag", []),
    ],
)
def test_a_record_of_the_wrong_shape_is_refused(name, value):
    record = s3_record("a.jpg", "1", size=12)
    record["s3"]["object"][name] = value
    with pytest.raises(ValueError, match=r"."):
        parse_message(message(record))


def test_a_photo_event_without_sequencer_is_refused():
    # Two of them would pass for the same event, and the second photo be dropped.
    record = s3_record("a.jpg", "1")
    del record["s3"]["object"]["sequencer"]
    with pytest.raises(ValueError, match="sequencer"):
        parse_message(message(record))


def assert_events_or_refusal(body: str) -> None:
    try:
        events = parse_message(body)
    except ValueError:
        return
    for one in events:
        assert isinstance(one, PhotoEvent)
        texts = (one.bucket, one.key, one.sequencer, one.at)
        assert all(isinstance(text, str) for text in texts)
        assert all(text is None or isinstance(text, str) for text in (one.version_id, one.etag))
        assert one.size is None or type(one.size) is int


@given(json_values)
def test_any_json_gives_events_or_a_refusal(value):
    assert_events_or_refusal(json.dumps(value))
    assert_events_or_refusal(json.dumps({"Records": value}))
    assert_events_or_refusal(message(value))


@given(st.text())
def test_any_text_gives_events_or_a_refusal(body):
    assert_events_or_refusal(body)


@given(
    path=st.sampled_from(
        [
            ("eventVersion",),
            ("eventName",),
            ("eventTime",),
            ("s3",),
            ("s3", "bucket"),
            ("s3", "bucket", "name"),
            ("s3", "object"),
            ("s3", "object", "key"),
            ("s3", "object", "sequencer"),
            ("s3", "object", "versionId"),
            ("s3", "object", "eTag"),
            ("s3", "object", "size"),
        ]
    ),
    value=json_values,
)
def test_a_record_with_anything_in_one_place_gives_events_or_a_refusal(path, value):
    record = s3_record("a.jpg", "1", size=12, eTag="e", versionId="v")
    place = record
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert_events_or_refusal(message(record))


# The order of versions


@given(sequencers, sequencers)
@example("0055AED6DCD90281E5", "55AED6DCD90281E6")
@example("f", "10")
@example("a", "A")
def test_sequencers_order_as_hexadecimal_numbers(one, other):
    first, second = contract.pad_sequencer(one), contract.pad_sequencer(other)
    assert (first < second) == (int(one, 16) < int(other, 16))
    assert (first == second) == (int(one, 16) == int(other, 16))


@given(sequencers, sequencers, st.text("0123456789abcdef", min_size=8, max_size=8), st.text())
@example("f", "f", "ffffffff", "~~~")
@example("f", "10", "00000000", "")
def test_the_rows_up_to_an_event_are_its_own_and_older_ones(older, newer, attempt, name):
    first, second = (
        event(sequencer=contract.pad_sequencer(one))
        for one in sorted((older, newer), key=lambda one: int(one, 16))
    )
    low, high = contract.rows_up_to(first)
    row = contract.version_of(first, attempt) + "#" + name
    assert low <= row <= high
    later = contract.version_of(second, attempt) + "#" + name
    assert (low <= later <= high) == (first.sequencer == second.sequencer)
    assert not low <= contract.HEADER <= high
    assert row > contract.HEADER
    assert contract.version_of_row(row) == contract.version_of(first, attempt)


# What is stored

VERSION = "0F.12345678"
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


def floats_in(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [one for inner in value for one in floats_in(inner)]
    return [value] if isinstance(value, float) else []


def test_a_row_has_what_the_label_has():
    dog = {
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
    box = {"left": "0.1", "top": "0.2", "width": "0.3", "height": "0.4", "confidence": "97.5"}
    assert contract.label_rows(event(), VERSION, [dog]) == [
        {
            "image": "a.jpg",
            "row": "0F.12345678#dog",
            "label": "dog",
            "name": "Dog",
            "confidence": Decimal("98.7"),
            "uploaded_at": "2026-01-02T03:04:05.678Z",
            "categories": ["Animals and Pets"],
            "parents": ["Animal", "Pet"],
            "aliases": ["Hound"],
            "boxes": [{side: Decimal(value) for side, value in box.items()}],
        }
    ]


def test_a_label_that_lacks_every_list_still_has_them_in_its_row():
    [row] = contract.label_rows(event(), VERSION, [{"Name": "Sea", "Confidence": 60}])
    assert (row["categories"], row["parents"], row["aliases"], row["boxes"]) == ([], [], [], [])


def test_a_label_s_word_tells_its_name_and_relations():
    dog = {"Name": "Hot  Dog", "Confidence": 60.5, "Parents": [{"Name": "Food"}]}
    [row] = contract.label_rows(event(), VERSION, [dog])
    assert contract.word(row) == {
        "image": "#labels",
        "row": "~hot dog",
        "name": "Hot  Dog",
        "categories": [],
        "parents": ["Food"],
        "aliases": [],
    }


def test_of_two_labels_that_differ_in_case_the_surer_stands():
    found = [{"Name": "DOG", "Confidence": 60.5}, {"Name": "Dog", "Confidence": 70.5}]
    [row] = contract.label_rows(event(), VERSION, found)
    assert (row["name"], row["label"]) == ("Dog", "dog")


def test_an_instance_without_a_box_is_left_out():
    sea = {"Name": "Sea", "Confidence": 60.5, "Instances": [{"Confidence": 60.5}]}
    assert contract.label_rows(event(), VERSION, [sea])[0]["boxes"] == []


@given(labels)
def test_dynamodb_takes_every_row_and_header_and_gives_it_back(found):
    rows = contract.label_rows(event(), VERSION, found)
    answer = {"LabelModelVersion": "3.0", "ImageProperties": {"Quality": {"Sharpness": 12.5}}}
    header = contract.labelled_header(event(), VERSION, rows, answer, "now")
    for item in (*rows, header):
        assert floats_in(item) == []
        assert TypeDeserializer().deserialize(TypeSerializer().serialize(item)) == item
    assert header["label_count"] == len(rows)


@given(labels)
def test_the_surest_come_first_and_equals_by_name(found):
    rows = contract.surest(contract.label_rows(event(), VERSION, found))
    order = [(-row["confidence"], row["name"]) for row in rows]
    assert order == sorted(order)
    header = contract.labelled_header(event(), VERSION, list(map(dict, rows)), {}, "now")
    assert header["top"] == [row["name"] for row in rows][:3]
    assert header["labels"] == {row["name"]: row["confidence"] for row in rows}


def test_the_headers():
    labelled = contract.labelled_header(event(), VERSION, [], {"LabelModelVersion": "3.0"}, "now")
    assert labelled == {
        "image": "a.jpg",
        "row": "#",
        "status": "labelled",
        "version": VERSION,
        "sequencer": event().sequencer,
        "version_id": "v1",
        "etag": "e1",
        "size": 12,
        "uploaded_at": "2026-01-02T03:04:05.678Z",
        "done_at": "now",
        "model_version": "3.0",
        "label_count": 0,
        "labels": {},
        "top": [],
    }
    failed = contract.failed_header(event(), VERSION, "Empty", "It is empty.", "now")
    assert (failed["status"], failed["error"], failed["reason"]) == (
        "failed",
        "Empty",
        "It is empty.",
    )
    gone = event(kind="removed", version_id=None, etag=None, size=None)
    stone = contract.tombstone(gone, VERSION, "now", 1_800_000_000)
    assert (stone["status"], stone["expires"]) == ("removed", 1_800_000_000)
    assert not {"version_id", "etag", "size"} & stone.keys()  # absent, not null


# Asked for by labelctl itself


@given(keys, sequencers)
def test_a_request_tells_of_its_photo_and_sorts_right_behind_what_is_known(key, last):
    padded = contract.pad_sequencer(last)
    asked = contract.next_sequencer(padded)
    [told] = parse_message(contract.request("photos", key, asked, "2026-01-02T03:04:05Z"))
    assert (told.bucket, told.key, told.kind) == ("photos", key, "requested")
    assert told.sequencer == asked
    assert (told.version_id, told.etag, told.size) == (None, None, None)
    assert padded < asked
    later = f"{int(last, 16) + 1:X}"
    if len(later) <= 32:
        assert asked < contract.pad_sequencer(later)


def test_requests_sort_in_their_order_however_many_there_are():
    asked = [""]
    for _ in range(300):
        asked.append(contract.next_sequencer(asked[-1]))
    assert asked[1] == "0" * 32 + ":00000001"
    assert asked == sorted(set(asked))


@given(sequencers, st.integers(0, 3), st.text("0123456789abcdef", min_size=8, max_size=8))
def test_a_row_knows_its_event_and_a_sweep_takes_no_newer_one(last, requests, attempt):
    sequencer = contract.pad_sequencer(last)
    for _ in range(requests):
        sequencer = contract.next_sequencer(sequencer)
    told = event(sequencer=sequencer)
    [row] = contract.label_rows(
        told, contract.version_of(told, attempt), [{"Name": "A.b#c:d", "Confidence": 1}]
    )
    assert contract.sequencer_of_row(row["row"]) == sequencer
    newer = event(sequencer=contract.next_sequencer(sequencer))
    low, high = contract.rows_up_to(newer)
    assert low <= row["row"] <= high
    [later] = contract.label_rows(
        newer, contract.version_of(newer, attempt), [{"Name": "A", "Confidence": 1}]
    )
    low, high = contract.rows_up_to(told)
    assert not low <= later["row"] <= high


def test_a_key_without_versions_is_told_apart_by_its_etag():
    """S3 calls its one version "null", whatever lies there."""
    told = only(s3_record("a.jpg", "1", eTag="e1", versionId="null"))
    assert (told.version_id, told.etag) == (None, "e1")
    assert contract.known_version("v1") == "v1"
