"""Removing photos from a bucket of moto, and the dead letters of removed photos."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.aws import objects
from labelctl.contract import s3_events
from labelctl.errors import RefusedError
from labelctl.operations import cleanup
from labelctl.operations.dead_letters import UnreadMessages, lease
from labelctl.photos import remove
from tests.lambda_runtime import message_body, s3_record
from tests.unit.photo_items import NOW
from tests.unit.queue_world import body, put_many, visible
from tests.unit.queue_world import put as send


@pytest.fixture
def put(s3, bucket):
    def stored(*keys):
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    return stored


@pytest.fixture
def left(s3, bucket):
    """Return the keys of current objects, and the keys of all versions."""

    def look():
        shown = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        page = s3.list_object_versions(Bucket=bucket)
        kept = {each["Key"] for each in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]}
        return shown, sorted(kept)

    return look


def test_removed_photo_keeps_its_versions(s3, bucket, put, left):
    put("a.jpg", "a.jpg", "a.jpg.jpg")
    assert list(remove.remove(s3, bucket, ["a.jpg"], permanently=False)) == ["a.jpg"]
    assert left() == (["a.jpg.jpg"], ["a.jpg", "a.jpg.jpg"])


def test_permanent_removal_deletes_all_versions_of_one_key(s3, bucket, put, left):
    put("a.jpg", "a.jpg", "a.jpg.jpg", "a.jpf")
    s3.delete_object(Bucket=bucket, Key="a.jpg")
    assert list(remove.remove(s3, bucket, ["a.jpg"], permanently=True)) == ["a.jpg"]
    assert left() == (["a.jpf", "a.jpg.jpg"], ["a.jpf", "a.jpg.jpg"])


@pytest.mark.parametrize("permanently", [False, True])
def test_prefix_removes_matching_photos_only(permanently, s3, bucket, put, left, monkeypatch):
    monkeypatch.setattr(objects, "_PAGE", 4)
    keys = [f"day 1/{number:04}.jpg" for number in range(10)]  # more than one page
    put("day", "day 1", *keys, "day 2/0.jpg")
    assert list(remove.remove_prefix(s3, bucket, "day 1/", permanently=permanently)) == keys
    shown = ["day", "day 1", "day 2/0.jpg"]
    assert left()[0] == shown
    if permanently:
        assert left()[1] == shown


def test_each_key_is_yielded_once_after_it_is_gone(s3, bucket, put, left):
    put("a.jpg", "a.jpg", "b.jpg")
    removed = []
    for key in remove.remove_prefix(s3, bucket, "", permanently=True):
        removed.append(key)
        assert key not in left()[1]
    assert removed == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("key", ["a\tb.jpg", "ä & <b>.jpg", "a+b c.jpg"])
def test_photos_with_unusual_names_are_removed(key, s3, bucket, put, left):
    put(key)
    assert list(remove.remove(s3, bucket, [key], permanently=True)) == [key]
    assert left() == ([], [])


def test_exact_key_is_required(s3, bucket, put):
    put("a.jpg", "holiday/b.jpg", "e\u0301.jpg")
    assert remove.exists(s3, bucket, "holiday/b.jpg")
    for image, message in {
        "photos/a.jpg": 'There is no photo "photos/a.jpg" in the bucket; there is "a.jpg".',
        "\u00e9.jpg": 'There is no photo "\u00e9.jpg" in the bucket; there is "e\u0301.jpg" in another'
        " Unicode form.",
        "b.jpg": 'There is no photo "b.jpg" in the bucket.',
    }.items():
        assert not remove.exists(s3, bucket, image)
        assert remove.not_found(s3, bucket, image).message == message
    hint = remove.not_found(s3, bucket, "b.jpg").hint
    assert hint == 'Did you mean "holiday/b.jpg"?'


def test_console_folder_is_removed_with_its_content(s3, bucket, put, left):
    s3.put_object(Bucket=bucket, Key="day 1/", Body=b"")
    put("day 1/a.jpg")
    assert not remove.exists(s3, bucket, "day 1/")
    assert list(remove.remove_prefix(s3, bucket, "day 1/", permanently=False)) == [
        "day 1/",
        "day 1/a.jpg",
    ]
    assert left()[0] == []


def test_removed_photos_can_be_deleted_permanently(s3, bucket, put, left):
    put("a.jpg", "a.jpg.jpg")
    list(remove.remove(s3, bucket, ["a.jpg"], permanently=False))
    assert not remove.exists(s3, bucket, "a.jpg")
    assert remove.exists(s3, bucket, "a.jpg", permanently=True)
    assert list(remove.remove(s3, bucket, ["a.jpg"], permanently=True)) == ["a.jpg"]
    assert left()[1] == ["a.jpg.jpg"]
    assert not remove.exists(s3, bucket, "a.jpg", permanently=True)


@pytest.mark.parametrize("page", [1, 2, 3, 7])
def test_interrupted_permanent_removal_never_restores_a_photo(
    page, s3, bucket, put, left, monkeypatch
):
    """The newest version of each key, which hides the others, is deleted last."""
    monkeypatch.setattr("labelctl.aws.objects._PAGE", page)
    for key in ("a", "b", "c"):
        put(key, key, key)
        s3.delete_object(Bucket=bucket, Key=key)
    put("d", "d")
    shown = [["d"]]
    for _ in objects.delete_all_versions(s3, bucket):
        shown.append(left()[0])
    assert set(map(tuple, shown)) <= {("d",), ()}
    assert left() == ([], [])


def test_permanent_removal_finds_removed_photos(s3, bucket, put):
    put("m/1", "m/2", "m/2", "n")
    s3.delete_object(Bucket=bucket, Key="m/1")
    assert list(remove.find(s3, bucket, "m/")) == ["m/2"]
    assert list(remove.find(s3, bucket, "m/", permanently=True)) == ["m/1", "m/2"]


def test_photo_with_many_versions_is_found_once(s3, bucket, put):
    put("a.jpg", "a.jpg", "a.jpg", "b.jpg")
    s3.meta.events.register(
        "before-parameter-build.s3.ListObjectVersions", lambda params, **_: params.update(MaxKeys=2)
    )
    assert list(remove.find(s3, bucket, "", permanently=True)) == ["a.jpg", "b.jpg"]


def test_removed_photos_are_yielded_before_an_error(s3, bucket, put, monkeypatch):
    put("a.jpg", "b.jpg")
    refused = {"Errors": [{"Key": "b.jpg", "Code": "AccessDenied", "Message": "held"}]}
    monkeypatch.setattr(s3, "delete_objects", lambda **_: refused)
    removed = remove.remove(s3, bucket, ["a.jpg", "b.jpg"], permanently=False)
    assert next(removed) == "a.jpg"
    with pytest.raises(RefusedError, match=r"b\.jpg: held"):
        next(removed)


def test_refusal_of_s3_is_reported(s3, bucket, put, left):
    put("a.jpg")

    def refuse(**_: Any) -> Any:
        errors = [{"Key": "a.jpg", "Code": "AccessDenied", "Message": "Access Denied"}]
        return SimpleNamespace(status_code=200), {"Errors": errors}

    s3.meta.events.register("before-call.s3.DeleteObjects", refuse)
    with pytest.raises(RefusedError, match=r"a\.jpg: Access Denied"):
        list(remove.remove(s3, bucket, ["a.jpg"], permanently=False))
    assert left()[0] == ["a.jpg"]


def test_removal_ends_if_s3_deletes_nothing(s3, bucket, put, monkeypatch):
    put("a.jpg")
    answers = iter([{}] * 3)
    monkeypatch.setattr(s3, "delete_objects", lambda **_: next(answers))
    with pytest.raises(RefusedError, match=r"1 object of .* still lists 'a\.jpg'"):
        list(remove.remove(s3, bucket, ["a.jpg"], permanently=True))


def test_keys_invalid_in_xml_are_removed_by_url(s3, bucket, put):
    """S3 would reject the whole DeleteObjects request."""
    keys = ["a\x01.jpg", "b.jpg"]
    put(*keys)
    written = []
    s3.meta.events.register(
        "before-parameter-build.s3.DeleteObjects",
        lambda params, **_: written.extend(each["Key"] for each in params["Delete"]["Objects"]),
    )
    assert list(remove.remove(s3, bucket, keys, permanently=False)) == keys
    assert written == ["b.jpg"]


def fails(s3: Any, code: str, times: int) -> None:
    """Make S3 fail to delete b.jpg several times, in responses with status 200."""
    left = [{"Key": "b.jpg", "Code": code, "Message": "Try again."}] * times

    def answer(parsed: Any, **_: Any) -> None:
        if left:
            parsed["Errors"] = [left.pop()]

    s3.meta.events.register("after-call.s3.DeleteObjects", answer)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_temporary_errors_are_retried(code, s3, bucket, put, naps, monkeypatch):
    monkeypatch.setattr("labelctl.aws.objects.time.sleep", naps)
    put("a.jpg", "b.jpg", "c.jpg")
    fails(s3, code, 3)
    removed = list(remove.remove(s3, bucket, ["a.jpg", "b.jpg", "c.jpg"], permanently=False))
    assert sorted(removed) == ["a.jpg", "b.jpg", "c.jpg"]
    assert len(naps) == 3


@pytest.mark.parametrize(("code", "most"), [("InternalError", 5), ("AccessDenied", 0)])
def test_retries_are_limited(code, most, s3, bucket, put, naps, monkeypatch):
    monkeypatch.setattr("labelctl.aws.objects.time.sleep", naps)
    put("a.jpg", "b.jpg")
    fails(s3, code, 100)
    with pytest.raises(RefusedError, match=r"1 object of .* b\.jpg: Try again"):
        list(remove.remove(s3, bucket, ["a.jpg", "b.jpg"], permanently=False))
    assert len(naps) == most


@pytest.fixture
def stack(sqs, bucket):
    """The names of a stack's resources, and its queues with four dead letters."""
    queue, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("work", "dead"))
    for text in (
        message_body(s3_record("day 1/a.jpg", "1")),
        json.dumps({"Records": [s3_record("day 1/a.jpg", "2"), s3_record("b.jpg", "2")]}),
        message_body(s3_record("b.jpg", "1")),
        message_body(s3_record("day 1/b.jpg", "3", "ObjectRemoved:DeleteMarkerCreated")),
        "hello",
    ):
        sqs.send_message(QueueUrl=dead, MessageBody=text)
    return SimpleNamespace(bucket=bucket, queue=queue, dead_letter_queue=dead, sqs=sqs)


def depth(sqs, url):
    response = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(response["Attributes"]["ApproximateNumberOfMessages"])


@pytest.mark.parametrize(
    ("chosen", "there", "over", "moved"),
    [
        (lambda key: key.startswith("day 1/"), (), 1, 1),
        (lambda key: key == "day 1/a.jpg", (), 1, 0),
        (lambda key: True, (), 3, 1),
        (lambda key: True, ("day 1/a.jpg",), 1, 1),  # uploaded again meanwhile
        (lambda key: False, (), 0, 0),
    ],
)
def test_dead_letters_of_removed_photos_are_deleted(chosen, there, over, moved, s3, stack, put):
    """Dead letters of removals are requeued: their photos' labels may still be stored."""
    put(*there)
    aws = SimpleNamespace(s3=s3, sqs=stack.sqs)
    *_, last = cleanup.remove_obsolete_dead_letters(aws, stack, chosen)
    assert (last.looked_at, last.cleared, last.unseen) == (5, over + moved, UnreadMessages())
    assert depth(stack.sqs, stack.dead_letter_queue) == 5 - over - moved
    assert depth(stack.sqs, stack.queue) == moved


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        (message_body(s3_record("a.jpg", "1", "ObjectRemoved:Delete", versionId="v1")), 1),
        (message_body(s3_record("a.jpg", "1", "ObjectRemoved:DeleteMarkerCreated")), 1),
        (s3_events.request("photos", "a.jpg", s3_events.next_sequencer(""), NOW), 0),
    ],
)
def test_only_dead_letters_of_removals_are_requeued(s3, sqs, bucket, queue, dead, text, moved):
    send(sqs, dead, text)
    stack = SimpleNamespace(bucket=bucket, queue=queue, dead_letter_queue=dead)
    *_, last = cleanup.remove_obsolete_dead_letters(SimpleNamespace(s3=s3, sqs=sqs), stack, every)
    assert last.cleared == 1
    assert (visible(sqs, dead), visible(sqs, queue)) == (0, moved)


@pytest.fixture
def many(s3, sqs, bucket, queue, dead):
    """A stack with 30 dead letters of removed photos."""
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(30)])
    stack = SimpleNamespace(bucket=bucket, queue=queue, dead_letter_queue=dead)
    return partial(cleanup.remove_obsolete_dead_letters, SimpleNamespace(s3=s3, sqs=sqs), stack)


def every(key):
    return True


def test_dead_letters_are_deleted_as_they_are_checked(many, sqs, dead, monkeypatch):
    """An interrupted run has made progress, and the next one resumes."""
    monkeypatch.setattr(cleanup, "_WINDOW", 10)
    with closing(many(every)) as progress:
        first = next(progress)
    assert (first.looked_at, first.total, first.cleared) == (10, 30, 10)
    assert visible(sqs, dead) == 20
    progress = [(each.looked_at, each.total, each.cleared) for each in many(every)]
    assert progress == [(number, 20, number) for number in (10, 20, 20)]
    assert visible(sqs, dead) == 0
    assert list(many(every)) == []


@pytest.mark.parametrize("calls", [0, 1, 15, 29])
def test_cleanup_can_be_interrupted_and_repeated(many, s3, sqs, dead, monkeypatch, calls):
    monkeypatch.setattr(cleanup, "_WINDOW", 10)
    monkeypatch.setattr(cleanup, "_WORKERS", 1)
    left = iter(range(calls))

    def cut(**_):
        if next(left, None) is None:
            raise KeyboardInterrupt

    s3.meta.events.register("before-call.s3.HeadObject", cut, "cut")
    with pytest.raises(KeyboardInterrupt):
        list(many(every))
    s3.meta.events.unregister("before-call.s3.HeadObject", cut, "cut")
    rest = 30 - calls // 10 * 10
    assert visible(sqs, dead) == rest
    assert [*many(every)][-1].cleared == rest
    assert visible(sqs, dead) == 0


def test_photos_are_looked_up_in_parallel_and_once_each(many, s3, sqs, dead):
    """Looking up 100,000 photos sequentially would take an hour."""
    send(sqs, dead, body("7.jpg", number=2))
    together = threading.Barrier(2)
    asked = []

    def meet(params, **_):
        asked.append(params["url_path"])
        together.wait(30)

    s3.meta.events.register("before-call.s3.HeadObject", meet)
    assert [*many(every)][-1].cleared == 31
    assert len(asked) == len(set(asked)) == 30


def test_only_selected_photos_are_looked_up(many, s3):
    asked = []
    s3.meta.events.register(
        "before-call.s3.HeadObject", lambda params, **_: asked.append(params["url_path"])
    )
    assert [*many(lambda key: key == "7.jpg")][-1].cleared == 1
    assert asked == ["/7.jpg"]


def test_dead_letters_beyond_the_lease_limit(many, sqs, dead, monkeypatch):
    monkeypatch.setattr(cleanup, "lease", partial(lease, limit=20))
    monkeypatch.setattr(cleanup, "_WINDOW", 10)
    assert [*many(lambda key: False)][-1].unseen == UnreadMessages(cut_off=True)
    last = [*many(every)][-1]
    assert (last.cleared, last.unseen) == (30, UnreadMessages())


def test_empty_queue_needs_no_receives(many, sqs, dead):
    list(many(every))
    asked = []
    sqs.meta.events.register("before-call.sqs.ReceiveMessage", lambda **_: asked.append(1))
    assert list(many(every)) == []
    assert not asked
