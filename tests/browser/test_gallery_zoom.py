"""Zooming and moving the large picture, by mouse, keyboard and touch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.albums import album, photo
from tests.browser.conftest import Opened, Show
from tests.browser.name_tags import SIDES, seen, wait_for_a_frame

BOX = (0.4, 0.4, 0.2, 0.2)

Point = tuple[float, float]


@pytest.fixture
def open_photo(show: Show, tmp_path: Path) -> Callable[..., Opened]:
    """Opens the first of three photos of 1,500 x 1,000 pixels."""
    Image.new("RGB", (1500, 1000), "teal").save(tmp_path / "a.jpg")

    def open_photo(**settings: Any) -> Opened:
        labels = [("Dog", 90.0, [BOX])]
        photos = [
            photo(f"{name}.jpg", labels, thumb="a.jpg", full="a.jpg", size=(1500, 1000))
            for name in "abc"
        ]
        opened = show(album(photos), reduced_motion="reduce", **settings)
        opened.page.evaluate("location.hash = '#sort=name&photo=a.jpg'")
        opened.page.locator(".frame.loaded").wait_for()
        return opened

    return open_photo


def sides(opened: Opened, selector: str = ".picture") -> list[float]:
    return list(opened.page.locator(selector).evaluate(f"each => {SIDES}"))


def width(opened: Opened) -> float:
    left, _, right, _ = sides(opened)
    return right - left


def room(opened: Opened) -> list[float]:
    """The sides of the stage within its padding."""
    return list(
        opened.page.evaluate(
            "(({left, top, right, bottom}) => [left, top, right, bottom])"
            "(contentRect(document.querySelector('.stage')))"
        )
    )


def place(opened: Opened, point: Point) -> Point:
    """Which place of the picture is at a point of the window, as shares of its size."""
    left, top, right, bottom = sides(opened)
    return (point[0] - left) / (right - left), (point[1] - top) / (bottom - top)


def assert_fills_the_room(opened: Opened) -> None:
    """In each direction the picture covers its room, or is in the middle of it."""
    picture, around = sides(opened), room(opened)
    for near, far in ((0, 2), (1, 3)):
        if picture[far] - picture[near] > around[far] - around[near] + 1:
            assert picture[near] <= around[near] + 1
            assert picture[far] >= around[far] - 1
        else:
            assert picture[near] + picture[far] == pytest.approx(around[near] + around[far], abs=2)


@pytest.mark.parametrize("modifier", [None, "Control"])
def test_the_wheel_zooms_towards_the_pointer(
    open_photo: Callable[..., Opened], modifier: str | None
) -> None:
    opened = open_photo()
    page = opened.page
    page.evaluate(
        "document.addEventListener('wheel', event => window.prevented = event.defaultPrevented)"
    )
    whole, tag = width(opened), page.locator(".tag")
    page.locator(".box").hover()
    line = "box => getComputedStyle(box).borderWidth"
    before = page.locator(".box").evaluate(line), tag.bounding_box()["height"]
    middle = sides(opened)
    point = (middle[0] + 0.45 * whole, middle[1] + 0.5 * (middle[3] - middle[1]))
    page.mouse.move(*point)
    seen = place(opened, point)
    if modifier:
        page.keyboard.down(modifier)
    for _ in range(4):
        page.mouse.wheel(0, -120)
    opened.until("viewer.zoom.scale > 2")
    assert place(opened, point) == pytest.approx(seen, abs=0.003)
    assert opened.page.evaluate("[prevented, visualViewport.scale]") == [True, 1]
    note = page.locator(".note").inner_text()
    assert note == f"{round(width(opened) / 15):,} %"  # of the picture's 1,500 pixels
    # Lines and names keep their size, and the name is at its box.
    assert (page.locator(".box").evaluate(line), tag.bounding_box()["height"]) == before
    assert page.locator(".box.named").count() == 1
    for _ in range(9):
        page.mouse.wheel(0, 120)
    if modifier:
        page.keyboard.up(modifier)
    opened.until("viewer.zoom.scale === 1")
    assert width(opened) == pytest.approx(whole, abs=1)
    assert_fills_the_room(opened)
    for _ in range(30):
        page.mouse.wheel(0, -120)
    opened.until("viewer.zoom.scale === 8")


def test_a_zoomed_picture_is_dragged_but_never_out_of_sight(
    open_photo: Callable[..., Opened],
) -> None:
    opened = open_photo()
    mouse = opened.page.mouse

    def drag(right: int, down: int) -> list[float]:
        mouse.move(400, 400)
        mouse.down()
        mouse.move(400 + right // 2, 400 + down // 2)
        mouse.move(400 + right, 400 + down)
        mouse.up()
        assert_fills_the_room(opened)
        return sides(opened)

    whole = sides(opened)
    assert drag(200, 0) == whole  # nothing to see there
    opened.page.keyboard.press("+")
    opened.page.keyboard.press("+")
    before = sides(opened)
    after = drag(-30, 20)
    assert after[0] - before[0] == pytest.approx(-30, abs=1)
    assert after[1] - before[1] == pytest.approx(20, abs=1)
    for right, down in ((350, 350), (-350, 0), (0, -350)):
        for _ in range(6):
            drag(right, down)
    assert opened.page.locator("#viewer-name").inner_text() == "a.jpg"
    opened.page.set_viewport_size({"width": 700, "height": 900})
    opened.until("innerWidth === 700")
    wait_for_a_frame(opened)
    assert_fills_the_room(opened)


def test_keys_zoom_and_move(open_photo: Callable[..., Opened]) -> None:
    opened = open_photo()
    press = opened.page.keyboard.press
    whole = width(opened)
    press("+")
    assert width(opened) == pytest.approx(1.5 * whole, abs=1)
    left, top, *_ = sides(opened)
    press("Shift+ArrowRight")
    press("Shift+ArrowDown")
    assert sides(opened)[0] < left
    assert sides(opened)[1] < top
    press("-")
    press("-")
    assert width(opened) == pytest.approx(whole, abs=1)
    for _ in range(5):
        press("+")
    # The name of a box stays in sight, even if both its upper and its lower edge are not.
    opened.page.locator(".label").focus()
    assert sides(opened, ".box")[1] < room(opened)[1]
    assert sides(opened, ".box")[3] > room(opened)[3]
    assert seen(opened) == ["Dog"]
    for _ in range(20):
        press("Shift+ArrowDown")
        assert seen(opened) == (["Dog"] if sides(opened, ".box")[3] > room(opened)[1] else [])
    opened.page.locator("#viewer-name").focus()
    press("0")
    press("=")  # the key of +, without Shift
    assert width(opened) > whole + 1
    press("0")
    assert width(opened) == pytest.approx(whole, abs=1)
    press("+")
    press("ArrowRight")  # the next photo is shown whole
    opened.page.get_by_role("dialog", name="b.jpg").wait_for()
    assert width(opened) == pytest.approx(whole, abs=1)


def test_a_double_click_shows_the_pixels_and_another_one_all(
    open_photo: Callable[..., Opened],
) -> None:
    opened = open_photo()
    whole = width(opened)
    left, top, right, bottom = sides(opened)
    point = (left + 0.4 * (right - left), top + 0.4 * (bottom - top))
    seen = place(opened, point)
    opened.page.mouse.dblclick(*point)
    assert width(opened) == pytest.approx(1500, abs=1)
    assert place(opened, point) == pytest.approx(seen, abs=0.003)
    assert opened.page.locator(".note").inner_text() == "100 %"
    opened.page.mouse.dblclick(*point)
    assert width(opened) == pytest.approx(whole, abs=1)
    # A large window shows it at up to twice its size, with its box. A double click enlarges more.
    opened.page.set_viewport_size({"width": 3800, "height": 2400})
    opened.until("document.querySelector('.picture').clientWidth === 3000")
    left, _, right, _ = sides(opened, ".box")
    assert right - left == pytest.approx(BOX[2] * 3000, abs=1)
    opened.page.mouse.dblclick(1700, 1200)
    assert width(opened) == pytest.approx(7500, abs=1)


def test_steps_are_animated_with_the_boxes_at_their_places(show: Show, tmp_path: Path) -> None:
    Image.new("RGB", (1500, 1000), "teal").save(tmp_path / "a.jpg")
    labels = [("Dog", 90.0, [BOX])]
    opened = show(album([photo("a.jpg", labels, thumb="a.jpg", size=(1500, 1000))]))
    opened.tiles.click()
    opened.page.locator(".frame.loaded").wait_for()
    whole = width(opened)
    opened.page.locator(".label").focus()
    opened.page.keyboard.press("+")
    opened.page.evaluate(
        "document.querySelector('.frame').getAnimations()"
        ".forEach(each => (each.pause(), each.currentTime = 60))"
    )
    assert whole + 1 < width(opened) < 1.5 * whole - 1
    assert seen(opened) == ["Dog"]
    opened.page.evaluate("document.getAnimations().forEach(each => each.finish())")
    assert width(opened) == pytest.approx(1.5 * whole, abs=1)
    assert seen(opened) == ["Dog"]


# ---- touch


class Fingers:
    """Touches on the page, in steps."""

    def __init__(self, opened: Opened) -> None:
        self.session = opened.page.context.new_cdp_session(opened.page)

    def move(self, *ways: tuple[Point, ...]) -> None:
        """Each finger takes its way, all at the same time."""
        for step, points in enumerate(zip(*ways, strict=True)):
            touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            kind = "touchMove" if step else "touchStart"
            self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        self.session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


PHONE = {"size": (400, 800), "has_touch": True, "is_mobile": True}


def test_two_fingers_zoom_and_one_moves(open_photo: Callable[..., Opened]) -> None:
    opened = open_photo(**PHONE)
    fingers = Fingers(opened)
    whole = width(opened)
    seen = place(opened, (200, 235))
    fingers.move(((180, 235), (150, 235), (100, 235)), ((220, 235), (250, 235), (300, 235)))
    assert width(opened) == pytest.approx(5 * whole, rel=0.05)
    assert place(opened, (200, 235)) == pytest.approx(seen, abs=0.02)
    assert opened.page.evaluate("visualViewport.scale") == 1
    before = sides(opened)
    fingers.move(((200, 200), (150, 210), (100, 220)))
    assert sides(opened)[0] - before[0] == pytest.approx(-100, abs=1)
    fingers.move(((300, 200), (10, 200), (300, 200)))
    assert opened.page.locator("#viewer-name").inner_text() == "a.jpg"  # it is no swipe
    assert_fills_the_room(opened)
    fingers.move(((20, 235), (150, 235), (190, 235)), ((380, 235), (250, 235), (210, 235)))
    assert width(opened) == pytest.approx(whole, abs=1)
    assert opened.page.locator("#viewer-name").inner_text() == "a.jpg"


def test_a_double_tap_zooms(open_photo: Callable[..., Opened]) -> None:
    opened = open_photo(**PHONE)
    whole = width(opened)
    tap = opened.page.touchscreen.tap
    tap(200, 200)
    assert width(opened) == pytest.approx(whole, abs=1)
    tap(203, 198)
    assert width(opened) == pytest.approx(1500, abs=1)
    tap(100, 100)
    tap(300, 300)  # two taps at different places
    assert width(opened) == pytest.approx(1500, abs=1)


def test_swiping_through_the_photos(open_photo: Callable[..., Opened]) -> None:
    opened = open_photo(**PHONE)
    swipe = Fingers(opened).move
    heading = opened.page.locator("#viewer-name")
    swipe(((300, 200), (200, 205), (100, 210)))
    assert heading.inner_text() == "b.jpg"
    whole = sides(opened)
    swipe(((300, 200), (290, 205), (280, 210)))  # hardly moved
    swipe(((200, 100), (190, 200), (180, 300)))  # downwards
    swipe(((300, 200), (200, 205), (100, 210)), ((300, 260), (200, 265), (100, 270)))
    assert heading.inner_text() == "b.jpg"
    assert sides(opened) == whole
    swipe(((100, 200), (200, 205), (300, 210)))
    assert heading.inner_text() == "a.jpg"
    swipe(((100, 200), (200, 205), (300, 210)))
    assert heading.inner_text() == "a.jpg"
    # In a page that is zoomed, as the panel permits, a finger moves the page.
    session = opened.page.context.new_cdp_session(opened.page)
    session.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 3})
    opened.page.locator(".page-zoomed").wait_for()
    swipe(((300, 200), (200, 205), (100, 210)))
    assert heading.inner_text() == "a.jpg"
