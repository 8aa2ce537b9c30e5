"""The viewer: keyboard, large picture and positions of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.albums import album, photo
from tests.browser.conftest import DOT, Opened, Show


def focused(opened: Opened) -> str:
    return str(opened.page.evaluate("document.activeElement.querySelector('.name')?.innerText"))


PLACES = (
    "tiles => tiles.map(tile => tile.getBoundingClientRect())"
    ".map(box => [Math.round(box.top + scrollY), box.left + box.width / 2])"
)
"""Of each tile the row, by its top, and the middle."""


def focused_place(opened: Opened) -> list[float]:
    [place] = opened.page.locator("#grid :focus").evaluate_all(PLACES)
    return list(place)


def test_arrows_go_through_the_grid(gallery: Opened) -> None:
    names = gallery.names()
    press = gallery.page.keyboard.press
    assert gallery.page.locator("#grid [tabindex='0']").count() == 1
    gallery.tiles.first.focus()
    press("ArrowRight")
    press("ArrowRight")
    assert focused(gallery) == names[2]
    press("ArrowLeft")
    assert focused(gallery) == names[1]
    places = gallery.tiles.evaluate_all(PLACES)
    rows = sorted({top for top, _ in places})
    for row in (1, 2, 3, 4, 3, 2, 1, 0):
        middle = focused_place(gallery)[1]
        press("ArrowDown" if rows[row] > focused_place(gallery)[0] else "ArrowUp")
        assert focused_place(gallery) == min(
            (place for place in places if place[0] == rows[row]),
            key=lambda place: abs(place[1] - middle),
        )
    press("End")
    assert gallery.tiles.count() == 200
    assert focused(gallery) == gallery.names()[-1]
    press("ArrowRight")
    assert focused(gallery) == gallery.names()[-1]
    press("Home")
    assert focused(gallery) == names[0]
    assert gallery.page.locator("#grid [tabindex='0']").count() == 1


def test_the_dialog_by_keyboard(gallery: Opened) -> None:
    names = gallery.names()
    press = gallery.page.keyboard.press
    gallery.tiles.nth(1).focus()
    press("Enter")
    heading = gallery.page.locator("#viewer-name")
    dialog = gallery.page.get_by_role("dialog", name=names[1])
    dialog.wait_for()
    assert heading.evaluate("each => each === document.activeElement")
    press("ArrowRight")
    press("ArrowRight")
    assert heading.inner_text() == names[3]
    assert gallery.page.locator(".position").inner_text().endswith("4 of 200")
    press("ArrowLeft")
    assert heading.inner_text() == names[2]
    press("End")
    assert gallery.page.get_by_role("button", name="Next photo").is_disabled()
    press("Home")
    assert heading.inner_text() == names[0]
    press("ArrowRight")
    press("ArrowRight")
    gallery.leave_photo()
    assert not gallery.page.locator("#viewer").is_visible()
    # The focus is at the photo that was seen last.
    assert focused(gallery) == names[2]


def test_keys_go_on_where_a_button_has_become_disabled(show: Show) -> None:
    opened = show(album([photo("a.jpg"), photo("b.jpg"), photo("c.jpg")]))
    opened.tiles.first.click()
    opened.page.get_by_role("button", name="Next photo").focus()
    opened.page.keyboard.press("End")
    opened.page.keyboard.press("ArrowLeft")
    assert opened.page.locator("#viewer-name").inner_text() == "b.jpg"


def test_back_closes_the_large_picture_and_forward_opens_it(gallery: Opened) -> None:
    names = gallery.names()
    gallery.page.locator("#words").fill(names[1])
    gallery.settles("1 of 200 photos")
    gallery.tiles.first.click()
    heading = gallery.page.locator("#viewer-name")
    assert heading.inner_text() == names[1]
    gallery.page.go_back()
    heading.wait_for(state="hidden")
    assert gallery.count() == "1 of 200 photos"
    assert focused(gallery) == names[1]
    gallery.page.go_forward()
    heading.wait_for()
    assert heading.inner_text() == names[1]


def test_closing_by_hand_is_not_a_step_back(gallery: Opened) -> None:
    gallery.page.evaluate("history.pushState('before', '', '#q=a')")
    names = gallery.names()
    for _ in range(3):
        gallery.tiles.nth(2).click()
        gallery.page.keyboard.press("ArrowRight")
        gallery.leave_photo()
        gallery.until("history.state === 'before'")
        assert focused(gallery) == names[3]
        assert not gallery.page.locator("#viewer").is_visible()


def test_swiping_through_the_photos(show: Show) -> None:
    photos = [photo(f"{name}.jpg") for name in "abc"]
    opened = show(album(photos), size=(400, 800), has_touch=True, is_mobile=True)
    heading = opened.page.locator("#viewer-name")
    stage = opened.page.context.new_cdp_session(opened.page)

    def swipe(*way: tuple[int, int], fingers: int = 1) -> None:
        for kind, (x, y) in zip(("touchStart", "touchMove", "touchMove"), way, strict=False):
            points = [{"x": x, "y": y + 60 * finger, "id": finger} for finger in range(fingers)]
            stage.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        stage.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    opened.tiles.first.tap()
    assert heading.inner_text() == "a.jpg"
    swipe((300, 200), (200, 205), (100, 210))
    assert heading.inner_text() == "b.jpg"
    swipe((300, 200), (290, 205), (280, 210))  # hardly moved
    swipe((200, 100), (190, 200), (180, 300))  # downwards
    swipe((300, 200), (200, 205), (100, 210), fingers=2)
    assert heading.inner_text() == "b.jpg"
    swipe((100, 200), (200, 205), (300, 210))
    assert heading.inner_text() == "a.jpg"
    swipe((100, 200), (200, 205), (300, 210))
    assert heading.inner_text() == "a.jpg"
    stage.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 3})
    opened.page.locator(".zoomed").wait_for()
    swipe((300, 200), (200, 205), (100, 210))  # moves about in the picture
    assert heading.inner_text() == "a.jpg"


def test_the_dialog_shows_the_large_picture(gallery: Opened, painted: list[dict[str, Any]]) -> None:
    gallery.tiles.first.click()
    gallery.page.locator(".frame.loaded").wait_for()
    assert [url for url in gallery.requests if "/photos/" in url]
    picture = gallery.page.locator(".picture")
    name = gallery.names()[0]
    [width] = [each["width"] for each in painted if each["image"] == name]
    assert picture.evaluate("image => image.naturalWidth") == width
    assert picture.get_attribute("alt") == name
    gallery.page.get_by_role("button", name="Close").click()
    assert not gallery.page.locator("#viewer").is_visible()


# ---- boxes


def portrait_and_landscape(painted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first portrait, landscape, square and panorama, each with boxes and labels enough."""
    shapes: dict[float, dict[str, Any]] = {}
    for each in painted:
        if each["status"] == "labelled" and sum(len(boxes) for *_, boxes in each["labels"]) > 4:
            shapes.setdefault(each["width"] / each["height"], each)
    assert min(shapes) < 1 < max(shapes)
    return list(shapes.values())


@pytest.mark.parametrize("size", [(1600, 1000), (1000, 700), (400, 800)])
def test_boxes_are_placed_as_in_the_data(
    show: Show, folder: Path, painted: list[dict[str, Any]], size: tuple[int, int]
) -> None:
    photos = portrait_and_landscape(painted)
    opened = show(album(photos), folder=folder, size=size)
    for each in photos:
        opened.tiles.filter(has_text=each["image"]).click()
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
        said = {tuple(box) for *_, boxes in each["labels"] for box in boxes}
        drawn = opened.page.locator(".box").evaluate_all(
            "boxes => boxes.map(box => box.getBoundingClientRect().toJSON())"
        )
        assert len(drawn) == len(said)
        for left, top, width, height in said:
            expected = (
                picture["x"] + left * picture["width"],
                picture["y"] + top * picture["height"],
                width * picture["width"],
                height * picture["height"],
            )
            nearest = min(
                max(
                    abs(box[side] - value)
                    for side, value in zip(("x", "y", "width", "height"), expected, strict=True)
                )
                for box in drawn
            )
            assert nearest < 1  # pixel
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
    opened = show(album([photo("a.jpg", labels, thumb=DOT, full=DOT)]))
    opened.tiles.click()
    page = opened.page
    lit = page.locator(".box.lit")
    assert page.locator(".box").count() == 3  # head and face share one
    assert lit.count() == 0
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
    assert page.locator(".label", has_text="Sky").evaluate("each => each.tagName") == "DIV"

    page.mouse.move(1, 1)
    page.keyboard.press("b")
    assert page.get_by_role("button", name="Boxes").get_attribute("aria-pressed") == "true"
    opened.until(
        "[...document.querySelectorAll('.box')].every(box => +getComputedStyle(box).opacity >= 0.6)"
    )


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


def test_a_picture_that_does_not_load_is_said_to_be_missing(show: Show) -> None:
    labels = [("Dog", 98.1, [])]
    gone = photo("gone.jpg", labels, thumb="thumbs/none.jpg", full="photos/none.jpg")
    never = photo("never.jpg", labels, reason="It is not a picture.")
    opened = show(album([gone, never]))
    opened.until("document.querySelectorAll('.tile.no-picture').length === 2")
    opened.tiles.filter(has_text="gone.jpg").click()
    opened.page.get_by_text("could not be loaded").wait_for()
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.get_by_text("No picture available.").is_visible()
    assert opened.page.locator(".picture").get_attribute("src") is None  # not the one before
    assert opened.page.locator(".state").inner_text().endswith("It is not a picture.")
    assert opened.page.locator(".found").inner_text().startswith("Dog")
    assert all("ERR_FILE_NOT_FOUND" in each for each in opened.said)
    opened.said.clear()
