"""Finding labels by name, alias or category, and suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from labelctl.labels.reader import Reader
from labelctl.labels.search.vocabulary import Vocabulary
from tests.fakes.photos import PhotoTables
from tests.unit.photo_items import reader_of


def about(
    categories: Iterable[str] = (), aliases: Iterable[str] = (), parents: Iterable[str] = ()
) -> dict[str, Any]:
    return {
        "Categories": [{"Name": name} for name in categories],
        "Aliases": [{"Name": name} for name in aliases],
        "Parents": [{"Name": name} for name in parents],
    }


ABOUT = {
    "Dog": about(["Animals and Pets"], parents=["Animal"]),
    "Cat": about(["Animals and Pets"]),
    "Mobile Phone": about(["Technology and Computing"], ["Cell Phone"]),
    "Phone": about(["Technology and Computing"]),
    "Phone Booth": about(["Buildings and Architecture"]),
    "Couch": about(["Furniture"], ["Sofa"]),
    "Bench": about(["Furniture"], ["Sofa"]),
    "Hotdog": about(),
}


@pytest.fixture
def table() -> PhotoTables:
    table = PhotoTables(ABOUT)
    for name in ABOUT:
        table.put_photo(f"{name}.jpg", {name: 90})
    return table


@pytest.fixture
def reader(table: PhotoTables) -> Reader:
    return reader_of(table)


def names(words: Iterable[Any]) -> list[str]:
    return sorted(word.name for word in words)


def test_labels_are_found_by_their_names_in_one_request(reader):
    found = Vocabulary(reader).find(["dog", "MOBILE  phone", "Cat"])
    assert [names(words) for words in found.values()] == [["Dog"], ["Mobile Phone"], ["Cat"]]
    assert reader.spent.requests == 1


def test_an_alias_finds_its_label_or_all_that_have_it(reader):
    found = Vocabulary(reader).find(["cell phone", "sofa"])
    assert names(found["cell phone"]) == ["Mobile Phone"]
    assert names(found["sofa"]) == ["Bench", "Couch"]
    assert reader.spent.requests == 2


def test_a_label_wins_over_an_alias(reader, table):
    table.put_photo("old.jpg", {"Cell Phone": 90})
    found = Vocabulary(reader).find(["cell phone"])
    assert names(found["cell phone"]) == ["Cell Phone"]


@pytest.mark.parametrize("text", ["dgo", "x" * 5000, "\udcff", "#", "~dog"])
def test_unknown_texts_are_not_found(reader, text):
    assert Vocabulary(reader).find([text]) == {text: ()}


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("dgo", ["Dog"]),
        ("dogs", ["Dog"]),
        ("red phone", ["Phone"]),
        ("phonee", ["Phone", "Mobile Phone", "Phone Booth"]),
        ("mobile", ["Mobile Phone"]),
        ("cell", ["Mobile Phone"]),
        ("booth phone", ["Phone Booth", "Phone"]),
        ("moblie phone", ["Mobile Phone"]),
        ("zzzz", []),
        ("\udcff", []),
    ],
)
def test_near_labels_are_suggested(reader, text, near):
    found = Vocabulary(reader).near(text)
    assert found[: len(near)] == near
    assert len(found) <= 3
    if not near:
        assert not found


def test_labels_without_photos_are_not_suggested(reader, table):
    table.remove_photo("Dog.jpg")
    assert names(Vocabulary(reader).find(["dog"])["dog"]) == ["Dog"]
    assert "Dog" not in Vocabulary(reader).near("dgo")


def test_a_category_has_its_labels_in_any_case(reader):
    vocabulary = Vocabulary(reader)
    assert names(vocabulary.in_category("animals AND pets")) == ["Cat", "Dog"]
    assert vocabulary.in_category("animals") == ()
    assert vocabulary.near_categories("animals") == ["Animals and Pets"]
    assert vocabulary.near_categories("furnitur") == ["Furniture"]
    assert reader.spent.requests == 1


@pytest.mark.parametrize("name", ["VOCABULARY", "vocabulary", "Vocabulary"])
def test_a_label_may_be_called_like_the_vocabulary(reader, table, name):
    table.put_photo("a.jpg", {name: 90, "Lamp": 80})
    vocabulary = Vocabulary(reader)
    assert names(vocabulary.words) == sorted([*ABOUT, "Lamp", name])
    assert names(vocabulary.find(["VOCABULARY"])["VOCABULARY"]) == [name]
    assert Vocabulary(reader).near("vocabulari") == [name]
    table.remove_photo("a.jpg")
    assert Vocabulary(reader).near("vocabulari") == []


def test_a_photo_may_be_called_like_the_vocabulary(reader, table):
    table.put_photo("VOCABULARY", {"Dog": 90, "Lamp": 80})
    assert names(Vocabulary(reader).words) == sorted([*ABOUT, "Lamp"])


def test_only_a_few_suggestions_are_checked(reader, table):
    """Among very many similar labels of removed photos."""
    for number in range(40):
        table.put_photo("a.jpg", {f"Lamp {number}": 90})
    table.remove_photo("a.jpg")
    before = table.calls["Query"]
    assert Vocabulary(reader).near("lamp") == []
    assert table.calls["Query"] - before <= 11


def test_a_label_that_is_known_costs_one_key(reader, table):
    Vocabulary(reader).find(["dog"])
    assert table.calls == {"BatchGetItem": 1}
    assert reader.spent.units == 0.5
