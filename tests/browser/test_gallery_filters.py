"""The gallery's facets, its slider and its banner of failed photos, in a real browser."""

from __future__ import annotations

from typing import Any

from tests.browser.albums import album, has, photo
from tests.browser.conftest import Opened, Show


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
    assert gallery.page.title() == "Boat, Balloon · Photos · labelctl"
    assert gallery.number("labels", "Boat") == len(has(painted, "Boat", "Balloon"))
    gallery.page.get_by_role("button", name="Remove filter Boat").click()
    gallery.settles(f"{len(has(painted, 'Balloon'))} of 200 photos")
    gallery.option("categories", "Buildings and Architecture").click()
    gallery.settles(f"{len(has(painted, 'Balloon', 'House'))} of 200 photos")
    gallery.page.get_by_role("button", name="Clear all").click()
    gallery.settles("196 photos, 4 failed")


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
    # Like labels, folders without a photo are hidden, except selected ones and those around them.
    again.page.get_by_role("searchbox").fill("d.jpg")
    assert again.page.locator("#folders .name").all_text_contents() == [
        *("x/trip/", "x/trip/day 2/", "x/trip/day 10/")
    ]
    again.page.get_by_role("searchbox").fill("c.jpg")
    assert again.option("folders", "x/trip/day 10/").count() == 0
    assert again.number("folders", "x/trip/day 2/") == 1


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
    slider = gallery.page.get_by_label("Confidence")
    assert slider.get_attribute("aria-valuetext") == "any"
    slider.fill("85")
    gallery.settles(f"{len(has(painted, 'Boat', least=85))} of 200 photos")
    assert gallery.number("labels", "Sea") == len(has(painted, "Boat", "Sea", least=85))
    assert 0 < len(has(painted, "Boat", least=85)) < len(has(painted, "Boat"))
    assert gallery.page.locator("#min-confidence-value").inner_text() == "at least 85 %"
    assert slider.get_attribute("aria-valuetext") == "at least 85 %"
    # A word that is a label's name counts no less sure.
    gallery.option("labels", "Boat").click()
    gallery.page.get_by_role("searchbox").fill("boat")
    gallery.settles(f"{len(has(painted, 'Boat', least=85))} of 200 photos")


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
    assert opened.count() == "2 photos, 2 failed"  # as many as the large picture counts
    assert opened.names() == ["a.jpg", "waiting.jpg"]
    banner.get_by_role("button", name="Show them").click()
    assert opened.names() == ["bad.gif", "worse.gif"]
    assert opened.focused() == "bad.gif"
    assert not banner.is_visible()
    opened.until("location.hash === '#state=failed'")
    opened.page.get_by_role("button", name="Remove filter Failed").click()
    field = opened.page.get_by_role("searchbox")
    field.fill("w")  # two names with a w
    assert opened.count() == "1 of 4 photos, 1 failed"
    assert banner.inner_text().split("\n") == ["1 photo failed.", "Show it"]
    field.fill("gif")  # nothing else matches
    assert opened.names() == ["bad.gif", "worse.gif"]
    assert not banner.is_visible()
    assert not opened.page.locator("#empty").is_visible()
    opened.page.evaluate("location.hash = '#folder=none/'")
    opened.page.get_by_role("heading", name="No photo matches").wait_for()
