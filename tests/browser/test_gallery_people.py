"""Accessibility: screen readers, keyboard, small screens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labelctl.render.gallery import page as gallery_page
from tests.browser.albums import album, has, photo
from tests.browser.conftest import DOT, Opened, Show, injected


# The schemes differ in colours alone; on the smallest screen the filters cover the page.
@pytest.mark.parametrize(
    ("size", "scheme"),
    [((400, 800), "light"), ((400, 800), "dark"), ((1000, 700), "dark"), ((1600, 1000), "light")],
)
def test_axe_finds_no_serious_violation(
    show: Show, folder: Path, painted: list[dict[str, Any]], size: tuple[int, int], scheme: str
) -> None:
    some = album(painted[9:33])  # the first is waiting, and one has failed
    opened = show(some, folder=folder, size=size, color_scheme=scheme, reduced_motion="reduce")
    opened.until("document.querySelector('.tile.loaded')")
    assert violations(opened) == []
    if size[0] == 400:
        opened.page.get_by_role("button", name="Filters").click()
    opened.option("labels", "Balloon").click()
    opened.option("labels", "Sun").click()
    opened.page.get_by_role("group", name="Photos have").get_by_text("Any").click()
    opened.page.get_by_label("Confidence").fill("70")
    assert violations(opened) == []
    opened.tiles.first.click()
    opened.page.locator(".frame.loaded").wait_for()
    opened.page.keyboard.press("b")
    opened.page.locator("button.label").first.focus()
    assert violations(opened) == []
    assert small_targets(opened) == []
    opened.page.keyboard.press("?")
    assert violations(opened) == []
    opened.page.keyboard.press("Escape")
    opened.page.keyboard.press("+")
    opened.page.keyboard.press("i")
    assert violations(opened) == []
    opened.page.keyboard.press("i")
    opened.page.evaluate(
        "location.hash = '#state=failed&photo=' + encodeURIComponent(Object.keys({}))"
    )
    opened.leave_photo()
    opened.settles("1 of 24 photos")
    assert violations(opened) == []
    opened.tiles.first.click()
    assert violations(opened) == []
    opened.leave_photo()
    opened.page.evaluate("location.hash = '#q=zebra'")
    opened.page.get_by_role("heading", name="No photo matches").wait_for()
    assert violations(opened) == []


def test_axe_can_find_something(show: Show) -> None:
    page = injected(gallery_page.render(album([photo("a.jpg")])), "<img src=''><input>")
    assert {"image-alt", "label"} <= {name for name, _ in violations(show(page))}


def violations(opened: Opened) -> list[tuple[str, list[str]]]:
    """Serious or critical problems found by axe-core, with their elements."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(opened.page).response["violations"]
    return [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def small_targets(opened: Opened) -> list[str]:
    """Buttons and links of the dialog that are less than 40 pixels wide or high."""
    targets = opened.page.locator("#viewer :is(button, a):visible:not(.box)")
    assert targets.count() > 8
    small = "({width, height}) => Math.min(width, height) < 40"
    return list(
        targets.evaluate_all(
            f"all => all.filter(each => ({small})(each.getBoundingClientRect()))"
            ".map(each => each.outerHTML)"
        )
    )


def test_the_page_fits_every_width(show: Show, folder: Path, painted: list[dict[str, Any]]) -> None:
    opened = show(album(painted[:20]), folder=folder)
    for width in (320, 400, 760, 1000, 1600):
        opened.page.set_viewport_size({"width": width, "height": 700})
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_link_skips_to_the_photos(show: Show) -> None:
    opened = show(album([photo("a.jpg"), photo("b.jpg")]), hash="#sort=name")
    link = opened.page.get_by_role("link", name="Skip to photos")
    assert link.bounding_box()["y"] < 0
    opened.page.keyboard.press("Tab")
    assert link.evaluate("each => each === document.activeElement")
    opened.until("it.getBoundingClientRect().top >= 0", link.element_handle())
    opened.page.keyboard.press("Enter")
    assert opened.focused() == "a.jpg"
    assert opened.page.evaluate("location.hash") == "#sort=name"
    opened.page.get_by_role("searchbox").fill("zebra")
    link.focus()
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.id") == "photos"


def test_on_a_small_screen_filters_fold_away(
    show: Show, folder: Path, painted: list[dict[str, Any]]
) -> None:
    opened = show(album(painted), folder=folder, size=(400, 800))
    toggle = opened.page.get_by_role("button", name="Filters")
    assert not opened.page.locator("#filters").is_visible()
    toggle.click()
    assert toggle.get_attribute("aria-expanded") == "true"
    opened.option("labels", "Boat").click()
    opened.settles(f"{len(has(painted, 'Boat'))} of 200 photos")


def test_nothing_moves_for_those_who_want_it_still(show: Show) -> None:
    opened = show(album([photo("a.jpg", thumb=DOT)]), reduced_motion="reduce")
    durations = "all => all.map(each => getComputedStyle(each).transitionDuration)"
    assert set(opened.page.locator("*").evaluate_all(durations)) == {"0s"}
