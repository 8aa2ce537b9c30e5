"""The gallery on paper, by a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.albums import album
from tests.browser.conftest import Show


def test_a_print_has_all_photos_with_captions_and_no_controls(
    show: Show, folder: Path, painted: list[dict[str, Any]]
) -> None:
    opened = show(album(painted[:100]), folder=folder, hash="#q=-zebra", color_scheme="dark")
    shown = opened.tiles.count()
    assert 0 < shown < 97
    opened.page.evaluate(
        "addEventListener('beforeprint', () => {"
        " window.printed = document.querySelectorAll('.tile').length;"
        " window.listed = document.querySelector('#print-failed').innerText })"
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
    failed = [each for each in painted[:100] if each["status"] == "failed"]
    assert opened.page.evaluate("listed").split("\n")[-2:] == [
        f"{each['image']} {each['reason']}" for each in failed
    ]
    assert opened.count() == "98 photos, 2 failed"
    assert opened.page.locator("#searched").inner_text() == "Search: -zebra"
    style = "each => [getComputedStyle(each).opacity, getComputedStyle(each).color]"
    caption = opened.tiles.nth(50).locator(".caption")
    assert caption.evaluate(style) == ["1", "rgb(0, 0, 0)"]
    picture = opened.tiles.nth(50).locator("img").bounding_box()
    gap = caption.locator(".name").bounding_box()["y"] - picture["y"] - picture["height"]
    assert gap > 4  # pixels between the picture and its name
    name_and_folder = [
        caption.locator(part).bounding_box()["y"] for part in (".name", ".folder", ".summary")
    ]
    assert name_and_folder == sorted(set(name_and_folder))  # each on a line of its own
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"


def test_ctrl_p_loads_all_pictures_before_it_prints(
    show: Show, folder: Path, painted: list[dict[str, Any]]
) -> None:
    """A print has only loaded pictures. page.pdf waits for them; the dialog of a browser does not."""
    opened = show(album(painted[:100]), folder=folder)
    shown = opened.tiles.count()
    loaded = "[...document.querySelectorAll('.tile img')].filter(each => each.naturalWidth).length"
    # In braces: a function that results from the expression would be called at once.
    opened.page.evaluate(f"() => {{ window.print = () => window.printed = {loaded} }}")
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
    said = (
        "(dispatchEvent(new Event('beforeprint')), document.querySelector('#print-note').innerText)"
    )
    assert "Cancel, and print again" in opened.page.evaluate(said)
    opened.until("[...document.querySelectorAll('.tile img')].every(each => each.complete)")
    note.wait_for(state="hidden")  # for programs that wait, such as page.pdf
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not note.is_visible()
