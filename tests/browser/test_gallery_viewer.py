"""The large picture: keyboard, history, tools and the panel next to it."""

from __future__ import annotations

from typing import Any

import pytest

from labelctl.render.gallery import page as gallery_page
from tests.browser.albums import album, photo
from tests.browser.conftest import DOT, Opened, Show


def focused(opened: Opened) -> str:
    return opened.focused()


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
    assert gallery.tiles.count() == 196
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
    assert gallery.page.locator(".position").inner_text().endswith("4 of 196")
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
    file = names[1].rpartition("/")[2]
    assert gallery.page.title() == f"{file} · Photos · labelctl"
    gallery.page.go_back()
    heading.wait_for(state="hidden")
    assert gallery.page.title() == f"{names[1]} · Photos · labelctl"  # the search
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


def test_the_dialog_shows_the_large_picture(gallery: Opened, painted: list[dict[str, Any]]) -> None:
    gallery.tiles.first.click()
    gallery.page.locator(".frame.loaded").wait_for()
    assert [url for url in gallery.requests if "/photos/" in url]
    picture = gallery.page.locator(".picture")
    name = gallery.names()[0]
    [first] = [each for each in painted if each["image"] == name]
    assert picture.evaluate("image => image.naturalWidth") == first["width"]
    *most, last = [label for label, *_ in first["labels"][:4]]
    assert picture.get_attribute("alt") == f"{', '.join(most)} and {last}"
    gallery.page.get_by_role("button", name="Close").click()
    assert not gallery.page.locator("#viewer").is_visible()


READY = (
    "viewer.pictures.loading.size === it"
    " && [...viewer.pictures.loading.values()].every(each => each.isReady)"
)
"""So many large pictures can be painted at once."""


def test_neighbours_are_loaded_before_they_are_shown(
    gallery: Opened, painted: list[dict[str, Any]]
) -> None:
    files = {each["image"]: each["full"] for each in painted}
    expected = [files[name] for name in gallery.names()[:4]]
    gallery.tiles.nth(1).click()
    gallery.until(READY, 3)
    loaded = [url for url in gallery.requests if "/photos/" in url]
    assert loaded[0].endswith(expected[1])  # nothing delays the photo itself
    assert sorted(url[-len(expected[0]) :] for url in loaded) == sorted(expected[:3])
    shown = "document.querySelector('.frame').classList.contains('loaded') && viewer.photo.full"
    assert gallery.page.evaluate(f"(viewer.step(1), {shown})") == expected[2]
    gallery.until(READY, 3)
    assert [url for url in gallery.requests if "/photos/" in url][3:] == [
        url for url in gallery.requests if url.endswith(expected[3])
    ]


def test_a_photo_without_labels_is_described_by_its_name(show: Show) -> None:
    labels = [("Dog", 98.1, []), ("Person", 90.0, []), ("Beach", 70.0, [])]
    photos = [photo("a.jpg", labels, thumb=DOT), photo("b.jpg", thumb=DOT)]
    opened = show(album(photos), hash="#sort=name&least=80")
    opened.page.evaluate("location.hash = '#sort=name&photo=a.jpg'")
    opened.page.get_by_role("img", name="Dog, Person and Beach", exact=True).wait_for()
    opened.page.keyboard.press("ArrowRight")
    opened.page.get_by_role("img", name="b.jpg", exact=True).wait_for()


# ---- tools


def test_the_slide_show(show: Show) -> None:
    photos = [photo(f"{name}.jpg", [("Dog", 90.0, [])], thumb=DOT) for name in "abc"]
    opened = show(album(photos), reduced_motion="reduce")
    page = opened.page
    opened.tiles.first.click()
    opened.until(READY, 2)
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    heading = page.locator("#viewer-name")
    play = page.get_by_role("button", name="Slide show")
    status = page.locator(".note")

    def after(milliseconds: int) -> str:
        opened.until("document.querySelector('.frame.loaded')")
        page.clock.run_for(milliseconds)
        return str(heading.inner_text())

    page.keyboard.press("Space")
    assert status.inner_text() == "Slide show started"
    assert play.get_attribute("aria-pressed") == "true"
    assert after(3900) == "a.jpg"
    assert after(200) == "b.jpg"
    page.keyboard.press("Space")
    assert status.inner_text() == "Slide show stopped"
    assert after(9000) == "b.jpg"
    play.click()
    page.keyboard.press("b")  # does not disturb it
    assert after(4100) == "c.jpg"
    assert after(4100) == "c.jpg"
    assert status.inner_text() == "Slide show stopped"  # the end
    assert play.get_attribute("aria-pressed") == "false"
    for act in (
        lambda: page.keyboard.press("Home"),
        lambda: page.keyboard.press("+"),
        lambda: page.mouse.wheel(0, -100),
        lambda: page.locator(".when").click(),
    ):
        play.click()
        assert play.get_attribute("aria-pressed") == "true"
        page.mouse.move(300, 300)
        act()
        opened.until("document.querySelector('.play').ariaPressed === 'false'")

    # A focused button keeps its own Space.
    page.get_by_role("button", name="Next photo").focus()
    page.keyboard.press("Space")
    assert heading.inner_text() == "b.jpg"
    assert play.get_attribute("aria-pressed") == "false"
    opened.leave_photo()
    page.keyboard.press("Space")
    assert play.get_attribute("aria-pressed") == "false"


def test_full_screen_and_the_panel(show: Show) -> None:
    opened = show(album([photo("a.jpg", [("Dog", 90.0, [])], thumb=DOT), photo("b.jpg")]))
    page = opened.page
    opened.tiles.first.click()
    page.keyboard.press("f")
    opened.until("document.fullscreenElement && document.querySelector('.full-screen').ariaPressed")
    assert page.get_by_role("dialog", name="a.jpg").is_visible()
    page.get_by_role("button", name="Full screen").click()
    opened.until("!document.fullscreenElement")

    stage = page.locator(".stage")
    with_panel = stage.bounding_box()["width"]
    page.locator(".label").focus()
    page.keyboard.press("i")
    assert not page.locator(".details").is_visible()
    assert stage.bounding_box()["width"] == with_panel + 340
    page.keyboard.press("ArrowRight")  # the keys still work
    page.get_by_role("dialog", name="b.jpg").wait_for()
    opened.leave_photo()
    opened.tiles.first.click()
    assert not page.locator(".details").is_visible()  # as long as the page is open
    page.get_by_role("button", name="Labels", exact=True).click()
    assert page.locator(".label").is_visible()


def test_the_help_lists_the_keys_and_a_slash_searches(show: Show) -> None:
    opened = show(album([photo("a.jpg", [("Dog", 90.0, [])], thumb=DOT)]))
    page = opened.page
    press = page.keyboard.press
    listed = page.get_by_role("dialog", name="Keys")
    page.get_by_role("button", name="Keys").click()
    assert "Play or pause the slide show" in listed.inner_text()
    gestures = listed.locator("dt").filter(has_not=page.locator("kbd")).all_inner_texts()
    assert gestures == ["Wheel", "Double click or tap", "Two fingers"]
    press("Escape")
    press("/")
    field = page.get_by_role("searchbox")
    assert field.evaluate("each => each === document.activeElement")
    page.keyboard.type("/?")  # in the field they are text
    assert field.input_value() == "/?"
    assert not listed.is_visible()
    field.fill("")
    opened.tiles.click()
    press("?")
    assert listed.is_visible()
    press("i")  # the photo below gets no keys
    press("Escape")
    assert page.get_by_role("dialog", name="a.jpg").is_visible()
    assert page.locator(".label").is_visible()
    caps = page.locator("#keys kbd").evaluate_all("all => all.map(each => each.textContent)")
    assert {"/", "?", "Space", "f", "b", "i", "+", "-", "0", "Shift ←", "Esc"} <= set(caps)


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_copying_the_key(show: Show, has_clipboard: bool) -> None:
    # As it is, not as it is displayed.
    key = "day 1/\u202eü.jpg" if has_clipboard else "day 2/\u202eü.jpg"
    opened = show(album([photo(key, thumb=DOT)]), color_scheme="light")
    page = opened.page
    if has_clipboard:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    else:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    opened.tiles.click()
    page.get_by_role("button", name="Copy key").click()
    opened.until("document.querySelector('.note').textContent === 'Copied'")
    page.keyboard.press("Tab")
    opened.leave_photo()
    field = page.get_by_role("searchbox")
    field.focus()
    page.keyboard.press("Control+V")
    assert field.input_value() == key


def test_the_original_is_linked_where_it_is_public_for_a_while(show: Show) -> None:
    link = "https://photos.s3.amazonaws.com/a.jpg?X-Amz-Expires=60"
    photos = [photo("a.jpg", thumb=DOT, full=link), photo("b.jpg", thumb=DOT, full=DOT)]
    opened = show(
        gallery_page.render(album(photos), image_hosts=["https://photos.s3.amazonaws.com"])
    )
    opened.page.route("https://photos.s3.amazonaws.com/**", lambda route: route.abort())
    opened.tiles.first.click()
    original = opened.page.get_by_role("link", name="Open original")
    assert original.get_attribute("href") == link
    assert original.get_attribute("target") == "_blank"
    assert "noopener" in original.get_attribute("rel")
    opened.page.get_by_text("could not be loaded").wait_for()
    opened.page.keyboard.press("ArrowRight")
    assert original.count() == 0
    opened.page.unroute_all()
    opened.said.clear()
    opened.requests.clear()


def test_a_picture_that_does_not_load_is_said_to_be_missing(show: Show) -> None:
    labels = [("Dog", 98.1, [])]
    gone = photo("gone.jpg", labels, thumb="thumbs/none.jpg", full="photos/none.jpg")
    never = photo("never.jpg", labels, reason="It is not a picture.")
    failed = photo("failed.gif", status="failed", reason="It is a GIF.")
    opened = show(album([gone, never, failed]))
    opened.until("document.querySelectorAll('.tile.no-picture').length === 2")
    opened.tiles.filter(has_text="gone.jpg").click()
    opened.page.get_by_text("could not be loaded").wait_for()
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.get_by_text("No picture available.").is_visible()
    assert opened.page.locator(".picture").get_attribute("src") is None  # not the one before
    assert opened.page.locator(".state").inner_text().endswith("It is not a picture.")
    assert opened.page.locator(".found").inner_text().startswith("Dog")
    opened.page.evaluate("location.hash = '#photo=failed.gif'")
    opened.page.get_by_text("Fix the file and upload it again.").wait_for()
    for name in ("Slide show", "Boxes"):
        assert opened.page.get_by_role("button", name=name).count() == 0
    assert all("ERR_FILE_NOT_FOUND" in each for each in opened.said)
    opened.said.clear()
