"""A real browser with the page opened from disk; its messages and requests are recorded."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labelctl.render.gallery import page as gallery_page
from tests.browser import albums

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    # A browser talks to its maker of its own accord: not in a test.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def missing(why: str) -> None:
    """Skip the tests without a browser, except with CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}, and with CI=true no browser test is skipped")
    pytest.skip(why)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    # For this folder only: while it runs there is an event loop, which others' tests cannot have.
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        missing("there is no Chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield launched
        launched.close()


@dataclass
class Opened:
    """A page with its console messages (including errors and policy violations) and requests."""

    page: Any
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def tiles(self) -> Any:
        return self.page.locator("#grid button")

    def until(self, condition: str, about: Any = None) -> None:
        """Waits until an expression of JavaScript is true, of `it` where one is given.

        Playwright's own way to wait makes code out of text in the page: its policy forbids that.
        """
        deadline = time.monotonic() + 10
        while not self.page.evaluate(f"it => Boolean({condition})", about):
            assert time.monotonic() < deadline, condition
            self.page.wait_for_timeout(20)

    def leave_photo(self) -> None:
        """Close the large picture by keyboard, and wait for the step back in the history."""
        self.page.keyboard.press("Escape")
        self.until("!document.querySelector('#viewer').open && history.state !== 'opened'")

    def names(self) -> list[str]:
        """The keys of the photos that are shown, as their tiles name them: file name, then folder."""
        files = self.tiles.locator(".name").all_inner_texts()
        folders = self.tiles.locator(".folder").all_inner_texts()
        return [folder + file for folder, file in zip(folders, files, strict=True)]

    def focused(self) -> str:
        """The key of the tile with the focus."""
        return str(
            self.page.evaluate(
                "['.folder', '.name'].map(each =>"
                " document.activeElement.querySelector(each)?.innerText).join('')"
            )
        )

    def count(self) -> str:
        return str(self.page.locator("#count").inner_text())

    def settles(self, count: str) -> None:
        """Waits until the page says that so many photos are shown: "3 of 200 photos"."""
        self.until("document.querySelector('#count').innerText === it", count)

    def option(self, facet: str, name: str) -> Any:
        """The row of a facet (states, folders, labels, categories) with that very name."""
        whole = re.compile(f"^{re.escape(name)}$")
        row = self.page.locator(f"#{facet} .option")
        return row.filter(has=self.page.locator(".name", has_text=whole))

    def number(self, facet: str, name: str) -> int:
        return int(self.option(facet, name).locator(".number").inner_text().replace(",", ""))


# A pixel: where a test is about words, all the picture that is needed.
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="

Show = Callable[..., Opened]


@pytest.fixture(scope="package")
def idle(browser: Any) -> list[Opened]:
    """Pages that no test uses at the moment: to make one takes longer than to load an album into it."""
    return []


@pytest.fixture
def show(browser: Any, idle: list[Opened], tmp_path: Path) -> Iterator[Show]:
    """Opens a page: of an album (rendered into `folder`), or a text as it is.

    A page with settings, such as has_touch, is a new one. When the test is over, nothing must have been
    said or asked for over the network, unless the test has looked at `said` and emptied it.
    """
    opened: list[tuple[Opened, bool]] = []

    def show(
        album: dict[str, Any] | str,
        *,
        folder: Path = tmp_path,
        hash: str = "",
        size: tuple[int, int] = (1280, 800),
        **settings: Any,
    ) -> Opened:
        text = album if isinstance(album, str) else gallery_page.render(album)
        path = folder / f"index-{len(opened)}.html"
        path.write_text(text, encoding="utf-8")
        shown = idle.pop() if idle and not settings else new_page(browser, settings)
        opened.append((shown, not settings))
        width, height = size
        shown.page.set_viewport_size({"width": width, "height": height})
        shown.page.goto(path.as_uri() + hash)
        return shown

    yield show
    for each, can_be_reused in opened:
        if can_be_reused:
            each.page.mouse.move(0, 0)
            each.page.goto("about:blank")
        else:
            each.page.context.close()
    for each, _ in opened:
        assert each.said == []
        assert [url for url in each.requests if not url.startswith(("file:", "data:"))] == []
    for each, can_be_reused in opened:
        if can_be_reused:
            each.requests.clear()
            idle.append(each)


def new_page(browser: Any, settings: dict[str, Any]) -> Opened:
    """An empty page, in a context of its own with these settings of Playwright's."""
    context = browser.new_context(**settings)
    context.set_default_timeout(10_000)
    made = Opened(context.new_page())
    made.page.on("console", lambda message: made.said.append(message.text))
    made.page.on("pageerror", lambda error: made.said.append(str(error)))
    made.page.on("request", lambda request: made.requests.append(request.url))
    return made


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gallery")


@pytest.fixture(scope="package")
def painted(browser: Any, folder: Path) -> list[dict[str, Any]]:
    """200 photos, painted once, and only for a browser; their files are in `folder`.

    At half the size they are painted and shown in a fraction of the time.
    """
    return albums.painted(folder, 200, scale=0.5)


@pytest.fixture
def gallery(show: Show, folder: Path, painted: list[dict[str, Any]]) -> Opened:
    """The page of these 200."""
    return show(albums.album(painted), folder=folder)


def injected(page: str, markup: str) -> str:
    """The page with an injected element that its policy does not allow."""
    assert "</body>" in page
    return page.replace("</body>", f"{markup}</body>")
