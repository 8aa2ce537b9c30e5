"""The gallery's search field, in a real browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.browser.albums import BEGUN, album, has, photo
from tests.browser.conftest import Opened, Show


def test_typing_filters_by_file_names_and_labels(
    gallery: Opened, painted: list[dict[str, Any]]
) -> None:
    assert gallery.count() == "196 photos, 4 failed"
    field = gallery.page.get_by_role("searchbox")
    field.press_sequentially("BALLOON")
    with_balloon = has(painted, "Balloon")
    gallery.settles(f"{len(with_balloon)} of 200 photos")
    field.press_sequentially(" hills/ dawn")
    both = [name for name in with_balloon if name.startswith("hills/dawn")]
    gallery.settles(f"{len(both)} of 200 photos")
    assert sorted(gallery.names()) == sorted(both)
    field.fill("dawn-002.jpg")
    gallery.settles("1 of 200 photos")


def test_accents_and_case_do_not_matter(show: Show) -> None:
    opened = show(album([photo("Café.jpg"), photo("b.jpg", [("Crème", 90, [])]), photo("c.jpg")]))
    opened.page.get_by_role("searchbox").fill("cAFE")
    opened.settles("1 of 3 photos")
    opened.page.get_by_role("searchbox").fill("creme")
    opened.settles("1 of 3 photos")
    assert opened.names() == ["b.jpg"]


def test_typing_finds_labels_by_their_aliases_and_categories_too(show: Show) -> None:
    photos = [photo("a.jpg", [("Boat", 90, [])]), photo("b.jpg", [("Tree", 90, [])])]
    opened = show(album(photos, label_aliases=[["Ship", "Vessel"], []]))
    for words, name in (("vessel", "a.jpg"), ("vehicles auto", "a.jpg"), ("FLOWERS", "b.jpg")):
        opened.page.get_by_role("searchbox").fill(words)
        opened.settles("1 of 2 photos")
        assert opened.names() == [name]
    old = show(album(photos))  # of a page without them
    old.page.get_by_role("searchbox").fill("vessel")
    old.settles("0 of 2 photos")


def test_a_typed_word_begins_a_word_of_a_label_and_is_anywhere_in_a_file_name(show: Show) -> None:
    photos = [
        photo("a.jpg", [("Woman", 90, [])]),
        photo("b.jpg", [("T-Shirt", 90, [])]),
        photo("c.jpg", [("Crème Brûlée", 90, [])]),
        photo("trips/IMG_0042[x]+(1).jpg", [("Sunglasses", 90, [])]),
    ]
    kinds = {"Woman": "Person Description", "Sunglasses": "Apparel and Accessories"}
    opened = show(album(photos, kinds=kinds, label_aliases=[["Adult Lady"]]))
    field = opened.page.get_by_role("searchbox")
    found = {
        **{"desc": "a.jpg", "PERSON": "a.jpg", "wom desc": "a.jpg", "lad": "a.jpg"},
        **{"cript": None, "oman": None, "ult": None, "glasses": None, "essories": None},
        **{"shirt": "b.jpg", "t-sh": "b.jpg", "hirt": None, "brul": "c.jpg", "ulee": None},
        **{"042": photos[3]["image"], "rips/": photos[3]["image"], "[x]+(": photos[3]["image"]},
        **{"sung 0042": photos[3]["image"], ".*": None, "[": photos[3]["image"], "\\": None},
    }
    for words, name in found.items():
        field.fill(words)
        assert opened.names() == ([name] if name else []), words


def test_words_after_a_minus_sign_exclude_and_quoted_words_belong_together(show: Show) -> None:
    photos = [
        photo("old town/a.jpg", [("Dog", 90, []), ("Sea", 60, [])]),
        photo("old/b.jpg", [("Hot Dog", 90, [])]),
        photo("town/c-1.jpg", [("Cat", 90, [])]),
    ]
    kinds = {"Dog": "Animals and Pets"}
    opened = show(album(photos, kinds=kinds))
    field = opened.page.get_by_role("searchbox")
    a, b, c = (each["image"] for each in photos)
    found = {
        **{"-dog": [c], "-animals": [b, c], "-sea dog": [b], "-town": [b], "-b.jpg -cat": [a]},
        **{'"hot dog"': [b], "“hot dog": [b], '"dog hot"': [], '"old town"': [a], "town old": [a]},
        **{'-"old town"': [b, c], '-"hot dog" dog': [a], "-": [a, b, c], '"-1"': [c], "c-1": [c]},
        **{'""': [a, b, c], '"': [a, b, c], '-"': [a, b, c], "-Dög": [c]},
    }
    for words, names in found.items():
        field.fill(words)
        assert sorted(opened.names()) == sorted(names), words
    field.fill("sea -dog")
    assert 'Photos with "dog" are excluded' in opened.page.locator("#empty p").inner_text()
    # A label that is left out for its confidence excludes nothing.
    field.fill("-sea")
    opened.settles("2 of 3 photos")
    opened.page.get_by_label("Confidence").fill("80")
    opened.settles("3 photos")


def test_a_word_in_a_file_name_has_no_confidence(show: Show) -> None:
    hour = timedelta(hours=1)
    photos = [
        photo("mine/[bold]red.jpg", [("Sky", 99.0, [])], at=BEGUN + 3 * hour),
        photo("b.jpg", [("Red", 79.5, []), ("Sky", 98.0, [])], at=BEGUN + 2 * hour),
        photo("red-too.jpg", [("Red", 85.5, []), ("Sky", 60.0, [])], at=BEGUN + hour),
        photo("bored.jpg", status="waiting"),
        photo("c.jpg", [("Sky", 97.0, [])]),
    ]
    result = {"kinds": {"Red": "Colors"}, "label_aliases": [[], ["Crimson"]]}
    opened = show(album(photos, **result), hash="#sort=confidence")
    field = opened.page.get_by_role("searchbox")

    def scores() -> list[tuple[str, str]]:
        badges = opened.tiles.locator(".score").all_inner_texts()
        return list(zip(opened.names(), badges, strict=True))

    red = [("red-too.jpg", "85 %"), ("b.jpg", "79 %")]
    field.fill("red")
    assert opened.count() == "4 of 5 photos"
    assert scores() == [*red, ("mine/[bold]red.jpg", ""), ("bored.jpg", "")]
    for word in ("crimson", "colo"):  # an alias, and a category
        field.fill(word)
        assert scores() == red
    # The least sure of all that was asked for, and a name is no part of it.
    field.fill("red sky")
    assert scores() == [("mine/[bold]red.jpg", "99 %"), ("b.jpg", "79 %"), ("red-too.jpg", "60 %")]
    field.fill("bold")
    assert scores() == [("mine/[bold]red.jpg", "")]
    field.fill("jpg")  # of no label at all: as they came
    opened.settles("5 photos")
    assert [name for name, _ in scores()][:3] == [each["image"] for each in photos[:3]]
    field.fill(
        ""
    )  # no filter: the most confident label of each photo, and photos without labels last
    assert [name for name, _ in scores()] == [photos[at]["image"] for at in (0, 1, 4, 2, 3)]


def test_nothing_matches(gallery: Opened) -> None:
    gallery.page.get_by_role("searchbox").fill("zebra")
    gallery.page.get_by_role("heading", name="No photo matches").wait_for()
    assert gallery.count() == "0 of 200 photos"
    gallery.page.get_by_role("button", name="Clear all filters").click()
    gallery.settles("196 photos, 4 failed")
    assert gallery.page.get_by_role("searchbox").input_value() == ""
