"""Search results and their order, in tables with 20,000 index items."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelctl.errors import LabelNotFoundError, UsageError
from labelctl.labels.search.query import SearchRequest, plan
from labelctl.labels.search.vocabulary import Vocabulary
from tests.fakes.photos import LABELS, PhotoTables
from tests.unit.search_world import (
    Known,
    answer_of,
    brute,
    labelled_photos,
    reader_of,
    search,
    weathered,
)


@pytest.fixture(scope="module")
def table() -> PhotoTables:
    return weathered(20_000)


@pytest.fixture(scope="module")
def known(table: PhotoTables) -> list[Known]:
    return labelled_photos(table)


COMMON = [f"Thing {number}" for number in range(12)]
NAMES = st.sampled_from([*COMMON, "THING  40", "thing 300", "Thing 333", "Thing 490", "Rarity"])
REQUESTS = st.builds(
    SearchRequest,
    labels=st.lists(NAMES, min_size=1, max_size=3),
    any_label=st.booleans(),
    without=st.lists(NAMES, max_size=2),
    categories=st.lists(st.just("tens"), max_size=1),
    min_confidence=st.sampled_from([0, 0, 55.5, 80, 99, 99.9996]),
    prefix=st.sampled_from(["", "", "", "0", "07/", "07/photo-00", "rare/", "none/"]),
    order=st.sampled_from(["confidence", "newest"]),
)
MOST = st.sampled_from([1, 2, 10, 101, 10**6])


@given(request=REQUESTS, most=MOST)
@example(request=SearchRequest(categories=["tens", "OTHERS"]), most=50)
@example(request=SearchRequest(labels=["thing 0"], without=["thing 0"]), most=5)
@example(request=SearchRequest(labels=["Thing 0"], prefix="0"), most=10**6)
@example(request=SearchRequest(labels=["Thing 0"], min_confidence=99.9, order="newest"), most=2)
def test_finds_the_same_as_reading_every_photo(
    table: PhotoTables, known: list[Known], request: SearchRequest, most: int
) -> None:
    matches, _ = search(table, request, most)
    assert answer_of(matches) == brute(known, request)[:most]


IMAGES = st.sampled_from([f"{folder}/{number}.jpg" for folder in "ab" for number in range(6)])
SOME = st.sampled_from(COMMON[:4])
CONFIDENCES = st.sampled_from([60, 70, 70.0004, 99.9994, 99.9996, 100])


@given(data=st.data())
def test_it_finds_it_in_any_small_table(data: st.DataObject) -> None:
    """Photos with replaced, failed or removed results, stale index items, and ties."""
    table = PhotoTables({f"Thing {n}": {"Categories": [{"Name": "Tens"}]} for n in (0, 10)})
    for name in COMMON[:4]:
        table.put_photo(f"{name}.jpg", {name: 50})
    for _ in range(data.draw(st.integers(0, 40))):
        image = data.draw(IMAGES)
        at = f"2026-01-0{data.draw(st.integers(1, 4))}T00:00:00.000Z"
        leave = data.draw(st.booleans())
        match data.draw(st.sampled_from(["put", "put", "put", "fail", "remove"])):
            case "put":
                labels = data.draw(st.dictionaries(SOME, CONFIDENCES))
                table.put_photo(image, labels, at=at, leave=leave)
            case "fail":
                table.fail_photo(image, at=at, leave=leave)
            case "remove":
                table.remove_photo(image, at=at, leave=leave)
    request = data.draw(
        st.builds(
            SearchRequest,
            labels=st.lists(SOME, min_size=1, max_size=3),
            any_label=st.booleans(),
            without=st.lists(SOME, max_size=1),
            min_confidence=st.sampled_from([0, 65, 70.0004, 99.9995, 99.9996]),
            prefix=st.sampled_from(["", "a/"]),
            order=st.sampled_from(["confidence", "newest"]),
        )
    )
    most = data.draw(st.sampled_from([1, 3, 5, 100]))
    matches, _ = search(table, request, most)
    assert answer_of(matches) == brute(labelled_photos(table), request)[:most]


@pytest.mark.parametrize("order", ["confidence", "newest"])
@pytest.mark.parametrize("labels", [["lead"], ["lead", "other"]])
@pytest.mark.parametrize("most", [1, 7, 150])
def test_ties_are_sorted_by_key(order: str, labels: list[str], most: int) -> None:
    """The order of the leading label is the reverse of the keys', and its items are not the last."""
    table = PhotoTables()
    for number in range(300):
        leading = 99 - number % 3 if "other" in labels else 80
        table.put_photo(f"{999 - number}.jpg", {"Lead": leading, "Other": 80})
    for number in range(800):
        table.put_photo(f"x{number}.jpg", {"Other": 90})
    matches, _ = search(table, SearchRequest(labels=labels, order=order), most)  # type: ignore[arg-type]
    assert [match.image for match in matches] == [f"{700 + n}.jpg" for n in range(most)]


@pytest.mark.parametrize("most", [1, 7, 150, 290])
def test_an_early_match_is_held_back_for_ties_with_smaller_keys(most: int) -> None:
    """What leads says 99 of it and 80 of the others; what else is asked for says 80 of all."""
    table = PhotoTables()
    for number in range(300):
        is_early = number >= 250
        table.put_photo(f"{number:03}.jpg", {"Lead": 99 if is_early else 80, "Other": 80})
    for number in range(800):
        table.put_photo(f"x{number}.jpg", {"Other": 90})
    matches, _ = search(table, SearchRequest(labels=["lead", "other"]), most)
    assert [match.image for match in matches] == [f"{number:03}.jpg" for number in range(most)]


@pytest.mark.parametrize("order", ["confidence", "newest"])
@pytest.mark.parametrize("most", [5, 120, 400])
def test_confidences_that_differ_by_less_than_the_index_has_digits(order: str, most: int) -> None:
    """It has three. There are more photos than are counted, so that the newest come by date."""
    table = PhotoTables()
    for number in range(600):
        confidence = 99.9996 if number % 2 else 99.9994
        at = f"2026-01-01T00:00:00.{999 - number:03}Z"
        table.put_photo(f"{number:03}.jpg", {"Dog": confidence}, at=at)
    for least in (0, 99.9994, 99.9995, 99.9996, 99.9997):
        request = SearchRequest(labels=["dog"], min_confidence=least, order=order)  # type: ignore[arg-type]
        matches, _ = search(table, request, most)
        assert answer_of(matches) == brute(labelled_photos(table), request)[:most]


def test_a_photo_that_changed_ranks_as_it_is_now() -> None:
    """Its stale index items come first, with a higher confidence and a later time."""
    table = PhotoTables()
    table.put_photo("b.jpg", {"Dog": 99}, at="2026-03-01T00:00:00.000Z")
    table.put_photo("a.jpg", {"Dog": 80}, at="2026-02-01T00:00:00.000Z")
    table.put_photo("b.jpg", {"Dog": 70}, at="2026-01-01T00:00:00.000Z", leave=True)
    table.put_photo("c.jpg", {"Dog": 99})
    table.put_photo("c.jpg", {"Cat": 99}, leave=True)
    for order in ("confidence", "newest"):
        request = SearchRequest(labels=["dog"], order=order)  # type: ignore[arg-type]
        for most in (1, 2, 3):
            matches, _ = search(table, request, most)
            assert [match.image for match in matches] == ["a.jpg", "b.jpg"][:most]
            assert matches[0].confidence == 80


def test_a_label_may_be_called_like_the_vocabulary() -> None:
    table = PhotoTables()
    table.put_photo("a.jpg", {"VOCABULARY": 90, "Dog": 80})
    table.put_photo("b.jpg", {"vocabulary": 95})
    for text in ("vocabulary", "VOCABULARY"):
        matches, _ = search(table, SearchRequest(labels=[text]))
        assert [match.image for match in matches] == ["b.jpg", "a.jpg"]
    assert len([item for item in table.items(LABELS) if item["label"] == "vocabulary"]) == 2


@pytest.fixture
def small() -> PhotoTables:
    table = PhotoTables(
        {
            "Dog": {"Categories": [{"Name": "Animals and Pets"}]},
            "Mobile Phone": {"Aliases": [{"Name": "Cell Phone"}]},
        }
    )
    table.put_photo("a.jpg", {"Dog": 98.1, "Beach": 92.04})
    table.put_photo("b.jpg", {"Dog": 80, "Mobile Phone": 99})
    return table


def test_a_match_has_the_labels_it_was_found_by(small: PhotoTables) -> None:
    [match], _ = search(small, SearchRequest(labels=["beach", "DOG"]))
    assert match.as_json() == {
        "image": "a.jpg",
        "uploaded_at": "2026-05-01T12:00:00.000Z",
        "confidence": Decimal("92.04"),
        "labels": [
            {"name": "Beach", "confidence": Decimal("92.04")},
            {"name": "Dog", "confidence": Decimal("98.1")},
        ],
    }


def test_an_alias_finds_its_label(small: PhotoTables) -> None:
    matches, _ = search(small, SearchRequest(labels=["cell phone"]))
    assert [match.image for match in matches] == ["b.jpg"]


def test_with_any_label_a_match_lists_all_of_them_by_confidence(small: PhotoTables) -> None:
    matches, _ = search(small, SearchRequest(labels=["dog", "mobile phone"], any_label=True))
    assert [match.image for match in matches] == ["b.jpg", "a.jpg"]
    assert [found.name for found in matches[0].found[0]] == ["Mobile Phone", "Dog"]


def test_a_label_counts_from_the_confidence_on_also_where_it_is_excluded(
    small: PhotoTables,
) -> None:
    request = SearchRequest(labels=["beach"], without=["dog"], min_confidence=98.1)
    assert not search(small, request)[0]
    request = SearchRequest(labels=["mobile phone"], without=["dog"], min_confidence=85)
    assert [match.image for match in search(small, request)[0]] == ["b.jpg"]


@pytest.mark.parametrize(
    ("request_", "message", "hint"),
    [
        (
            SearchRequest(
                labels=["dgo", "beach"], without=["car"], min_confidence=80, order="newest"
            ),
            'No photo has the label "dgo".',
            "Did you mean Dog? "
            "labelctl search Dog beach --not car --min-confidence 80 --sort newest",
        ),
        (
            SearchRequest(labels=["dogg", "phonee"], any_label=True, prefix="my photos/"),
            'No photo has the label "dogg".',
            "Did you mean Dog? labelctl search Dog phonee --any --prefix 'my photos/'",
        ),
        (
            SearchRequest(categories=["animals"]),
            'No photo has a label in the category "animals".',
            "Did you mean Animals and Pets? labelctl search --category 'Animals and Pets'",
        ),
        (
            SearchRequest(labels=["xyzzy"]),
            'No photo has the label "xyzzy".',
            "`labelctl stats` shows the most common labels.",
        ),
    ],
)
def test_an_unknown_label_is_reported_with_suggestions(
    small: PhotoTables, request_: SearchRequest, message: str, hint: str
) -> None:
    with pytest.raises(LabelNotFoundError) as error:
        search(small, request_)
    assert (error.value.message, error.value.hint) == (message, hint)


@pytest.mark.parametrize(
    "request_", [SearchRequest(), SearchRequest(without=["dog"]), SearchRequest(labels=[" "])]
)
def test_an_empty_request_is_refused(small: PhotoTables, request_: SearchRequest) -> None:
    with pytest.raises(UsageError):
        search(small, request_)


def test_of_several_that_will_do_one_may_be_unknown(small: PhotoTables) -> None:
    request = SearchRequest(labels=["dog", "unicorn"], any_label=True)
    query = plan(Vocabulary(reader_of(small)), request)
    assert [each.message for each in query.absent] == ['No photo has the label "unicorn".']
    assert [group.name for group in query.groups] == ["Dog"]
    with pytest.raises(LabelNotFoundError):
        plan(Vocabulary(reader_of(small)), replace(request, labels=["unicorn"]))


def test_an_unknown_label_excludes_nothing_and_is_named(small: PhotoTables) -> None:
    request = SearchRequest(labels=["dog"], without=["unicorn"])
    query = plan(Vocabulary(reader_of(small)), request)
    assert query.unknown == ("unicorn",)
    assert not query.without
