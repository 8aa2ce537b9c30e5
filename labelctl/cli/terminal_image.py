"""Pictures in a terminal, as good as it allows: in its own pixels, or in coloured half cells.

This is the only module that knows textual-image, which asks the terminal what it can do (kitty's
graphics protocol, sixels) when it is loaded, and waits for the answer on stdin. What it makes is
drawn by the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_CELL = (10, 20)
"""Pixels of a cell, in which a picture is laid out for a terminal that draws pixels: it scales it to
what its cells really are, so that text on it always has the size of the terminal's own."""

_WIDEST = 240
"""Columns. kitty's protocol counts to 297; and nobody needs a larger picture in a terminal."""


@dataclass(frozen=True)
class Screen:
    """What of a terminal a picture may take up: cells; and whether small text is legible on it."""

    columns: int
    rows: int
    fine: bool

    @property
    def size(self) -> tuple[int, int]:
        """The pixels there are: width and height."""
        across, down = _CELL if self.fine else (1, 2)
        return self.columns * across, self.rows * down

    def rendered(self, image: Image.Image) -> Any:
        """The picture as the view can draw it. It must not be larger than `size`."""
        from textual_image import renderable

        if self.fine:
            columns, rows = -(-image.width // _CELL[0]), -(-image.height // _CELL[1])
            return renderable.Image(image, width=columns, height=rows)
        # As many cells as the picture has pixels across, or lines would be blurred.
        return renderable.HalfcellImage(image, width=image.width, height=-(-image.height // 2))


def look(columns: int, rows: int) -> Screen:
    """Find out what the terminal can do; stdin and stdout must be one. At most so many cells."""
    import logging

    # Terminals that do not answer are no news, and would be told of with a traceback.
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    from textual_image import renderable

    fine = renderable.Image in (renderable.SixelImage, renderable.TGPImage)
    return Screen(min(columns, _WIDEST), rows, fine)
