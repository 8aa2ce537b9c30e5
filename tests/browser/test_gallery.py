"""The gallery's grid, its filters and its address, in a real browser, opened from disk."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.browser.albums import BEGUN, album, has, photo
from tests.browser.conftest import DOT, Opened, Show

# ---- the grid


def test_pictures_load_as_they_come_into_view(gallery: Opened) -> None:
    width = "image => image.naturalWidth"
    images = gallery.tiles.locator("img")
    gallery.until("document.querySelector('#grid img').naturalWidth > 0")
    assert images.first.evaluate(width) > 0
    assert images.last.get_attribute("src") is None
    loaded = [url for url in gallery.requests if "/thumbs/" in url]
    assert 4 <= len(loaded) < 60
    assert not [url for url in gallery.requests if "/photos/" in url]

    last = images.last.element_handle()
    last.scroll_into_view_if_needed()
    gallery.until("it.naturalWidth > 0", last)


def test_scrolling_brings_all_photos(gallery: Opened) -> None:
    assert gallery.tiles.count() < 200
    gallery.until(
        "(scrollTo(0, document.body.scrollHeight),"
        " document.querySelectorAll('#grid button').length === 196)"
    )
    assert len(set(gallery.names())) == 196  # and four failed


def test_five_thousand_photos_need_few_elements(show: Show) -> None:
    chance = random.Random(5)
    words = [f"Label {number}" for number in range(900)]
    photos = [
        photo(
            f"{number:05}.jpg", [(name, 80.0, []) for name in chance.sample(words, 20)], thumb=DOT
        )
        for number in range(5000)
    ]
    opened = show(album(photos))
    opened.settles("5,000 photos")
    assert opened.page.evaluate("document.querySelectorAll('*').length") < 1500
    took = opened.page.evaluate(
        "() => { const begun = performance.now(); const field = document.getElementById('words');"
        " field.value = '0499'; field.dispatchEvent(new Event('input'));"
        " return performance.now() - begun }"
    )
    # 0499 and its ten below, and 10499 is not there: 00499, 04990 to 04999.
    opened.settles("11 of 5,000 photos")
    assert opened.tiles.count() == 11
    assert took < 2000  # about 30 ms; the limit only detects gross mistakes


# ---- filters


def test_typing_filters_by_file_names_and_labels(
    gallery: Opened, painted: list[dict[str, Any]]
) -> None:
    assert gallery.count() == "200 photos"
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


def test_all_or_any_of_the_selected_labels(show: Show) -> None:
    photos = [
        photo("a.jpg", [("Dog", 90, []), ("Sea", 60, [])]),
        photo("b.jpg", [("Cat", 80, []), ("Sea", 70, [])]),
        photo("c.jpg", [("Sky", 90, [])]),
    ]
    opened = show(album(photos))
    switch = opened.page.get_by_role("group", name="Photos have")
    opened.option("labels", "Dog").click()
    assert not switch.is_visible()
    opened.page.evaluate("location.hash = '#label=Dog&label=Cat'")
    opened.page.get_by_role("heading", name="No photo matches").wait_for()
    assert "need all of the selected labels" in opened.page.locator("#empty p").inner_text()
    switch.get_by_text("Any").click()
    opened.settles("2 of 3 photos")
    assert opened.tiles.locator(".score").all_inner_texts() == ["90 %", "80 %"]
    # The numbers are those of a photo with one of them.
    assert [opened.number("labels", name) for name in ("Dog", "Sea", "Sky")] == [1, 2, 1]
    assert opened.number("categories", "Nature and Outdoors") == 2
    opened.until("location.hash === '#label=Dog&label=Cat&match=any'")
    again = show(album(photos), hash="#label=Dog&label=Cat&match=any")
    again.settles("2 of 3 photos")
    assert again.page.get_by_role("radio", name="Any").is_checked()
    again.page.get_by_role("button", name="Remove filter any of the labels").click()
    again.settles("0 of 3 photos")


def test_facets_count_and_narrow(gallery: Opened, painted: list[dict[str, Any]]) -> None:
    assert gallery.number("labels", "Boat") == len(has(painted, "Boat"))
    gallery.option("labels", "Boat").click()
    boats = has(painted, "Boat")
    gallery.settles(f"{len(boats)} of 200 photos")
    assert gallery.number("labels", "Balloon") == len(has(painted, "Boat", "Balloon"))
    gallery.option("labels", "Balloon").click()
    gallery.settles(f"{len(has(painted, 'Boat', 'Balloon'))} of 200 photos")
    assert gallery.number("labels", "Boat") == len(has(painted, "Boat", "Balloon"))
    gallery.page.get_by_role("button", name="Remove filter Boat").click()
    gallery.settles(f"{len(has(painted, 'Balloon'))} of 200 photos")
    gallery.option("categories", "Buildings and Architecture").click()
    gallery.settles(f"{len(has(painted, 'Balloon', 'House'))} of 200 photos")
    gallery.page.get_by_role("button", name="Clear all").click()
    gallery.settles("200 photos")


def test_facets_are_sorted_by_how_often_and_show_more(gallery: Opened) -> None:
    numbers = [int(text) for text in gallery.page.locator("#labels .number").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 12
    more = gallery.page.locator("#labels .more")
    assert more.inner_text() == "3 more"
    more.click()
    assert gallery.page.locator("#labels .option").count() == 15
    assert not more.is_visible()
    # keyboard users continue with the first new option
    assert (
        gallery.page.locator("#labels .option input")
        .nth(12)
        .evaluate("each => each === document.activeElement")
    )


def test_a_facet_keeps_the_focus_while_its_options_move(gallery: Opened) -> None:
    box = gallery.option("labels", "House").locator("input")
    box.focus()
    gallery.page.keyboard.press("Space")
    assert box.is_checked()
    assert box.evaluate("each => each === document.activeElement")


def test_folders_are_a_facet_of_nested_options(show: Show) -> None:
    """A choice of all photos is none; a folder with one subfolder is shown with it."""
    keys = ["x/a.jpg", "x/trip/b.jpg", "x/trip/day 2/c.jpg", "x/trip/day 10/d.jpg", "x/old/1/e.jpg"]
    opened = show(album([photo(key) for key in keys]))
    rows = opened.page.locator("#folders .option")
    assert rows.locator(".name").all_text_contents() == [
        *("x/old/1/", "x/trip/", "x/trip/day 2/", "x/trip/day 10/")
    ]
    assert rows.locator(".name").nth(2).evaluate("each => each.lastChild.data") == "day 2/"
    left = "all => all.map(each => each.getBoundingClientRect().left)"
    top, trip, day, _ = rows.locator("input").evaluate_all(left)
    assert top == trip < day
    assert [opened.number("folders", name) for name in ("x/trip/", "x/trip/day 2/")] == [3, 1]
    opened.option("folders", "x/trip/").click()
    opened.settles("3 of 5 photos")
    assert opened.number("folders", "x/old/1/") == 1
    opened.option("folders", "x/trip/day 2/").click()  # instead of the folder around it
    opened.settles("1 of 5 photos")
    opened.option("folders", "x/old/1/").click()  # as well
    opened.settles("2 of 5 photos")
    opened.until("location.hash === '#folder=x%2Ftrip%2Fday+2%2F&folder=x%2Fold%2F1%2F'")
    again = show(album([photo(key) for key in keys]), hash=opened.page.evaluate("location.hash"))
    assert sorted(again.names()) == [keys[4], keys[2]]
    again.page.get_by_role("button", name="Remove filter x/old/1/").click()
    again.settles("1 of 5 photos")


def test_of_many_folders_only_opened_ones_show_their_subfolders(show: Show) -> None:
    keys = [f"{year}/{day:02}/a.jpg" for year in (2025, 2026) for day in range(1, 31)]
    opened = show(album([photo(key) for key in keys]))
    names = opened.page.locator("#folders .option .name")
    assert names.all_text_contents() == ["2025/", "2026/"]
    opened.option("folders", "2025/").click()
    assert len(names.all_text_contents()) == 12
    opened.page.get_by_role("button", name="20 more").click()
    assert names.last.text_content() == "2026/"
    opened.option("folders", "2025/03/").click()
    assert opened.names() == ["2025/03/a.jpg"]


def test_one_folder_is_no_choice(show: Show) -> None:
    opened = show(album([photo("a/b/c.jpg"), photo("a/b/d.jpg")]))
    assert not opened.page.locator("#folders").is_visible()


def test_the_slider_leaves_labels_out(gallery: Opened, painted: list[dict[str, Any]]) -> None:
    gallery.option("labels", "Boat").click()
    gallery.page.get_by_label("Confidence").fill("85")
    gallery.settles(f"{len(has(painted, 'Boat', least=85))} of 200 photos")
    assert gallery.number("labels", "Sea") == len(has(painted, "Boat", "Sea", least=85))
    assert 0 < len(has(painted, "Boat", least=85)) < len(has(painted, "Boat"))
    assert gallery.page.locator("#min-confidence-value").inner_text() == "at least 85 %"
    # A word that is a label's name counts no less sure.
    gallery.option("labels", "Boat").click()
    gallery.page.get_by_role("searchbox").fill("boat")
    gallery.settles(f"{len(has(painted, 'Boat', least=85))} of 200 photos")


def test_a_tile_names_the_most_confident_labels(show: Show) -> None:
    labels = [("Sea", 99.0, []), ("Boat", 90.0, []), ("Moon", 70.0, []), ("Tree", 60.0, [])]
    opened = show(album([photo("a.jpg", labels)]))
    result = opened.page.locator("#grid .summary")
    assert result.inner_text() == "Sea, Boat, Moon"
    opened.page.get_by_label("Confidence").fill("85")
    assert result.inner_text() == "Sea, Boat"


def test_a_caption_starts_with_the_file_name(show: Show) -> None:
    keys = ["trips/2026/a.jpg", "b.jpg", "odd/", "/"]
    opened = show(album([photo(key, [("Sea", 99.0, [])]) for key in keys]), hash="#sort=name")
    captions = [text.split() for text in opened.tiles.locator(".caption").all_text_contents()]
    assert sorted(captions) == sorted(
        [["a.jpg", "trips/2026/", "Sea"], ["b.jpg", "Sea"], ["odd/", "Sea"], ["/", "Sea"]]
    )


def test_states(gallery: Opened, painted: list[dict[str, Any]]) -> None:
    failed = [each["image"] for each in painted if each["status"] == "failed"]
    assert gallery.number("states", "Failed") == len(failed) == 4
    gallery.option("states", "Failed").click()
    gallery.settles("4 of 200 photos")
    assert sorted(gallery.names()) == sorted(failed)
    tile = gallery.tiles.first.inner_text()
    assert "Failed" in tile
    assert "not an image that Rekognition can read" in tile
    # The other numbers show the results of selecting them as well.
    assert gallery.number("states", "Waiting") == 3
    gallery.option("states", "Waiting").click()
    gallery.settles("7 of 200 photos")
    assert gallery.page.get_by_text("Waiting for its labels.").count() == 3


def test_failed_photos_wait_behind_a_banner(show: Show) -> None:
    photos = [
        photo("a.jpg", [("Sea", 90, [])]),
        photo("bad.gif", status="failed", reason="It is a GIF."),
        photo("worse.gif", status="failed", reason="It is a GIF."),
        photo("waiting.jpg", status="waiting"),
    ]
    opened = show(album(photos))
    banner = opened.page.locator("#failed")
    assert banner.locator("span").inner_text() == "2 photos failed."
    assert opened.count() == "4 photos"
    assert opened.names() == ["a.jpg", "waiting.jpg"]
    banner.get_by_role("button", name="Show them").click()
    assert opened.names() == ["bad.gif", "worse.gif"]
    assert opened.focused() == "bad.gif"
    assert not banner.is_visible()
    opened.until("location.hash === '#state=failed'")
    opened.page.get_by_role("button", name="Remove filter Failed").click()
    field = opened.page.get_by_role("searchbox")
    field.fill("w")  # two names with a w
    assert banner.inner_text().split("\n") == ["1 photo failed.", "Show it"]
    field.fill("gif")  # nothing else matches
    assert opened.names() == ["bad.gif", "worse.gif"]
    assert not banner.is_visible()
    assert not opened.page.locator("#empty").is_visible()
    opened.page.evaluate("location.hash = '#folder=none/'")
    opened.page.get_by_role("heading", name="No photo matches").wait_for()


def test_sorting(gallery: Opened, painted: list[dict[str, Any]]) -> None:
    painted = [each for each in painted if each["status"] != "failed"]
    dated = [each for each in painted if each["at"]]
    newest = [each["image"] for each in sorted(dated, key=lambda each: each["at"], reverse=True)]
    assert gallery.names()[:40] == newest[:40]
    gallery.page.get_by_label("Sort").select_option("Name")
    assert gallery.names()[:40] == sorted(each["image"] for each in painted)[:40]
    gallery.option("labels", "Boat").click()
    gallery.page.get_by_label("Sort").select_option("Most confident first")
    sure = {
        each["image"]: score
        for each in painted
        for name, score, _ in each["labels"]
        if name == "Boat"
    }
    shown = [sure[name] for name in gallery.names()]
    assert shown == sorted(sure.values(), reverse=True)[: len(shown)]
    assert gallery.tiles.first.locator(".score").inner_text() == f"{int(max(sure.values()))} %"


def test_photos_are_grouped_by_the_month_they_were_taken(show: Show) -> None:
    photos = [
        photo("uploaded.jpg", at=datetime(2026, 7, 15, tzinfo=UTC)),
        photo("july.jpg", taken="2026-07-31T23:30:00-10:00"),
        photo("june.jpg", taken="2026-06-01T00:30:00+14:00"),
        photo("old.jpg", taken="1990-02-03T04:05:06"),
        photo("odd.jpg", at=None, taken="hostile"),
        photo("undated.jpg", at=None),
    ]
    opened = show(album(photos))
    keys = [*("july.jpg", "uploaded.jpg", "june.jpg", "old.jpg", "odd.jpg", "undated.jpg")]
    assert opened.names() == keys
    months = ["July 2026", "June 2026", "February 1990", "No date"]
    assert opened.page.locator("#grid h2").all_inner_texts() == months
    sizes = [opened.page.get_by_role("list", name=name).locator("li").count() for name in months]
    assert sizes == [2, 1, 1, 2]
    places = "all => all.map(each => `${each.ariaPosInSet}/${each.ariaSetSize}`)"
    in_set = opened.page.locator("#grid li").evaluate_all(places)
    assert in_set == ["1/2", "2/2", "1/1", "1/1", "1/2", "2/2"]
    opened.tiles.first.focus()
    for key, name in (("ArrowRight", keys[1]), ("ArrowRight", keys[2]), ("ArrowDown", keys[3])):
        opened.page.keyboard.press(key)
        assert opened.focused() == name
    opened.page.keyboard.press("ArrowUp")
    opened.page.keyboard.press("Home")
    when = opened.page.locator("#viewer .when")
    opened.page.keyboard.press("Enter")
    taken = r"Taken July 31, 2026 at 11:30\sPM \(UTC-10:00\)"
    assert re.fullmatch(taken, when.inner_text())
    opened.page.keyboard.press("ArrowRight")
    assert when.inner_text().startswith("Uploaded July 1")
    opened.page.keyboard.press("End")
    assert when.inner_text() == ""
    opened.leave_photo()
    opened.page.get_by_label("Sort").select_option("Name")
    assert opened.page.locator("#grid h2").count() == 0
    assert opened.page.get_by_role("list", name="Photos").locator("li").count() == 6


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
    gallery.settles("200 photos")
    assert gallery.page.get_by_role("searchbox").input_value() == ""


def test_no_photos_at_all(show: Show) -> None:
    opened = show(album([]))
    opened.page.get_by_role("heading", name="No photos yet").wait_for()
    assert opened.count() == "0 photos"


def test_the_heading_describes_the_selection(show: Show) -> None:
    result = {"query": "dog", "prefix": "holiday/", "stack": "pictures", "more": 1200}
    opened = show(album([photo("a.jpg")], **result))
    assert opened.page.title() == "Photos with dog in holiday/ · labelctl"
    assert opened.page.get_by_role("heading", level=1).inner_text() == "Photos with dog in holiday/"
    assert "pictures" in opened.page.locator("#brand").inner_text()
    assert "1,200 more photos" in opened.page.locator("#foot").inner_text()


# ---- print


def test_a_print_has_all_photos_with_captions_and_no_controls(
    show: Show, folder: Path, painted: list[dict[str, Any]]
) -> None:
    opened = show(album(painted[:100]), folder=folder, color_scheme="dark")
    shown = opened.tiles.count()
    assert 0 < shown < 97
    opened.page.evaluate(
        "addEventListener('beforeprint',"
        " () => window.printed = document.querySelectorAll('.tile').length)"
    )
    pdf = opened.page.pdf(format="A4", print_background=True)
    pictures = [each for each in painted[:100] if each["thumb"] and each["status"] != "failed"]
    assert opened.page.evaluate("printed") == len(pictures) == 98
    assert pdf.count(b"/DCTDecode") == len(pictures)
    assert 4 <= pdf.count(b"/Type /Page\n") <= 7
    opened.until("document.querySelectorAll('.tile').length === it", shown)
    opened.page.emulate_media(media="print")
    for control in ("searchbox", "combobox", "checkbox", "slider"):
        assert opened.page.get_by_role(control).count() == 0
    assert opened.page.locator("#failed").inner_text() == "2 photos failed."
    style = "each => [getComputedStyle(each).opacity, getComputedStyle(each).color]"
    caption = opened.tiles.nth(50).locator(".caption")
    assert caption.evaluate(style) == ["1", "rgb(0, 0, 0)"]
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"


def test_ctrl_p_loads_all_pictures_before_it_prints(
    show: Show, folder: Path, painted: list[dict[str, Any]]
) -> None:
    """A print has only loaded pictures. page.pdf waits for them; the dialog of a browser does not."""
    opened = show(album(painted[:100]), folder=folder)
    shown = opened.tiles.count()
    loaded = "[...document.querySelectorAll('.tile img')].filter(each => each.naturalWidth).length"
    opened.page.evaluate(f"window.print = () => window.printed = {loaded}")
    note = opened.page.locator("#print-note")
    opened.page.keyboard.press("Control+p")
    opened.until("window.printed")
    assert opened.page.evaluate("printed") == 98
    assert note.inner_text().endswith("pictures to print…")
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.tiles.count() == shown
    assert not note.is_visible()
    # From the menu there is no time to load them: the print says so.
    opened.page.reload()
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert "Cancel, and print again" in note.inner_text()
    opened.until("[...document.querySelectorAll('.tile img')].every(each => each.complete)")
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not note.is_visible()


# ---- the address


def test_a_view_can_be_bookmarked(
    gallery: Opened, show: Show, painted: list[dict[str, Any]], folder: Path
) -> None:
    gallery.page.get_by_role("searchbox").fill("hills")
    gallery.option("labels", "Balloon").click()
    gallery.page.get_by_label("Confidence").fill("80")
    gallery.page.get_by_label("Sort").select_option("Name")
    gallery.tiles.nth(2).click()
    name = gallery.page.locator("#viewer-name").inner_text()
    gallery.until("location.hash.includes('photo=')")
    kept = gallery.page.evaluate("location.hash")

    again = show(album(painted), folder=folder, hash=kept)
    assert again.page.locator("#viewer-name").inner_text() == name
    again.leave_photo()
    assert again.count() == gallery.count()
    assert again.names() == gallery.names()
    again.until("!location.hash.includes('photo=')")
    again.page.evaluate("location.hash = '#label=Boat'")
    again.settles(f"{len(has(painted, 'Boat'))} of 200 photos")


ODD_ADDRESSES = (
    "#least=x&sort=up&state=?&label=%00",
    "#photo=none",
    "#%%%",
    "#least=1e9",
    "#state=constructor",
)


def test_an_odd_address_does_no_harm(gallery: Opened) -> None:
    for odd in ODD_ADDRESSES:
        gallery.page.evaluate("odd => location.hash = odd", odd)
        gallery.page.get_by_role("searchbox").fill("x")
        gallery.page.get_by_role("heading", name="No photo matches").wait_for()
        gallery.page.evaluate("location.hash = ''")
        gallery.settles("200 photos")
