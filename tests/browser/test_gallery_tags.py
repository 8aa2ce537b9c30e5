"""Name tags of boxes on the large picture: legible, without overlaps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.albums import album, photo
from tests.browser.conftest import DOT, Show
from tests.browser.name_tags import seen
from tests.browser.scenes import Box

PERSON: Box = (0.25, 0.08, 0.5, 0.9)
LAYOUTS: dict[str, dict[str, list[Box]]] = {
    "one astronaut": {"Person": [PERSON], "Head": [PERSON], "Face": [(0.38, 0.1, 0.18, 0.25)]},
    "nested": {
        "Person": [(0.2, 0.3, 0.5, 0.7)],
        "Head": [(0.21, 0.31, 0.3, 0.3)],
        "Face": [(0.22, 0.32, 0.2, 0.2)],
    },
    "two tops": {"Woman": [(0.3, 0.4, 0.1, 0.5)], "Man": [(0.37, 0.4, 0.1, 0.5)]},
    "at the top": {"Sky": [(0, 0, 1, 0.4)], "Cloud": [(0.02, 0, 0.2, 0.2), (0.05, 0, 0.2, 0.15)]},
    "at the right": {
        "Transportation Vehicle": [(0.95, 0.4, 0.05, 0.1), (0.96, 0.42, 0.04, 0.1)],
        "Tree": [(0.9, 0.38, 0.1, 0.3)],
    },
    "at the bottom": {"Shoe": [(0.3, 0.94, 0.1, 0.06), (0.36, 0.94, 0.1, 0.06)]},
    "six": {
        "Person": [(0, 0, 0.5, 1)],
        "Man": [(0.5, 0, 0.5, 1)],
        "Face": [(0.15, 0.05, 0.2, 0.3)],
        "Glasses": [(0.18, 0.1, 0.15, 0.06)],
        "Hat": [(0.15, 0, 0.2, 0.1)],
        "Transportation Vehicle": [(0.8, 0.7, 0.2, 0.3)],
    },
    "together": {f"Thing {number}": [(0.45, 0.45, 0.1, 0.1 + number / 500)] for number in range(6)},
}
POINT = """box => {
    const {left, top, width, height} = box.getBoundingClientRect();
    for (let y = top + .5; y < top + height; y += height / 20)
        for (let x = left + .5; x < left + width; x += width / 20)
            if (document.elementFromPoint(x, y) === box) return [x, y];
}"""
"""Where a box is not under another one."""


def framed(name: str, **files: Any) -> dict[str, Any]:
    labels = [(each, 90.0, boxes) for each, boxes in LAYOUTS[name].items()]
    return photo(f"{name}.jpg", labels, **({"thumb": DOT} | files))


@pytest.mark.parametrize("size", [(400, 800), (1000, 700), (1600, 1000)])
def test_no_name_covers_another_one(show: Show, size: tuple[int, int]) -> None:
    opened = show(album([framed(name) for name in LAYOUTS]), size=size, hash="#sort=name")
    opened.tiles.first.click()
    opened.page.mouse.move(1, 1)
    assert seen(opened) == []
    opened.page.keyboard.press("b")
    for name in sorted(LAYOUTS):
        assert opened.page.locator("#viewer-name").inner_text() == f"{name}.jpg"
        boxes = opened.page.locator(".box")
        all_names = [each.strip() for each in boxes.all_text_contents()]
        # On the picture itself, unless it is too small for all of them.
        crowded = name in ("together", "at the bottom") or size[0] == 400
        resting = seen(opened, ".stage" if crowded else ".frame")
        if len(all_names) < 4 or (size[0] == 1600 and name != "together"):
            assert resting == all_names
        assert len(resting) >= min(len(all_names), 3)
        for position, each in enumerate(all_names):
            point = boxes.nth(position).evaluate(POINT)
            if point is None:  # no part of it is uncovered
                continue
            opened.page.mouse.move(*point)
            assert each in seen(opened)
        opened.page.mouse.move(1, 1)
        assert seen(opened) == resting
        opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("b")
    assert seen(opened) == []


def test_names_of_many_boxes_are_read_one_by_one(show: Show) -> None:
    boxes: list[Box] = [(0.1 * number, 0.5, 0.09, 0.3) for number in range(9)]
    opened = show(album([photo("a.jpg", [("Transportation", 90.0, boxes)], thumb=DOT)]))
    opened.tiles.click()
    opened.page.keyboard.press("b")
    opened.page.mouse.move(1, 1)
    assert seen(opened) == []
    opened.page.locator(".box").nth(4).hover()
    assert seen(opened) == ["Transportation"]
    # All that the list points at, as far as there is room: nine times the name is too wide for a row.
    opened.page.locator(".label").hover()
    assert 3 <= len(seen(opened)) <= 9


def test_names_keep_apart_when_the_window_changes(show: Show) -> None:
    opened = show(album([framed("six")]), size=(1600, 1000))
    opened.tiles.click()
    opened.page.keyboard.press("b")
    opened.page.mouse.move(1, 1)
    wide = seen(opened)
    for width, height in ((400, 800), (1000, 500), (800, 360)):
        opened.page.set_viewport_size({"width": width, "height": height})
        assert len(seen(opened)) >= 3
    opened.page.set_viewport_size({"width": 1600, "height": 1000})
    assert seen(opened) == wide


def test_names_keep_apart_when_the_picture_has_another_shape(show: Show, tmp_path: Path) -> None:
    Image.new("RGB", (300, 900), "teal").save(tmp_path / "tall.jpg")
    photos = [framed("six", thumb="tall.jpg", full="tall.jpg"), framed("two tops")]
    opened = show(album(photos), hash="#sort=name")
    opened.tiles.last.click()
    opened.page.keyboard.press("b")
    opened.page.mouse.move(1, 1)
    assert seen(opened) == ["Woman", "Man"]
    opened.page.keyboard.press("ArrowLeft")
    opened.page.locator(".frame.loaded").wait_for()
    assert opened.page.locator(".picture").evaluate("each => each.clientWidth") <= 300
    assert len(seen(opened)) >= 4


def test_the_open_photo_is_printed_on_one_page_with_all_names(show: Show, tmp_path: Path) -> None:
    Image.new("RGB", (900, 600), "teal").save(tmp_path / "a.jpg")
    many = [(f"Label {number}", 90.0 - number / 2, list[Box]()) for number in range(90)]
    photos = [
        framed("six", thumb="a.jpg"),
        photo("many.jpg", [*many, ("Dog", 99.0, [PERSON])], thumb="a.jpg"),
        *(photo(f"{number}.jpg", thumb="a.jpg") for number in range(50)),
    ]
    opened = show(album(photos), size=(400, 800), hash="#photo=six.jpg")
    page = opened.page
    page.locator(".frame.loaded").wait_for()
    page.keyboard.press("+")
    page.keyboard.press("i")
    page.evaluate("document.getAnimations().forEach(each => each.finish())")
    before = page.locator(".picture").bounding_box()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(seen(opened)) >= 5
    visible = page.locator("body").inner_text()
    for name, boxes in LAYOUTS["six"].items():
        assert f"{name}\n90.0 %" in visible
        assert len(boxes) == 1
    assert (
        page.locator(".box").evaluate_all("all => all.map(each => getComputedStyle(each).opacity)")
        == ["1"] * 6
    )
    for unused in (".top", "#grid", ".toolbar", ".round", ".copy", ".position"):
        assert not page.locator(unused).first.is_visible()
    assert (
        page.locator("#viewer").evaluate("each => getComputedStyle(each).color") == "rgb(0, 0, 0)"
    )
    page.emulate_media(media="null")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".picture").bounding_box() == before  # enlarged as it was
    for name in ("six.jpg", "many.jpg"):
        page.evaluate("name => location.hash = `#photo=${name}`", name)
        page.get_by_role("dialog", name=name).wait_for()
        for paper in ("A4", "Letter"):
            pages = re.findall(rb"/Type /Page\b", page.pdf(format=paper))
            assert len(pages) == 1
