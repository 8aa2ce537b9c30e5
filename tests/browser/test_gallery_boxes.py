"""Boxes on the large picture, and the list of labels next to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.albums import album, has, photo
from tests.browser.conftest import DOT, Opened, Show


def portrait_and_landscape(painted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first portrait, landscape, square and panorama, each with boxes and labels enough."""
    shapes: dict[float, dict[str, Any]] = {}
    for each in painted:
        if each["status"] == "labelled" and sum(len(boxes) for *_, boxes in each["labels"]) > 4:
            shapes.setdefault(each["width"] / each["height"], each)
    assert min(shapes) < 1 < max(shapes)
    return list(shapes.values())


def assert_boxes_fit(opened: Opened, photo: dict[str, Any]) -> None:
    """Every box is drawn where the data says, relative to the picture as it is now."""
    picture = opened.page.locator(".picture").bounding_box()
    expected = {
        (
            picture["x"] + left * picture["width"],
            picture["y"] + top * picture["height"],
            width * picture["width"],
            height * picture["height"],
        )
        for *_, boxes in photo["labels"]
        for left, top, width, height in boxes
    }
    drawn = opened.page.locator(".box").evaluate_all(
        "boxes => boxes.map(box => box.getBoundingClientRect())"
        ".map(({x, y, width, height}) => [x, y, width, height])"
    )
    assert len(drawn) == len(expected)
    for place in expected:
        # Within a pixel of one of them.
        assert any(pytest.approx(place, abs=1) == tuple(box) for box in drawn)


@pytest.mark.parametrize("size", [(1600, 1000), (1000, 700), (400, 800)])
def test_boxes_are_placed_as_in_the_data(
    show: Show, folder: Path, painted: list[dict[str, Any]], size: tuple[int, int]
) -> None:
    photos = portrait_and_landscape(painted)
    opened = show(album(photos), folder=folder, size=size)
    for each in photos:
        opened.tiles.filter(has_text=each["image"].split("/")[-1]).click()
        opened.page.locator(".frame.loaded").wait_for()
        picture = opened.page.locator(".picture").bounding_box()
        # The picture is shown whole, in its own shape, inside the window.
        assert picture["width"] / picture["height"] == pytest.approx(
            each["width"] / each["height"], rel=0.01
        )
        assert picture["x"] >= 0
        assert picture["y"] >= 0
        assert picture["x"] + picture["width"] <= size[0]
        assert picture["y"] + picture["height"] <= size[1]
        assert_boxes_fit(opened, each)
        opened.page.keyboard.press("+")
        opened.page.keyboard.press("+")
        opened.page.keyboard.press("Shift+ArrowRight")
        opened.page.evaluate("document.getAnimations().forEach(each => each.finish())")
        enlarged = opened.page.locator(".picture").bounding_box()
        assert enlarged["width"] == pytest.approx(2.25 * picture["width"], abs=1)
        assert_boxes_fit(opened, each)
        opened.leave_photo()


def test_boxes_show_with_their_labels(show: Show) -> None:
    whole, face, car = [0, 0, 0.5, 1], [0.1, 0.1, 0.2, 0.2], [0.6, 0.5, 0.3, 0.3]
    labels = [
        ("Person", 99.0, [whole]),
        ("Head", 97.0, [face]),
        ("Face", 96.0, [face]),
        ("Car", 90.0, [car]),
        ("Sky", 80.0, []),
    ]
    shown = album([photo("a.jpg", labels, thumb=DOT)])
    opened = show(shown)
    opened.tiles.click()
    page = opened.page
    lit = page.locator(".box.lit")
    assert page.locator(".box").count() == 3  # head and face share one
    picture = page.locator(".picture").bounding_box()

    def visible() -> list[list[str]]:
        """The names on visible boxes, and the colours of their lines."""
        page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")
        return list(
            page.locator(".box").evaluate_all(
                "boxes => boxes.filter(box => getComputedStyle(box).opacity === '1')"
                ".map(box => [box.innerText, box.style.getPropertyValue('--fill')])"
            )
        )

    def color(name: str) -> str:
        [at] = [
            label[3] for label in shown["photos"][0]["labels"] if shown["labels"][label[0]] == name
        ]
        return str(shown["palette"][at][0])

    # The pointer on the picture, but on no box; then on one.
    page.mouse.move(picture["x"] + 0.95 * picture["width"], picture["y"] + 5)
    assert visible() == []
    page.mouse.move(picture["x"] + 0.7 * picture["width"], picture["y"] + 0.7 * picture["height"])
    assert visible() == [["Car", color("Car")]]
    page.mouse.move(1, 1)
    assert visible() == []
    page.locator(".label", has_text="Face").hover()
    assert visible() == [["Face", color("Face")]]
    page.mouse.move(1, 1)

    page.locator(".label", has_text="Face").hover()
    assert lit.all_inner_texts() == ["Face"]
    page.mouse.move(1, 1)
    assert lit.count() == 0
    page.locator(".label", has_text="Car").focus()
    assert lit.all_inner_texts() == ["Car"]
    page.locator("#viewer-name").focus()
    assert lit.count() == 0

    # The small box lies above the large one around it, and has the names of all its labels.
    box = page.locator(".box", has_text="Head, Face")
    box.hover()
    assert lit.all_inner_texts() == ["Head, Face"]
    assert page.locator(".label.lit .name").all_inner_texts() == ["Head", "Face"]

    page.mouse.move(1, 1)
    page.keyboard.press("b")
    assert page.get_by_role("button", name="Boxes").get_attribute("aria-pressed") == "true"
    assert [name for name, _ in visible()] == ["Person", "Car", "Head, Face"]


def test_a_label_in_the_list_filters_the_photos_and_back_returns(
    gallery: Opened, painted: list[dict[str, Any]]
) -> None:
    gallery.page.get_by_role("searchbox").fill("hills")
    balloons = [name for name in has(painted, "Balloon") if name.startswith("hills/")]
    opened = next(name for name in gallery.names() if name in balloons)
    gallery.tiles.filter(has_text=opened.split("/")[-1]).click()
    row = gallery.page.locator(".label", has_text="Balloon")
    assert row.get_attribute("title") == "Show all photos with Balloon"
    row.click()
    gallery.settles(f"{len(balloons)} of 200 photos")
    assert not gallery.page.locator("#viewer").is_visible()
    assert gallery.page.get_by_role("button", name="Remove filter Balloon").is_visible()
    assert gallery.focused() == opened
    gallery.until("location.hash === '#q=hills&label=Balloon'")
    gallery.page.go_back()
    gallery.page.get_by_role("dialog", name=opened).wait_for()
    assert gallery.page.get_by_role("button", name="Remove filter Balloon").count() == 0
    gallery.leave_photo()
    gallery.until("location.hash === '#q=hills'")


def test_labels_below_the_confidence_are_hidden_in_the_viewer_too(show: Show) -> None:
    labels = [("Person", 99.0, [[0, 0, 0.5, 1]]), ("Hat", 70.0, [[0.1, 0.1, 0.2, 0.2]])]
    opened = show(album([photo("a.jpg", labels, thumb=DOT, full=DOT)]), hash="#least=86")
    opened.tiles.click()
    names = opened.page.locator(".found .name")
    assert names.all_inner_texts() == ["Person"]
    assert opened.page.locator(".box").count() == 1
    opened.leave_photo()
    opened.page.get_by_role("button", name="Remove filter at least 86 %").click()
    opened.tiles.click()
    assert names.all_inner_texts() == ["Person", "Hat"]
    assert opened.page.locator(".box").count() == 2


def test_boxes_end_where_the_picture_does(show: Show) -> None:
    boxes = [[-0.2, 0.5, 0.5, 0.75], [0.5, -0.1, 0.9, 0.4], [1.1, 0, 0.2, 0.2]]
    opened = show(album([photo("a.jpg", [("Car", 90.0, boxes)], thumb=DOT, full=DOT)]))
    opened.tiles.click()
    sides = (
        "boxes => boxes.map(box => ['left', 'top', 'width', 'height']"
        ".map(side => Math.round(parseFloat(box.style[side]))))"
    )
    drawn = opened.page.locator(".box").evaluate_all(sides)
    assert sorted(drawn) == [[0, 50, 30, 50], [50, 0, 50, 30]]


def test_a_tap_shows_a_box_and_a_tap_beside_it_hides_it(show: Show) -> None:
    labels: list[Any] = [("Car", 90.0, [[0.6, 0.5, 0.3, 0.3]])]
    opened = show(
        album([photo("a.jpg", labels, thumb=DOT)]), size=(400, 800), has_touch=True, is_mobile=True
    )
    opened.tiles.tap()
    picture = opened.page.locator(".picture").bounding_box()
    lit = opened.page.locator(".box.lit.named")
    assert lit.count() == 0
    right, down = picture["x"] + 0.7 * picture["width"], picture["y"] + 0.7 * picture["height"]
    opened.page.touchscreen.tap(right, down)
    assert lit.all_inner_texts() == ["Car"]
    opened.page.touchscreen.tap(picture["x"] + 20, picture["y"] + 20)
    assert lit.count() == 0
