"""The README's picture of the gallery: python -m tests.browser docs/gallery.png

Two views side by side, of 200 painted landscapes with the labels that their painter knows.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from labelctl.render.gallery.page import render
from tests.browser.albums import album, painted
from tests.browser.conftest import BROWSERS, QUIET

GAP = 24


def main(target: Path) -> None:
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "index.html"
        page.write_text(render(album(painted(page.parent, 200))), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        grid = _look(browser, page, (1200, 800), "light", "")
        photo = _look(browser, page, (1200, 800), "dark", "#q=sea&photo=sea/dawn-002.jpg")
        browser.close()
    whole = Image.new("RGB", (grid.width + GAP + photo.width, grid.height), "white")
    whole.paste(grid, (0, 0))
    whole.paste(photo, (grid.width + GAP, 0))
    whole.save(target, optimize=True)


def _look(browser: Any, path: Path, size: tuple[int, int], scheme: str, hash: str) -> Image.Image:
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(path.as_uri() + hash)
    if hash:
        page.locator("dialog[open] button.label", has_text="Balloon").first.hover()
    page.wait_for_timeout(1000)  # pictures fade in
    taken = Image.open(BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return taken


if __name__ == "__main__":
    main(Path(sys.argv[1]))
