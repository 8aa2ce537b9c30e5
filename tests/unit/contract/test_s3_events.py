"""Parsing S3 events, requests by labelctl, and the order of sequencers."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent, parse_message
from tests.lambda_runtime import s3_record
from tests.unit.photo_events import event, keys, message, only, sequencers

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# Events of S3


def test_new_photo():
    record = s3_record("holiday/at sea.jpg", "0a5F", size=12, eTag="e1", versionId="v1")
    assert only(record) == event(key="holiday/at sea.jpg", sequencer="0" * 28 + "0A5F")


@given(keys)
@example("holiday photo+1 100%.jpg")
@example("a#b?c&d=e.jpg")
@example("line\nbreak\x00.jpg")
@example("%2B+%20")
@example("😀" * 256)
@example("é" * 512)
def test_every_key_is_decoded(key):
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
def test_kind_of_event(name, photo, kind):
    assert only(s3_record("a.jpg", "1", name, **photo)).kind == kind


def test_removal_has_no_size_or_etag():
    gone = only(s3_record("a.jpg", "1", "ObjectRemoved:Delete"))
    assert (gone.size, gone.etag, gone.version_id) == (None, None, None)


@pytest.mark.parametrize(
    "name",
    [
        *("ObjectTagging:Put", "ObjectTagging:Delete", "ObjectAcl:Put", "ObjectRestore:Completed"),
        *("ReducedRedundancyLostObject", "Replication:OperationFailedReplication"),
        *("LifecycleTransition", "IntelligentTiering", "ObjectInvented:Later"),
    ],
)
def test_other_events_are_ignored(name):
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
def test_console_folder_is_not_a_photo(key, size, folder):
    assert s3_events.is_folder(key, size) is folder
    about = {} if size is None else {"size": size}
    made, photo = s3_record(key, "1", eTag="e1", **about), s3_record("b.jpg", "2")
    events = parse_message(message(made, photo))
    assert [event.key for event in events] == (["b.jpg"] if folder else [key, "b.jpg"])


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "LifecycleExpiration:Delete"])
def test_removal_counts_whatever_the_key(name):
    """Its event has no size, so it may have been a photo."""
    assert only(s3_record("holiday/", "1", name)).kind == "removed"
    assert only(s3_record("holiday/", "1", name, versionId="v", size=0)).kind == "version_removed"


def test_test_event_is_ignored():
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"}
    assert parse_message(json.dumps(test)) == []


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.3", "2.9", "2.10", "2"])
def test_minor_event_versions_are_accepted(version):
    assert only({**s3_record("a.jpg", "1"), "eventVersion": version}).key == "a.jpg"


@pytest.mark.parametrize("version", ["1.0", "3.0", "20.1", ""])
def test_other_major_event_versions_are_rejected(version):
    with pytest.raises(ValueError, match="eventVersion"):
        parse_message(message({**s3_record("a.jpg", "1"), "eventVersion": version}))


@pytest.mark.parametrize(
    "body",
    ["", "hello", "[]", "null", "7", '"Records"', "{}", '{"Records": {}}', '{"Records": [7]}'],
)
def test_invalid_notifications_are_rejected(body):
    with pytest.raises(ValueError, match=r"."):
        parse_message(body)


# Events that come another way


def through_sns(body):
    """As SNS sends a message to a queue without raw message delivery."""
    wrapped = {
        "Type": "Notification",
        "MessageId": "0a1b",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:photos",
        "Subject": "Amazon S3 Notification",
        "Message": body,
        "Timestamp": "2026-01-02T03:04:06.000Z",
        "SignatureVersion": "1",
    }
    return json.dumps(wrapped)


@given(keys)
@example("100% a+b\n\u00e9.jpg")
def test_events_through_sns_are_read(key):
    body = message(s3_record(key, "1", versionId="v1"))
    assert parse_message(through_sns(body)) == parse_message(body)


def test_test_event_through_sns_is_ignored():
    test = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"})
    assert parse_message(through_sns(test)) == []


@pytest.mark.parametrize("body", ["hello", "", None, 7, [], "[]", through_sns("{}")])
def test_other_messages_through_sns_are_rejected(body):
    with pytest.raises(ValueError, match="not an S3 notification"):
        parse_message(through_sns(body))


def test_an_event_of_eventbridge_is_rejected_with_advice():
    body = {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-01-02T03:04:05Z",
        "detail": {"bucket": {"name": "photos"}, "object": {"key": "a.jpg", "sequencer": "1"}},
    }
    with pytest.raises(ValueError, match=r"EventBridge are not supported\. Configure the bucket"):
        parse_message(json.dumps(body))


@pytest.mark.parametrize(
    "body",
    [
        {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": "x"}}]},
        {"Records": [{"eventSource": "aws:dynamodb", "eventVersion": "1.1", "dynamodb": {}}]},
        {"Records": [{"messageId": "m", "body": "{}", "eventSource": "aws:sqs"}]},
        {"task": "send_email", "args": []},
    ],
)
def test_messages_of_other_tools_are_rejected(body):
    with pytest.raises(ValueError, match=r"eventVersion|no Records"):
        parse_message(json.dumps(body))


def test_deeply_nested_message_is_rejected():
    with pytest.raises(ValueError, match="nested"):
        parse_message("[" * 200_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("key", value) for value in (7, None, {})],
        *[("size", value) for value in ("12", 1.5, True)],
        *[("sequencer", value) for value in (7, "", "xyz", "1" * 33, "12\n")],
        ("versionId", {}),
        ("eTag", []),
    ],
)
def test_a_record_of_the_wrong_shape_is_refused(name, value):
    record = s3_record("a.jpg", "1", size=12)
    record["s3"]["object"][name] = value
    with pytest.raises(ValueError, match=r"."):
        parse_message(message(record))


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("ObjectCreated:Put", {"versionId": "v"}),
        ("ObjectRemoved:Delete", {"versionId": "v"}),
        ("LifecycleExpiration:DeleteMarkerCreated", {}),
    ],
)
@pytest.mark.parametrize("missing", ["absent", "null"])
def test_a_photo_event_without_sequencer_is_unordered(name, photo, missing):
    record = s3_record("a.jpg", "1", name, **photo)
    del record["s3"]["object"]["sequencer"]
    if missing == "null":
        record["s3"]["object"]["sequencer"] = None
    read = only(record)
    assert (read.kind, read.sequencer) == ("unordered", "")


def test_unknown_members_are_ignored():
    record = s3_record("a.jpg", "1", size=12, eTag="e1", versionId="v1")
    expected = only(record)
    record |= {"new": {"a": [1]}, "glacierEventData": {}}
    record["s3"] |= {"new": None}
    record["s3"]["object"] |= {"checksum": "abc", "new": 7}
    assert parse_message(json.dumps({"Records": [record], "new": []})) == [expected]


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
def test_any_text_gives_events_or_value_error(body):
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
def test_any_value_in_a_record_gives_events_or_value_error(path, value):
    record = s3_record("a.jpg", "1", size=12, eTag="e", versionId="v")
    place = record
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert_events_or_refusal(message(record))


def test_null_version_is_identified_by_its_etag():
    """S3 gives every object without versioning the version id "null"."""
    read = only(s3_record("a.jpg", "1", eTag="e1", versionId="null"))
    assert (read.version_id, read.etag) == (None, "e1")
    assert s3_events.normalize_version_id("v1") == "v1"


# The order of sequencers


@given(sequencers, sequencers)
@example("0055AED6DCD90281E5", "55AED6DCD90281E6")
@example("f", "10")
@example("a", "A")
def test_sequencers_order_as_hexadecimal_numbers(one, other):
    first, second = s3_events.pad_sequencer(one), s3_events.pad_sequencer(other)
    assert (first < second) == (int(one, 16) < int(other, 16))
    assert (first == second) == (int(one, 16) == int(other, 16))


# Requests by labelctl


@given(keys, sequencers)
def test_request_follows_the_last_known_sequencer(key, last):
    padded = s3_events.pad_sequencer(last)
    asked = s3_events.next_sequencer(padded)
    [read] = parse_message(s3_events.request("photos", key, asked, "2026-01-02T03:04:05Z"))
    assert (read.bucket, read.key, read.kind) == ("photos", key, "requested")
    assert read.sequencer == asked
    assert (read.version_id, read.etag, read.size) == (None, None, None)
    assert padded < asked
    later = f"{int(last, 16) + 1:X}"
    if len(later) <= 32:
        assert asked < s3_events.pad_sequencer(later)


def test_any_number_of_requests_sort_in_order():
    asked = [""]
    for _ in range(300):
        asked.append(s3_events.next_sequencer(asked[-1]))
    assert asked[1] == "0" * 32 + ":00000001"
    assert asked == sorted(set(asked))
