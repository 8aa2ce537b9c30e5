"""Pictures in a terminal: in pixels where the terminal supports it, else in coloured half cells.

Uses textual-image, which queries the terminal (for kitty's graphics protocol and sixels) when it is
imported, and waits for the answer on stdin.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

_CELL = (10, 20)
"""The nominal width and height of a cell in pixels. The terminal scales the picture to its real cell
size, so text drawn on the picture has about the size of the terminal's text."""

_MAX_COLUMNS = 240
"""kitty's protocol addresses at most 297 columns."""


@dataclass(frozen=True)
class Screen:
    """The cells that a picture may take up. `fine`: the terminal draws pixels, so text is legible."""

    columns: int
    rows: int
    fine: bool

    @property
    def size(self) -> tuple[int, int]:
        """The width and height in pixels."""
        across, down = _CELL if self.fine else (1, 2)
        return self.columns * across, self.rows * down

    def rendered(self, image: Image.Image) -> Any:
        """The picture as something rich can print. It must not be larger than `size`."""
        from textual_image import renderable

        if self.fine:
            columns, rows = -(-image.width // _CELL[0]), -(-image.height // _CELL[1])
            return renderable.Image(image, width=columns, height=rows)
        # One cell per pixel across: scaling would blur thin lines.
        return renderable.HalfcellImage(image, width=image.width, height=-(-image.height // 2))


def detect(columns: int, rows: int) -> Screen:
    """Query the terminal; stdin and stdout must be one. The result has at most these cells.

    Raises UsageError for a terminal without a size, which textual-image would divide by.
    """
    import logging

    out = sys.__stdout__  # the stream whose size textual-image reads
    if out and out.isatty() and 0 in os.get_terminal_size(out.fileno()):
        raise UsageError(
            "Cannot show a picture: this terminal does not report its size.",
            "Run the command without --terminal.",
        )

    # It logs a traceback for terminals that do not answer.
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    from textual_image import renderable

    fine = renderable.Image in (renderable.SixelImage, renderable.TGPImage)
    return Screen(min(columns, _MAX_COLUMNS), rows, fine)
