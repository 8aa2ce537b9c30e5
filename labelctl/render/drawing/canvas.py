"""Drawing frames, chips (coloured boxes with text) and the strip below the picture.

Sizes are proportional to the canvas, so that large and small pictures look alike. Frames have dark
edges, so that they are visible on light and dark backgrounds; text is black or white, whichever has
more contrast. Pillow's own font covers only ASCII. For other text a system font is used; without one,
letters lose their accents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from labelctl.render.drawing.layout import Rect
from labelctl.render.drawing.palette import INK, readable_on

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont

    from labelctl.render.drawing.palette import Color

Text = tuple[str, str]
"""The text of a chip: a name, and a detail in a softer colour."""

GROUND, CHIP, NOTE = (24, 26, 31), (50, 54, 63), (255, 192, 120)

_FONTS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc", "arial.ttf")
"""Fonts with many scripts, shipped with Linux, macOS or Windows."""
_EDGE_OPACITY = 0.75  # of the dark edges of a frame, 0 to 1
_SPACE = 0.4  # between the two parts of a chip's text, relative to its size
_SOFTNESS = 0.15  # share of the fill in the softer colour; more would be hard to read
_MIN_ROWS = 4  # of chips before some are left out; tall photos get more
_OVERSAMPLING = 4  # curves are drawn larger by this factor, then shrunk


class Canvas:
    """An image to draw on. `stroke`, `pad` and `size` (of the text) are in pixels."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self.size = min(max(round((image.width * image.height) ** 0.5 / 54), 15), 32)
        self.stroke = max(self.size // 7, 2)
        self.pad = round(self.size * 0.45)

    # ---- text

    def chip_size(self, text: Text) -> tuple[int, int]:
        """The width and height of a chip with this text."""
        name, more = text
        width = self._length(name) + (self._length(more) + self.size * _SPACE if more else 0)
        return round(width) + 2 * self.pad, round(self.size * 1.5)

    def shortened(self, names: Sequence[str], more: str) -> Text:
        """As many of the names as fit in one line, followed by the number of the others."""
        names = [_clean(name) or "?" for name in names]
        limit = self._image.width * 0.7
        for count in range(len(names), 0, -1):
            rest = f", +{len(names) - count}" if count < len(names) else ""
            text = (", ".join(names[:count]) + rest, more)
            if self.chip_size(text)[0] <= limit:
                return text
        first = names[0]
        while len(first) > 1 and self.chip_size((first + "...", more))[0] > limit:
            first = first[:-1]
        return first + "...", more

    def _length(self, text: str) -> float:
        font, text = _font(text, self.size)
        return font.getlength(text)

    # ---- drawing on the picture

    def frame(self, at: Rect, color: Color) -> None:
        """Draw a frame whose outer edge is the rectangle's, with dark edges on both sides."""
        edge = max(self.stroke // 3, 1)
        opacity = round(255 * _EDGE_OPACITY)
        self._ring(at.grown(edge), self.stroke + 2 * edge, INK, opacity)
        self._ring(at, self.stroke, color, 255)

    def leader(self, tag: Rect, box: Rect, color: Color) -> None:
        """Draw a line from a tag to its box."""
        from PIL import ImageDraw

        start, end = _nearest_points(tag, box)
        pen = ImageDraw.Draw(self._image)
        pen.line((start, end), fill=INK, width=self.stroke + 2)
        pen.line((start, end), fill=color, width=self.stroke)

    def chip(self, at: Rect, text: Text, fill: Color) -> None:
        """Draw text on a coloured box."""
        from PIL import ImageDraw

        mask = _rounded((at.width, at.height), round(self.size * 0.3))
        self._image.paste(fill, (at.left, at.top), mask)
        ink = readable_on(fill)
        soft = _mixed(ink, fill, _SOFTNESS)
        pen = ImageDraw.Draw(self._image)
        x: float = at.left + self.pad
        for part, color in ((text[0], ink), (text[1], soft)):
            font, part = _font(part, self.size)
            _, top, _, _ = font.getbbox("H", anchor="ls")
            pen.text((x, at.top + (at.height - top) / 2), part, fill=color, font=font, anchor="ls")
            x += font.getlength(part) + self.size * _SPACE

    def _ring(self, at: Rect, width: int, color: Color, opacity: int) -> None:
        from PIL import Image, ImageChops

        radius = round(self.size * 0.3)
        mask = _rounded((at.width, at.height), radius, opacity)
        hole = at.grown(-width)
        if hole.width > 0 and hole.height > 0:
            inner = Image.new("L", mask.size)
            inner.paste(
                _rounded((hole.width, hole.height), max(radius - width, 0), opacity), (width, width)
            )
            mask = ImageChops.subtract(mask, inner)
        self._image.paste(color, (at.left, at.top), mask)

    # ---- the strip below it

    def with_strip(self, chips: Sequence[tuple[Text, Color]], note: str) -> Image.Image:
        """The image with a dark strip below it that contains the note, then the chips."""
        from PIL import Image, ImageDraw

        lines = self._lines(note)
        rows = self._rows(chips)
        if not lines and not rows:
            return self._image
        edge, line = self.size, round(self.size * 1.5)
        step = line + self.pad
        height = edge + len(lines) * line + (self.pad if lines and rows else 0)
        height += len(rows) * step - (self.pad if rows else 0) + edge
        above = self._image
        self._image = Image.new("RGB", (above.width, above.height + height), GROUND)
        self._image.paste(above, (0, 0))
        y = above.height + edge
        pen = ImageDraw.Draw(self._image)
        for content in lines:
            font, content = _font(content, self.size)
            pen.text((edge, y + line / 2), content, fill=NOTE, font=font, anchor="lm")
            y += line
        y += self.pad if lines and rows else 0
        for row in rows:
            x = edge
            for text, color in row:
                width, tall = self.chip_size(text)
                self.chip(Rect(x, y, x + width, y + tall), text, color)
                x += width + self.pad
            y += step
        return self._image

    def _lines(self, note: str) -> list[str]:
        lines: list[str] = []
        for word in _clean(note).split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self._length(longer) <= self._image.width - 2 * self.size:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def _rows(self, chips: Sequence[tuple[Text, Color]]) -> list[list[tuple[Text, Color]]]:
        rows: list[list[tuple[Text, Color]]] = []
        room = 0
        for (name, more), color in chips:
            text = self.shortened([name], more)
            width, _ = self.chip_size(text)
            if width > room:
                rows.append([])
                room = self._image.width - 2 * self.size
            rows[-1].append((text, color))
            room -= width + self.pad
        max_rows = max(self._image.height // (self.chip_size(("", ""))[1] + self.pad), _MIN_ROWS)
        if len(rows) > max_rows:  # leave out the least confident labels
            shown = [*rows[: max_rows - 1], rows[max_rows - 1][:-2]]
            rest = len(chips) - sum(len(row) for row in shown)
            rows = [*shown[:-1], [*shown[-1], ((f"and {rest} more", ""), GROUND)]]
        return rows


def _nearest_points(one: Rect, other: Rect) -> tuple[tuple[int, int], tuple[int, int]]:
    def along(start: int, end: int, from_: int, to: int) -> tuple[int, int]:
        if end <= from_:
            return end, from_
        if to <= start:
            return start, to
        middle = (max(start, from_) + min(end, to)) // 2
        return middle, middle

    x, other_x = along(one.left, one.right - 1, other.left, other.right - 1)
    y, other_y = along(one.top, one.bottom - 1, other.top, other.bottom - 1)
    return (x, y), (other_x, other_y)


@lru_cache(maxsize=256)
def _corners(radius: int, opacity: int) -> Image.Image:
    from PIL import Image, ImageDraw

    side = 2 * radius * _OVERSAMPLING
    disc = Image.new("L", (side, side))
    ImageDraw.Draw(disc).ellipse((0, 0, side - 1, side - 1), fill=opacity)
    return disc.resize((2 * radius, 2 * radius), Image.Resampling.BOX)


def _rounded(size: tuple[int, int], radius: int, opacity: int = 255) -> Image.Image:
    """A mask of this size with smooth round corners."""
    from PIL import Image

    width, height = size
    mask = Image.new("L", size, opacity)
    if radius := min(radius, width // 2, height // 2):
        disc = _corners(radius, opacity)
        for x, from_x in ((0, 0), (width - radius, radius)):
            for y, from_y in ((0, 0), (height - radius, radius)):
                corner = disc.crop((from_x, from_y, from_x + radius, from_y + radius))
                mask.paste(corner, (x, y))
    return mask


def _clean(text: str) -> str:
    """Replace line breaks and other unprintable characters by spaces."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


@lru_cache(maxsize=4096)
def _font(text: str, size: int) -> tuple[FreeTypeFont, str]:
    """A font with all characters of the text, and the text; without one, an ASCII approximation."""
    from PIL import ImageFont

    default = ImageFont.load_default(size)
    assert isinstance(default, ImageFont.FreeTypeFont)  # Pillow's wheels include FreeType
    if text.isascii():
        return default, text
    for name in _FONTS:
        try:
            font = ImageFont.truetype(name, size)
        except OSError:
            continue
        missing = bytes(font.getmask("\uffff"))
        if all(each.isspace() or bytes(font.getmask(each)) != missing for each in text):
            return font, text
    decomposed = unicodedata.normalize("NFKD", text)
    base = "".join(each for each in decomposed if not unicodedata.combining(each))
    return default, base.encode("ascii", "replace").decode()


def _mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
