"""Waiting for photos: each is found once, soon after it is done, at low cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain, pairwise

import pytest

from labelctl.contract import s3_events
from labelctl.errors import WaitTimeoutError
from labelctl.labels.wait import until_done
from labelctl.photos.versions import ObjectVersion
from tests.fakes.photos import PHOTOS, PhotoTables
from tests.unit.photo_items import event, failed, labelled, reader_of, store


class Clock:
    """Simulated time that passes by sleeping, with scheduled events."""

    def __init__(self):
        self.now, self.naps, self.plans = 1000.0, [], []

    def __call__(self):
        return self.now

    def at(self, second, happens):
        self.plans.append((self.now + second, happens))

    def sleep(self, seconds):
        self.now += seconds
        self.naps.append(seconds)
        due = [each for each in self.plans if each[0] <= self.now]
        self.plans = [each for each in self.plans if each not in due]
        for _, happens in due:
            happens()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tables():
    return PhotoTables()


@pytest.fixture
def label(tables):
    return lambda *of: store(tables, labelled(*of))


@pytest.fixture
def wait(tables, clock):
    def waiting(sent, patience=60, now=None):
        there = {photo.key: photo for photo in sent}
        looks = until_done(
            reader_of(tables),
            sent,
            patience=patience,
            now=now or there.get,
            sleep=clock.sleep,
            clock=clock,
        )
        return chain.from_iterable(look.done for look in looks)

    return waiting


def keys(photos):
    return [photo.image for photo in photos]


def test_finished_photos_are_found_at_once(label, wait, clock):
    label(event("a.jpg"))
    assert keys(wait([ObjectVersion("a.jpg", "v1", "e1")])) == ["a.jpg"]
    assert clock.naps == []


def test_nothing_to_wait_for(wait, clock):
    assert list(wait([])) == []


def test_each_is_found_once_when_it_is_done(label, tables, wait, clock):
    sent = [ObjectVersion(f"{number}.jpg", "v1", "e1") for number in range(3)]
    label(event("0.jpg", version_id="v0", etag="e0"))  # of an earlier version: to be waited for
    clock.at(1, lambda: store(tables, failed(event("2.jpg"))))
    clock.at(50, lambda: label(event("1.jpg")))
    clock.at(100, lambda: label(event("0.jpg", number=2)))
    assert keys(wait(sent, patience=60)) == ["2.jpg", "1.jpg", "0.jpg"]


def test_patience_is_counted_from_the_last_news(label, wait, clock):
    clock.at(50, lambda: label(event("a.jpg")))
    found = wait(
        [ObjectVersion("a.jpg", "v1", "e1"), ObjectVersion("b.jpg", "v1", "e1")], patience=60
    )
    assert next(found).image == "a.jpg"
    with pytest.raises(WaitTimeoutError, match="1 photo still waiting after 60 s"):
        next(found)
    assert 110 <= clock.now - 1000 < 115


def test_it_asks_less_and_less_often(wait, clock):
    with pytest.raises(WaitTimeoutError):
        list(wait([ObjectVersion("a.jpg", "v1", "e1")], patience=30))
    assert clock.naps[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert max(clock.naps) == 2.0
    assert len(clock.naps) < 30


def test_more_photos_than_in_one_request(label, wait, clock, tables):
    sent = [ObjectVersion(f"{number:03}.jpg", "v1", "e1") for number in range(310)]
    for each in sent[:309]:
        label(event(each.key), {"Labels": []})
    clock.at(1, lambda: label(event(sent[309].key), {"Labels": []}))
    found = []
    for photo in wait(sent):
        found.append(photo.image)
        if len(found) == 309:
            assert clock.naps == []
            assert tables.calls == {"BatchGetItem": 4}
    assert found == [each.key for each in sent]


@pytest.mark.parametrize(("before", "after"), [("v1", "v2"), (None, None)])
def test_a_replaced_photo_is_found_in_its_new_version(label, wait, before, after):
    label(event("a.jpg", version_id=after, etag="e2"))
    newer = ObjectVersion("a.jpg", after, "e2")
    assert keys(wait([ObjectVersion("a.jpg", before, "e1")], now=lambda key: newer)) == ["a.jpg"]


def test_a_removed_photo_is_no_longer_awaited(label, wait, clock):
    sent = [ObjectVersion("a.jpg", "v1", "e1"), ObjectVersion("b.jpg", "v1", "e1")]
    clock.at(20, lambda: label(event("b.jpg")))
    found = wait(sent, now=lambda key: None if key == "a.jpg" else sent[1])
    assert keys(found) == ["b.jpg"]


def test_objects_of_soon_finished_photos_are_not_checked(label, wait, clock):
    clock.at(1, lambda: label(event("a.jpg")))
    asked = []
    assert keys(wait([ObjectVersion("a.jpg", "v1", "e1")], now=asked.append)) == ["a.jpg"]
    assert asked == []


@pytest.mark.parametrize("stuck", [20, 100])
def test_stuck_photos_do_not_hide_removed_ones(wait, tables, stuck):
    """Only some objects are checked at each read."""
    sent = [ObjectVersion(f"{number:03}.jpg", "v1", "e1") for number in range(stuck + 40)]
    there, looks = {photo.key: photo for photo in sent[:stuck]}, Counter()

    def now(key):
        looks[tables.calls["BatchGetItem"]] += 1
        return there.get(key)

    with pytest.raises(WaitTimeoutError, match=f"^{stuck} photos still waiting"):
        list(wait(sent, now=now))
    assert max(looks.values()) <= 20


@pytest.mark.parametrize("patience", [1, 4])
def test_where_all_turn_out_to_be_gone_it_does_not_give_up(wait, patience):
    sent = [ObjectVersion("a.jpg", "v1", "e1")]
    assert list(wait(sent, patience=patience, now=lambda key: None)) == []


def test_many_that_are_stuck_do_not_hide_the_others(label, wait, clock):
    sent = [ObjectVersion(f"{number:03}.jpg", "v1", "e1") for number in range(700)]
    clock.at(1, lambda: label(event("699.jpg"), {"Labels": []}))
    assert next(wait(sent)).image == "699.jpg"


def test_duplicate_photos_are_requested_once(label, wait):
    label(event("a.jpg"))
    twice = [ObjectVersion("a.jpg", "v1", "e1")] * 2  # DynamoDB refuses a key twice in one question
    assert keys(wait(twice)) == ["a.jpg", "a.jpg"]


def test_an_older_result_is_no_answer_to_a_request(label, wait):
    """A photo that was asked for again is waited for although the same version has a result."""
    label(event("a.jpg"))
    same = ObjectVersion("a.jpg", "v1", "e1")
    asked = replace(same, sequencer=s3_events.next_sequencer(s3_events.pad_sequencer("1")))
    with pytest.raises(WaitTimeoutError):
        list(wait([asked], now=lambda key: same))
    label(replace(event("a.jpg"), sequencer=asked.sequencer))
    assert keys(wait([asked])) == ["a.jpg"]


def test_a_photo_found_only_by_listing_is_the_one_that_was_asked_for(label, wait):
    """A listing has no version ids; the ETag shows that nothing was replaced."""
    label(event("a.jpg"))
    asked = ObjectVersion("a.jpg", "v1", "e1", sequencer=s3_events.next_sequencer(""))
    listed = ObjectVersion("a.jpg", None, "e1")
    later = replace(asked, sequencer=s3_events.next_sequencer("F"))
    with pytest.raises(WaitTimeoutError):
        list(wait([later], now=lambda key: listed))
    label(event("a.jpg", version_id="v2", etag="e2"))
    replaced = replace(listed, etag="e2")
    assert keys(wait([asked], now=lambda key: replaced)) == ["a.jpg"]


# ---- very many photos


class Labelling:
    """A table in which photo number n is labelled `due[n]` seconds after the start, None for never.

    A request takes 20 ms. It counts those, and how many items were asked for.
    """

    def __init__(self, clock, due):
        self._clock, self._start, self._due = clock, clock(), due
        self.requests = self.items = 0
        self.consistent, self.waiting = [], []

    def batch_get_item(self, **request):
        keys = request["RequestItems"][PHOTOS]["Keys"]
        self.consistent.append(request["RequestItems"][PHOTOS]["ConsistentRead"])
        self.requests += 1
        self.items += len(keys)
        self._clock.now += 0.02
        passed = self._clock() - self._start
        due = [(key["image"], self._due[int(key["image"]["S"])]) for key in keys]
        texts = {"status": "labelled", "sequencer": "1", "version_id": "v1"}
        texts |= {"model_version": "3.0", "done_at": "2030-01-01T12:00:00.000Z"}
        item = {name: {"S": text} for name, text in texts.items()}
        item |= {"labels": {"M": {}}, "details": {"M": {}}}
        there = [{"image": image, **item} for image, at in due if at is not None and at <= passed]
        return {"Responses": {PHOTOS: there}}


@pytest.fixture
def watch(clock):
    """Waits for the photos of a busy table; returns it, and when which were found (second, numbers)."""

    def watching(due, patience=600):
        busy, start, found = Labelling(clock, due), clock(), []
        sent = [ObjectVersion(str(number), "v1", "e1") for number in range(len(due))]
        there = {photo.key: photo for photo in sent}
        looks = until_done(
            *(reader_of(busy), sent),
            **{"patience": patience, "now": there.get, "sleep": clock.sleep, "clock": clock},
        )
        try:
            for look in looks:
                found.append((clock() - start, [int(photo.image) for photo in look.done]))
                busy.waiting.append(look.waiting)
        except WaitTimeoutError as error:
            busy.error = error
        return busy, [(at, photos) for at, photos in found if photos]

    return watching


def numbers(found):
    return sorted(chain.from_iterable(photos for _, photos in found))


def test_it_does_not_ask_all_the_time_while_photos_get_done(watch):
    due = [number / 50 for number in range(5000)]
    busy, found = watch(due)
    assert numbers(found) == [*range(5000)]
    assert found[-1][0] < 105  # they take 100 s
    assert busy.requests < 5000 / 20
    assert busy.items < 5000 * 4


def test_finished_photos_are_found_without_a_pause(watch, clock):
    busy, found = watch([0] * 1050)
    assert numbers(found) == [*range(1050)]
    assert (busy.requests, clock.naps) == (11, [])


def test_only_the_last_few_are_read_as_of_now_which_costs_twice_as_much(watch):
    busy, _ = watch([0] * 250)
    assert busy.consistent == [False, False, True]


def test_of_a_few_each_is_found_soon(watch):
    _, found = watch([1, 1.5, 2, 2.5])
    assert [photos for _, photos in found] == [[0], [1], [2], [3]]
    assert all(at - due < 0.5 for (at, _), due in zip(found, [1, 1.5, 2, 2.5], strict=True))


def test_each_look_says_how_many_wait(watch):
    busy, _ = watch([0, 0, 5])
    assert busy.waiting[0] == 1
    assert {*busy.waiting[1:-1]} == {1}  # looks that found nothing
    assert busy.waiting[-1] == 0


def test_any_news_is_news(watch):
    """Also a few among many."""
    _, found = watch([40 * number for number in range(8)], patience=60)
    assert len(numbers(found)) == 8


def test_a_silence_does_not_lose_the_place(watch):
    """A function that starts slowly and then processes photos in order."""
    _, found = watch([6 + number / 50 for number in range(5000)])
    times = [at for at, _ in found]
    assert len(numbers(found)) == 5000
    assert max(after - before for before, after in pairwise(times)) < 5


def test_photos_that_are_stuck_do_not_hold_up_the_others(watch):
    due = [None] * 250 + [0] * 5000
    due[777] = due[1999] = None
    busy, found = watch(due)
    assert len(numbers(found)) == 4998
    assert found[-1][0] < 25
    assert busy.error.message == "252 photos still waiting after 600 s without progress."


def test_stuck_photos_of_all_batches_are_read_together(watch):
    busy, found = watch([0 if number % 50 else None for number in range(5000)], patience=3)
    assert len(numbers(found)) == 4900
    assert busy.requests < 50 + 20


def test_before_it_gives_up_it_asks_about_all(watch):
    due = [None] * 3000
    due[2900] = 0
    busy, found = watch(due, patience=3)
    assert numbers(found) == [2900]
    assert busy.error.message == "2,999 photos still waiting after 3 s without progress."
