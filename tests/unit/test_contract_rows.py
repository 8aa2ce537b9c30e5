"""The contract: the rows and headers that are stored, and what is asked of the function."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from labelctl import contract
from labelctl.contract import parse_message
from tests.unit.photo_events import event, keys, sequencers

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
