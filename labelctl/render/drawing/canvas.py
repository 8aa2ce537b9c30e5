"""How things look on a picture: frames, chips with text, the strip below. The one that knows fonts.

Sizes follow from the canvas, so that a picture looks the same large and small. Frames have a dark
seam on both sides, to be seen on light and dark alike; text is black or white, whichever is read
better. The font is the one that Pillow carries, which knows ASCII only; for what else a label may be
called one of the system's is looked for, and where there is none, letters lose their accents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from labelctl.render.drawing.layout import Rect

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont

Color = tuple[int, int, int]
Text = tuple[str, str]
"""What a chip says: a name, and what is told of it in a softer voice."""

INK, PAPER = (16, 17, 20), (255, 255, 255)
GROUND, CHIP, NOTE = (24, 26, 31), (50, 54, 63), (255, 192, 120)

_FONTS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc", "arial.ttf")
"""Fonts with many scripts that come with Linux, macOS and Windows."""
_SEAM = 0.75  # how dark the seam of a frame is, 0 to 1
_SPACE = 0.4  # between the two parts of a chip's text, in its size
_SOFT = 0.15  # how much of its ground a softer voice has; more, and it is hard to read
_ROWS = 4  # of chips, at the least; more are shown up to the height of the photo
_SMOOTH = 4  # curves are drawn so much larger, and shrunk


class Brush:
    """Draws on one canvas. `stroke`, `pad` and `size` (of the text) are pixels."""

    def __init__(self, canvas: Image.Image) -> None:
        self._canvas = canvas
        self.size = min(max(round((canvas.width * canvas.height) ** 0.5 / 54), 15), 32)
        self.stroke = max(self.size // 7, 2)
        self.pad = round(self.size * 0.45)

    # ---- text

    def chip_size(self, text: Text) -> tuple[int, int]:
        """Width and height of a chip."""
        name, more = text
        width = self._length(name) + (self._length(more) + self.size * _SPACE if more else 0)
        return round(width) + 2 * self.pad, round(self.size * 1.5)

    def shortened(self, names: Sequence[str], more: str) -> Text:
        """As many of the names as fit into the canvas, in one line."""
        names = [_clean(name) or "?" for name in names]
        limit = self._canvas.width * 0.7
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

    # ---- on the picture

    def frame(self, at: Rect, color: Color) -> None:
        """A frame within the rectangle: its outer edge is the rectangle's."""
        seam = max(self.stroke // 3, 1)
        dark = round(255 * _SEAM)
        self._ring(at.grown(seam), self.stroke + 2 * seam, INK, dark)
        self._ring(at, self.stroke, color, 255)

    def leader(self, tag: Rect, box: Rect, color: Color) -> None:
        """A line from a tag that lies apart to its box."""
        from PIL import ImageDraw

        start, end = _nearest_points(tag, box)
        pen = ImageDraw.Draw(self._canvas)
        pen.line((start, end), fill=INK, width=self.stroke + 2)
        pen.line((start, end), fill=color, width=self.stroke)

    def chip(self, at: Rect, text: Text, fill: Color) -> None:
        """A name on its colour."""
        from PIL import ImageDraw

        mask = _rounded((at.width, at.height), round(self.size * 0.3))
        self._canvas.paste(fill, (at.left, at.top), mask)
        ink = _readable_on(fill)
        soft = _mixed(ink, fill, _SOFT)
        pen = ImageDraw.Draw(self._canvas)
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
        self._canvas.paste(color, (at.left, at.top), mask)

    # ---- below it

    def with_strip(self, chips: Sequence[tuple[Text, Color]], note: str) -> Image.Image:
        """The canvas with the chips, and above them the note, on a dark ground below."""
        from PIL import Image, ImageDraw

        lines = self._lines(note)
        rows = self._rows(chips)
        if not lines and not rows:
            return self._canvas
        edge, line = self.size, round(self.size * 1.5)
        step = line + self.pad
        height = edge + len(lines) * line + (self.pad if lines and rows else 0)
        height += len(rows) * step - (self.pad if rows else 0) + edge
        above = self._canvas
        self._canvas = Image.new("RGB", (above.width, above.height + height), GROUND)
        self._canvas.paste(above, (0, 0))
        y = above.height + edge
        pen = ImageDraw.Draw(self._canvas)
        for words in lines:
            font, words = _font(words, self.size)
            pen.text((edge, y + line / 2), words, fill=NOTE, font=font, anchor="lm")
            y += line
        y += self.pad if lines and rows else 0
        for row in rows:
            x = edge
            for text, color in row:
                width, tall = self.chip_size(text)
                self.chip(Rect(x, y, x + width, y + tall), text, color)
                x += width + self.pad
            y += step
        return self._canvas

    def _lines(self, note: str) -> list[str]:
        lines: list[str] = []
        for word in _clean(note).split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self._length(longer) <= self._canvas.width - 2 * self.size:
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
                room = self._canvas.width - 2 * self.size
            rows[-1].append((text, color))
            room -= width + self.pad
        most = max(self._canvas.height // (self.chip_size(("", ""))[1] + self.pad), _ROWS)
        if len(rows) > most:  # of a thousand labels the surest will do
            shown = [*rows[: most - 1], rows[most - 1][:-2]]
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

    side = 2 * radius * _SMOOTH
    disc = Image.new("L", (side, side))
    ImageDraw.Draw(disc).ellipse((0, 0, side - 1, side - 1), fill=opacity)
    return disc.resize((2 * radius, 2 * radius), Image.Resampling.BOX)


def _rounded(size: tuple[int, int], radius: int, opacity: int = 255) -> Image.Image:
    """A mask of this size, with smooth round corners."""
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
    """In one line, and without what has no looks."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


@lru_cache(maxsize=4096)
def _font(text: str, size: int) -> tuple[FreeTypeFont, str]:
    """A font that has all characters of the text, or the nearest to it that can be written."""
    from PIL import ImageFont

    own = ImageFont.load_default(size)
    assert isinstance(own, ImageFont.FreeTypeFont)  # Pillow's wheels carry FreeType
    if text.isascii():
        return own, text
    for name in _FONTS:
        try:
            font = ImageFont.truetype(name, size)
        except OSError:
            continue
        missing = bytes(font.getmask("\uffff"))
        if all(each.isspace() or bytes(font.getmask(each)) != missing for each in text):
            return font, text
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    return own, plain.encode("ascii", "replace").decode()


def _light(color: Color) -> float:
    """Relative luminance. [WCAG 2.2, definition]"""
    red, green, blue = (
        part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    """How well one is read on the other, 1 to 21. [WCAG 2.2, definition of contrast ratio]"""
    lights = sorted((_light(one), _light(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _readable_on(fill: Color) -> Color:
    return max((INK, PAPER), key=lambda ink: contrast(ink, fill))


def _mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
