"""Finding out what is in the bucket: a listing where it pays, HEADs otherwise."""

from __future__ import annotations

import random

import pytest

from labelctl.photos.existing import PAGE_COST, Existing
from tests.fakes.bucket import FakeBucket


@pytest.fixture
def fake():
    return FakeBucket()


def find(fake, keys):
    """What is found for each key: its ETag, "" if it does not exist, None if HEAD has to tell."""
    existing = Existing(fake, "photos")
    found = [existing.find(key) for key in keys]
    return [each if each is None else each.etag or "" for each in found]


def test_empty_bucket_takes_one_listing(fake):
    assert find(fake, [f"{number:05}.jpg" for number in range(5000)]) == [""] * 5000
    assert fake.calls["ListObjectsV2"] == 1


def test_each_key_is_found_in_as_few_pages_as_possible(fake):
    keys = sorted({*(f"a/{number:05}.jpg" for number in range(3500)), "a.jpg", "ä/b.jpg", "z"})
    etags = {key: fake.put(key, key) for key in keys if "3" not in key}
    assert find(fake, keys) == [etags.get(key, "") for key in keys]
    assert fake.calls["ListObjectsV2"] == 3


def test_large_gaps_between_keys_are_skipped(fake):
    for number in range(20_000):
        fake.put(f"m/{number:05}", "x")
    keys = [f"a/{number:03}" for number in range(100)] + [f"z/{number:03}" for number in range(100)]
    assert find(fake, keys) == [""] * 200
    assert fake.calls["ListObjectsV2"] == 2


def test_scattered_keys_are_left_to_head(fake):
    """A page that answers one key is dearer than a HEAD."""
    for number in range(50_000):
        fake.put(f"{number:05}", "x")
    found = find(fake, [f"{number:05}" for number in range(0, 50_000, 2000)])
    assert found.count(None) == 24
    assert fake.calls["ListObjectsV2"] == 1


def test_any_order_of_keys_is_answered_correctly(fake):
    keys = [f"{number:04}" for number in range(3000)]
    etags = {key: fake.put(key, key) for key in keys[::2]}
    random.Random(1).shuffle(keys)
    for key, found in zip(keys, find(fake, keys), strict=True):
        assert found in (None, etags.get(key, ""))


def test_refused_listing_is_not_repeated(fake):
    calls = []

    def refuse(**request):
        calls.append(request)
        raise PermissionError

    fake.list_objects_v2 = refuse
    assert find(fake, ["a", "b", "c"] * PAGE_COST) == [None] * 36
    assert len(calls) == 1
