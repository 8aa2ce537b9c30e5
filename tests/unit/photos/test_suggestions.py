"""Keys and prefixes that are suggested for one that no photo has."""

from __future__ import annotations

import unicodedata

import pytest
from botocore.stub import Stubber

from labelctl.photos import suggestions
from tests.fakes.bucket import FakeBucket


@pytest.mark.parametrize("others", [0, 5000])
@pytest.mark.parametrize(
    ("image", "keys"),
    [
        ("img_7.jpg", ["IMG_7.JPG"]),  # case
        ("2030/img_8.Jpg", ["2030/IMG_8.jpg"]),
        ("E\u0301te\u0301.jpg", ["\u00e9te\u0301.jpg"]),  # mixed Unicode forms
        ("IMG_8.jpg", ["2030/IMG_8.jpg"]),  # file name
        ("x/IMG_8.jpg", ["2030/IMG_8.jpg"]),
        ("deep.jpg", ["A/b/deep.jpg"]),
        ("2030/IMG_", ["2030/IMG_8.jpg", "2030/IMG_9.jpg"]),  # beginning
        ("nothing.jpg", []),
        ("", []),
        ("\udcff.jpg", []),
    ],
)
def test_similar_keys_are_suggested(others, image, keys):
    """At a cost that does not grow with the bucket."""
    bucket = FakeBucket()
    for number in range(others):
        bucket.put(f"DSC_{number:05}.JPG", "x")
        bucket.put(f"IMG_{number:05}.JPG", "x")
    for key in ("IMG_7.JPG", "2030/IMG_8.jpg", "2030/IMG_9.jpg", "A/b/deep.jpg"):
        bucket.put(key, "x")
    bucket.put("\u00e9te\u0301.jpg", "x")
    assert suggestions.similar_keys(bucket, "photos", image) == keys
    assert bucket.calls["ListObjectsV2"] <= (suggestions.MAX_REQUESTS if others else 1)


def test_at_most_five_keys_are_suggested_the_most_similar_first():
    bucket = FakeBucket()
    for key in ("b.jpg", "z/B.jpg", *[f"b.jpg{number}" for number in range(5)]):
        bucket.put(key, "x")
    keys = suggestions.similar_keys(bucket, "photos", "B.jpg")
    assert keys == ["b.jpg", "z/B.jpg", "b.jpg0", "b.jpg1", "b.jpg2"]
    assert suggestions.question(keys[:3], "B.jpg") == 'Did you mean "b.jpg", "z/B.jpg" or "b.jpg0"?'
    assert suggestions.question(keys[:1], "B.jpg") == 'Did you mean "b.jpg"?'
    assert suggestions.question([], "B.jpg") == ""


def test_no_suggestions_without_the_permission_to_list(s3):
    with Stubber(s3) as stub:
        stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
        assert suggestions.similar_keys(s3, "photos", "a.jpg") == []


@pytest.mark.parametrize("others", [0, 5000])
@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("holiday/", ["HOLIDAY/", "Holiday/"]),
        ("HoliDay/b", ["HOLIDAY/B", "Holiday/b"]),
        ("\u00e9t\u00e9", ["e\u0301te\u0301"]),
        ("oliday/", []),
        ("", []),
    ],
)
def test_similar_prefixes_are_suggested(others, prefix, found):
    bucket = FakeBucket()
    for number in range(others):
        bucket.put(f"h{number:05}.jpg", "x")
    for key in ("Holiday/beach.jpg", "HOLIDAY/Beach.jpg", "e\u0301te\u0301/1.jpg"):
        bucket.put(key, "x")
    assert suggestions.similar_prefixes(bucket, "photos", prefix) == found
    assert bucket.calls["ListObjectsV2"] <= (suggestions.MAX_REQUESTS if others else 1)


def test_what_was_asked_for_is_not_suggested():
    """It may be a folder, which is no photo."""
    bucket = FakeBucket()
    bucket.put("day 1/", "")
    assert suggestions.similar_keys(bucket, "photos", "day 1/") == []
    assert suggestions.similar_prefixes(bucket, "photos", "day 1/") == []


def test_question_about_a_name_that_looks_the_same():
    nfc, nfd = (unicodedata.normalize(form, "\u00e9/") for form in ("NFC", "NFD"))
    said = suggestions.question([nfd], nfc)
    assert said == f'Did you mean "{nfd}" in another Unicode form?'
