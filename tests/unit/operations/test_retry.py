"""Failed photos are requested again, dead letters are redriven; duplicates are harmless."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.contract import s3_events
from labelctl.errors import PhotoNotFoundError, RefusedError
from labelctl.operations import retry
from labelctl.operations.dead_letters import UnreadMessages
from labelctl.operations.failures import FailureFilter
from labelctl.photos import versions
from labelctl.photos.versions import ObjectVersion
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.lambda_runtime import s3_record
from tests.unit.photo_items import NOW, event, failed, labelled, removed, store
from tests.unit.queue_world import bodies, body, key_of, peek, put, put_many, requests_in, visible

SENT = ObjectVersion("a.jpg", "v1", "e1")


@pytest.fixture
def tables() -> PhotoTables:
    return PhotoTables()


@pytest.fixture
def stored(tables: PhotoTables) -> Any:
    """Puts photos' items into the table, as they are now."""
    return partial(store, tables)


@pytest.fixture
def aws(s3: Any, tables: PhotoTables, sqs: Any) -> Any:
    return SimpleNamespace(s3=s3, dynamodb=tables, sqs=sqs)


@pytest.fixture
def stack(bucket: str, queue: str, dead: str) -> Any:
    return SimpleNamespace(
        bucket=bucket, table=PHOTOS, labels_table=LABELS, queue=queue, dead_letter_queue=dead
    )


@pytest.fixture
def these(aws: Any, stack: Any) -> Any:
    """Retries photos; (image, outcome, why) of each."""

    def run(*photos: ObjectVersion) -> list[tuple[Any, ...]]:
        found = retry.retry_images(aws, stack, photos)
        return [(each.image, each.outcome, each.why) for each in found]

    return run


@pytest.fixture
def every(aws: Any, stack: Any) -> Any:
    """Retries all that is chosen; (image or message id, outcome) of each."""

    def run(choice: FailureFilter = FailureFilter()) -> list[tuple[Any, str]]:  # noqa: B008
        found = retry.retry_all(aws, stack, choice)
        return [(each.image or each.message_id, each.outcome) for each in found]

    return run


def after(number: int, count: int = 1) -> str:
    return f"{s3_events.pad_sequencer(f'{number:X}')}:{count:08X}"


# ---- photos by name


def test_a_failed_photo_is_requested(sqs: Any, queue: str, stored: Any, these: Any) -> None:
    stored(failed(event(number=7)))
    assert these(SENT) == [("a.jpg", "queued", "failed")]
    assert requests_in(sqs, queue) == [("a.jpg", after(7))]


def test_only_a_newer_result_is_waited_for(aws: Any, stack: Any, stored: Any) -> None:
    """And not the existing failure."""
    stored(failed(event(number=7)))
    [result] = retry.retry_images(aws, stack, [SENT])
    assert result.awaited == ObjectVersion("a.jpg", "v1", "e1", sequencer=after(7))
    photo = aws.dynamodb.photo("a.jpg")
    assert versions.is_result_of(photo, SENT)
    assert not versions.is_result_of(photo, result.awaited)


def test_asking_twice_asks_for_the_same(sqs: Any, queue: str, stored: Any, these: Any) -> None:
    stored(failed(event(number=7)))
    these(SENT)
    these(SENT)
    assert requests_in(sqs, queue) == [("a.jpg", after(7))] * 2


def test_a_photo_that_failed_again_is_requested_again(
    sqs: Any, queue: str, stored: Any, these: Any
) -> None:
    stored({**failed(event()), "sequencer": after(7)})
    these(SENT)
    assert requests_in(sqs, queue) == [("a.jpg", after(7, 2))]


def test_a_labelled_photo_is_left_alone(sqs: Any, queue: str, stored: Any, these: Any) -> None:
    stored(labelled(event()))
    assert these(SENT) == [("a.jpg", "labelled", "It is labelled already, so it was not requeued.")]
    assert visible(sqs, queue) == 0


def test_a_photo_possibly_in_the_queue_is_requested_anyway(
    sqs: Any, queue: str, these: Any
) -> None:
    """The queue cannot be searched for its message."""
    put(sqs, queue, body("b.jpg"))
    assert these(SENT) == [("a.jpg", "queued", "no result yet")]
    assert {key_of(text) for text in bodies(sqs, queue)} == {"a.jpg", "b.jpg"}


@pytest.mark.parametrize("known", ["nothing", "an older version", "a removal"])
def test_a_photo_without_a_result_is_requested(
    sqs: Any, queue: str, stored: Any, these: Any, known: str
) -> None:
    """Behind all that the table knows of it."""
    if known == "an older version":
        stored(labelled(event(number=9, version_id="v0")))
    if known == "a removal":
        stored(removed(event(number=9)))
    assert these(SENT) == [("a.jpg", "queued", "no result yet")]
    assert requests_in(sqs, queue) == [("a.jpg", after(0 if known == "nothing" else 9))]


def test_only_dead_letters_of_the_photo_are_redriven(
    sqs: Any, queue: str, dead: str, these: Any
) -> None:
    put(sqs, dead, body("b.jpg"))
    put(sqs, dead, "hello")
    put(sqs, dead, body("a.jpg"), error="E", reason="why")
    assert these(SENT) == [("a.jpg", "queued", "dead letter")]
    assert bodies(sqs, queue) == [body("a.jpg")]
    assert visible(sqs, dead) == 2


@pytest.mark.parametrize(
    ("name", "details", "queued"),
    [
        ("ObjectCreated:Put", {"versionId": "v1", "eTag": "e1"}, 1),
        ("ObjectCreated:Put", {"versionId": "v0", "eTag": "e0"}, 2),
        ("ObjectRemoved:DeleteMarkerCreated", {"versionId": "m"}, 2),
        ("ObjectRemoved:Delete", {"versionId": "v2"}, 1),
    ],
)
def test_a_dead_letter_that_resolves_nothing_is_not_enough(
    sqs: Any, queue: str, dead: str, these: Any, name: str, details: dict[str, str], queued: int
) -> None:
    """For example one of a previous version, or of an undone removal."""
    put(sqs, dead, json.dumps({"Records": [s3_record("a.jpg", "5", name, **details)]}))
    [(_, outcome, why)] = these(SENT)
    assert outcome == "queued"
    assert why == ("dead letter" if queued == 1 else "no result yet")
    assert (visible(sqs, dead), visible(sqs, queue)) == (0, queued)


def test_a_failed_photo_with_a_dead_letter_is_requested_and_redriven(
    sqs: Any, queue: str, dead: str, stored: Any, these: Any
) -> None:
    """The dead letter may be of an event that is already handled, and then does nothing."""
    stored(failed(event(number=7)))
    put(sqs, dead, body("a.jpg", 7))
    assert these(SENT) == [("a.jpg", "queued", "failed")]
    assert visible(sqs, dead) == 0
    assert visible(sqs, queue) == 2


def test_many_photos_at_once(sqs: Any, queue: str, dead: str, stored: Any, these: Any) -> None:
    photos = [ObjectVersion(f"{number}.jpg", "v1", "e1") for number in range(130)]
    stored(*(failed(event(photo.key)) for photo in photos[:110]))
    stored(labelled(event(photos[110].key)))
    for photo in photos[120:]:
        put(sqs, dead, body(photo.key))
    result = these(*photos, photos[0])
    assert len(result) == len({image for image, _, _ in result}) == 130
    outcomes = {int(image[:-4]): (outcome, why) for image, outcome, why in result}
    assert outcomes[0] == ("queued", "failed")
    assert outcomes[110] == ("labelled", "It is labelled already, so it was not requeued.")
    assert outcomes[115] == ("queued", "no result yet")
    assert outcomes[125] == ("queued", "dead letter")
    assert (visible(sqs, dead), visible(sqs, queue)) == (0, 129)


# ---- which photos are meant


@pytest.fixture
def meant(aws: Any, stack: Any) -> Any:
    def find(*images: str) -> list[ObjectVersion]:
        return retry.resolve_images(aws, stack, images)

    return find


def test_images_resolve_to_the_current_versions(aws: Any, bucket: str, meant: Any) -> None:
    there = aws.s3.put_object(Bucket=bucket, Key="holiday/a.jpg", Body=b"x")
    photo = ObjectVersion("holiday/a.jpg", there["VersionId"], there["ETag"].strip('"'))
    assert meant("holiday/a.jpg", "/home/me/holiday/a.jpg") == [photo]


@pytest.mark.parametrize("image", ["a.jpg", "/home/me/a.jpg"])
@pytest.mark.parametrize("known", ["an item", "a dead letter"])
def test_a_removed_photo_resolves_while_it_is_recorded(
    sqs: Any, queue: str, dead: str, stored: Any, meant: Any, these: Any, image: str, known: str
) -> None:
    """As `failures` lists it by its name."""
    if known == "an item":
        stored(failed(event(number=7)))
    else:
        put(sqs, dead, json.dumps({"Records": [s3_record("b.jpg", "1"), s3_record("a.jpg", "7")]}))
    photos = meant(image)
    assert photos == [ObjectVersion("a.jpg")]
    assert visible(sqs, dead) == (known == "a dead letter")  # it was only read
    assert these(*photos) == [("a.jpg", "queued", "gone from the bucket")]
    keys = [{each.key for each in s3_events.parse_message(text)} for text in bodies(sqs, queue)]
    assert {"a.jpg"} in keys
    assert visible(sqs, dead) == 0


def test_nothing_is_waited_for_of_one_that_is_gone(
    aws: Any, stack: Any, sqs: Any, dead: str, meant: Any
) -> None:
    removal = s3_record("a.jpg", "7", "ObjectRemoved:DeleteMarkerCreated", versionId="m")
    put(sqs, dead, json.dumps({"Records": [removal]}))
    [result] = retry.retry_images(aws, stack, meant("a.jpg"))
    assert (result.outcome, result.why, result.awaited) == ("queued", "dead letter", None)


def test_an_unknown_photo_is_not_found(
    aws: Any, bucket: str, sqs: Any, dead: str, meant: Any
) -> None:
    aws.s3.put_object(Bucket=bucket, Key="b.jpg", Body=b"x")
    put(sqs, dead, body("ba.jpg"))
    with pytest.raises(PhotoNotFoundError, match=r'no photo "a\.jpg"'):
        meant("b.jpg", "a.jpg")


def test_a_file_that_was_never_uploaded_is_no_other_photo_of_its_name(
    aws: Any, bucket: str, stored: Any, dead: str, meant: Any, tmp_path: Path
) -> None:
    aws.s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"another")
    stored(failed(event(number=7)))
    (tmp_path / "a.jpg").write_bytes(b"mine")
    with pytest.raises(PhotoNotFoundError, match=r"no photo .*a\.jpg"):
        meant(str(tmp_path / "a.jpg"))


def test_the_hint_mentions_dead_letters_leased_by_others(
    bucket: str, sqs: Any, dead: str, meant: Any
) -> None:
    put(sqs, dead, body("a.jpg"))
    sqs.receive_message(QueueUrl=dead)
    with pytest.raises(PhotoNotFoundError) as caught:
        meant("a.jpg")
    assert "available again within a minute" in caught.value.hint


# ---- all, or a choice


def test_nothing_to_retry(every: Any) -> None:
    assert every() == []


def test_messages_leased_by_others_are_reported_last(
    aws: Any, stack: Any, sqs: Any, dead: str
) -> None:
    put(sqs, dead, body("a.jpg"))
    sqs.receive_message(QueueUrl=dead)
    put(sqs, dead, body("b.jpg"))
    result = list(retry.retry_all(aws, stack, FailureFilter()))
    assert [getattr(each, "image", each) for each in result] == ["b.jpg", UnreadMessages(hidden=1)]


def test_retry_all_failed_photos_and_dead_letters(
    sqs: Any, queue: str, dead: str, stored: Any, every: Any
) -> None:
    stored(*(failed(event(f"f{number}.jpg", number)) for number in range(120)))
    stored(labelled(event("fine.jpg")))
    put_many(sqs, dead, [body(f"d{number}.jpg") for number in range(30)])
    lost = put(sqs, dead, "hello")
    result = every()
    assert len(result) == 151
    assert (lost, "left") in result
    assert {image for image, outcome in result if outcome == "queued"} == {
        *(f"f{number}.jpg" for number in range(120)),
        *(f"d{number}.jpg" for number in range(30)),
    }
    assert (visible(sqs, dead), visible(sqs, queue)) == (1, 150)


@pytest.mark.parametrize(
    ("choice", "queued"),
    [
        (FailureFilter(reason="accessdenied"), {"x/d.jpg"}),
        (FailureFilter(reason="toolarge"), {"a.jpg", "x/a.jpg"}),
        (FailureFilter(prefix="x/"), {"x/a.jpg", "x/d.jpg"}),
        (FailureFilter(prefix="x/", reason="too large"), {"x/a.jpg"}),
        (FailureFilter(reason="nothing like it"), set()),
    ],
)
def test_only_what_is_chosen(sqs, queue, dead, stored, every, choice, queued):
    stored(failed(event("a.jpg")), failed(event("x/a.jpg")), failed(event("b.jpg"), "Empty", "x"))
    put(sqs, dead, body("x/d.jpg"), error="AccessDenied", reason="may not")
    put(sqs, dead, body("d.jpg"), error="KeyError", reason="'x' is missing")
    put(sqs, dead, "hello", error="NotAnEvent", reason="no object")
    assert {image for image, outcome in every(choice) if outcome == "queued"} == queued
    assert visible(sqs, dead) == 3 - len(queued & {"x/d.jpg"})
    assert visible(sqs, queue) == len(queued)


def test_a_photo_that_was_labelled_while_the_index_lags_is_left_out(
    aws: Any, sqs: Any, queue: str, tables: PhotoTables, stored: Any, stack: Any
) -> None:
    stored(*(failed(event(key)) for key in ("a.jpg", "b.jpg", "gone.jpg")))
    tables.lag()
    stored(labelled(event("b.jpg", 2)))
    tables.drop(PHOTOS, "gone.jpg")
    [result] = retry.retry_all(aws, stack, FailureFilter())
    assert result.image == "a.jpg"
    assert result.awaited == ObjectVersion("a.jpg", "v1", "e1", sequencer=after(1))
    assert requests_in(sqs, queue) == [("a.jpg", after(1))]


@pytest.mark.parametrize(
    ("name", "awaited"),
    [
        (
            "ObjectCreated:Put",
            ObjectVersion("a.jpg", "v1", "e1", sequencer=s3_events.pad_sequencer("5")),
        ),
        ("ObjectRemoved:DeleteMarkerCreated", None),
        ("ObjectRemoved:Delete", ObjectVersion("a.jpg")),
    ],
)
def test_what_to_wait_for_after_a_redrive(
    aws: Any, stack: Any, sqs: Any, dead: str, name: str, awaited: ObjectVersion | None
) -> None:
    record = s3_record("a.jpg", "5", name, versionId="v1", eTag="e1")
    put(sqs, dead, json.dumps({"Records": [record]}))
    [result] = retry.retry_all(aws, stack, FailureFilter())
    assert result.awaited == awaited


def test_waiting_for_a_redriven_request(aws: Any, stack: Any, sqs: Any, dead: str) -> None:
    put(sqs, dead, s3_events.request("photos", "a.jpg", after(5), NOW))
    [result] = retry.retry_all(aws, stack, FailureFilter())
    assert result.awaited == ObjectVersion("a.jpg", sequencer=after(5))
    assert retry.with_version(aws.s3, "photos", result.awaited) is None
    there = aws.s3.put_object(Bucket="photos", Key="a.jpg", Body=b"x")
    known = retry.with_version(aws.s3, "photos", result.awaited)
    assert known == ObjectVersion(
        "a.jpg", there["VersionId"], there["ETag"].strip('"'), sequencer=after(5)
    )
    assert retry.with_version(aws.s3, "photos", known) is known


def test_too_many_unreadable_messages_are_an_error(
    sqs: Any, queue: str, dead: str, every: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later messages cannot be reached, and the command must not claim to be complete."""
    for _ in range(15):
        put(sqs, dead, "hello")
    real = retry.lease
    monkeypatch.setattr(retry, "lease", lambda sqs, url: real(sqs, url, 10))
    with pytest.raises(RefusedError, match="some dead letters were not read"):
        every()
    assert visible(sqs, dead) == 15


@pytest.mark.parametrize("calls", range(15))
def test_can_be_interrupted_anywhere_and_repeated(
    aws: Any, stack: Any, sqs: Any, queue: str, dead: str, stored: Any, every: Any, calls: int
) -> None:
    """Before any call: in the end, each photo is in the queue and no dead letter is left."""
    stored(*(failed(event(f"f{number}.jpg")) for number in range(12)))
    put_many(sqs, dead, [body(f"d{number}.jpg") for number in range(12)])
    left = [calls]

    def cut(model: Any, **_: Any) -> None:
        if not left[0] and model.name != "ChangeMessageVisibilityBatch":
            raise KeyboardInterrupt
        left[0] -= 1

    sqs.meta.events.register("before-call.sqs", cut)
    done = []
    found = retry.retry_all(aws, stack, FailureFilter())
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(found):
        done += [each.image for each in found]
    sqs.meta.events.unregister("before-call.sqs", cut)
    queued = {key_of(text) for text in peek(sqs, queue)}
    assert {*done} <= queued  # reported photos are in the queue
    dead_now = {key_of(text) for text in peek(sqs, dead)}
    assert {f"d{number}.jpg" for number in range(12)} <= queued | dead_now
    every()
    names = {f"{kind}{number}.jpg" for kind in "fd" for number in range(12)}
    assert {key_of(text) for text in bodies(sqs, queue)} == names
    assert visible(sqs, dead) == 0
