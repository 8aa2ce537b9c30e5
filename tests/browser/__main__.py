"""The README's picture of the gallery: python -m tests.browser docs/gallery.png

Two views side by side of the photographs that `labelctl demo` uses, with the labels of the local cloud.
They are in the public domain or CC0 (labelctl/cli/commands/demo.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.conftest import BROWSERS, QUIET

GAP = 24
LABELCTL = Path(sys.executable).with_name("labelctl")


def main(target: Path) -> None:
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = _demo(Path(folder))
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        grid = _look(browser, page, (1200, 720), "light", "")
        photo = _look(browser, page, (1200, 720), "dark", "#photo=demo/coffee.png")
        browser.close()
    whole = Image.new("RGB", (grid.width + GAP + photo.width, grid.height), "white")
    whole.paste(grid, (0, 0))
    whole.paste(photo, (grid.width + GAP, 0))
    whole.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)


def _demo(home: Path) -> Path:
    """The gallery that the demo builds, in a local cloud of its own."""
    env = {**os.environ, "LABELCTL_HOME": str(home)}
    try:
        done = subprocess.run(
            [LABELCTL, "demo", "-o", "json"], env=env, check=True, capture_output=True
        )
    finally:
        subprocess.run([LABELCTL, "local", "stop"], env=env, check=False, capture_output=True)
    return Path(json.loads(done.stdout)["gallery"])


def _look(browser: Any, path: Path, size: tuple[int, int], scheme: str, hash: str) -> Image.Image:
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(path.as_uri() + hash)
    if hash:
        page.locator("dialog[open] button.label", has_text="Cup").first.hover()
    page.wait_for_timeout(1000)  # pictures fade in
    taken = Image.open(BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return taken


if __name__ == "__main__":
    main(Path(sys.argv[1]))
