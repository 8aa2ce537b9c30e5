"""Painted landscapes whose every object is known by its box: photos to look at, and to measure on.

Each is made of its number alone, so that the same number is the same picture everywhere.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""Left, top, width, height, as shares of the picture."""

SHAPES = ((900, 600), (900, 600), (600, 900), (900, 675), (720, 720), (1080, 540))
HOURS: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    # above, at the horizon, the far hills, the near ones
    "Dawn": ((92, 122, 176), (255, 205, 178), (158, 140, 172), (62, 74, 98)),
    "Day": ((76, 150, 214), (216, 236, 244), (142, 178, 190), (62, 118, 84)),
    "Sunset": ((64, 62, 122), (255, 158, 96), (164, 92, 110), (56, 42, 70)),
    "Night": ((12, 18, 44), (62, 74, 118), (44, 54, 92), (16, 22, 42)),
}
BRIGHT = ((214, 76, 62), (236, 170, 60), (58, 140, 150), (232, 226, 212), (120, 88, 150))


@dataclass
class Scene:
    """A picture, its hour, and the boxes of what is on it, by name."""

    image: Image.Image
    hour: str
    boxes: dict[str, list[Box]] = field(default_factory=dict)

    def mark(self, name: str, left: float, top: float, right: float, bottom: float) -> None:
        width, height = self.image.size
        left, right = max(left, 0), min(right, width)
        top, bottom = max(top, 0), min(bottom, height)
        box = (left / width, top / height, (right - left) / width, (bottom - top) / height)
        self.boxes.setdefault(name, []).append(box)


def paint(number: int, scale: float = 1) -> Scene:
    """The landscape of that number; with a scale a smaller picture of it, which is painted sooner."""
    chance = random.Random(number)
    hour = chance.choice(list(HOURS))
    above, below, far, near = HOURS[hour]
    width, height = (round(side * scale) for side in chance.choice(SHAPES))
    horizon = int(height * chance.uniform(0.5, 0.68))
    scene = Scene(_gradient((width, height), above, below, horizon), hour)
    _sun(scene, chance, horizon, "Moon" if hour == "Night" else "Sun")
    draw = ImageDraw.Draw(scene.image)
    if sea := chance.random() < 0.4:
        _sea(scene, chance, horizon, above, below)
    else:
        for layer in range(4):
            _hill(draw, chance, scene.image.size, horizon, layer / 3, far, near)
    size = min(width, height)
    for _ in range(chance.choice((0, 1, 1, 2))):
        _balloon(scene, chance, size)
    for _ in range(chance.choice((1, 1, 2, 3))):
        _boat(scene, chance, horizon, size) if sea else _tree(scene, chance, size, near)
    if not sea and chance.random() < 0.5:
        _house(scene, chance, size)
    return scene


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _gradient(size: tuple[int, int], above: Colour, below: Colour, horizon: int) -> Image.Image:
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        column.putpixel((0, y), _mix(above, below, min(y / horizon, 1) ** 1.3))
    return column.resize(size)


def _sun(scene: Scene, chance: random.Random, horizon: int, name: str) -> None:
    width, height = scene.image.size
    radius = min(width, height) * chance.uniform(0.05, 0.085)
    x, y = width * chance.uniform(0.2, 0.8), horizon * chance.uniform(0.3, 0.75)
    disc: Colour = (255, 244, 214) if name == "Sun" else (236, 240, 250)
    glow = Image.new("L", scene.image.size, 0)
    spread = radius * 2.6
    ImageDraw.Draw(glow).ellipse((x - spread, y - spread, x + spread, y + spread), fill=120)
    glow = glow.filter(ImageFilter.GaussianBlur(radius * 1.2))
    scene.image.paste(disc, mask=glow)
    ImageDraw.Draw(scene.image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=disc)
    scene.mark(name, x - radius, y - radius, x + radius, y + radius)


def _hill(
    draw: ImageDraw.ImageDraw,
    chance: random.Random,
    size: tuple[int, int],
    horizon: int,
    nearness: float,
    far: Colour,
    near: Colour,
) -> None:
    width, height = size
    base = horizon + (height - horizon) * nearness * 0.75
    swing = height * chance.uniform(0.03, 0.09) * (1.2 - nearness * 0.6)
    waves = [
        (chance.uniform(0.6, 2.6), chance.uniform(0, 6.3), chance.uniform(0.3, 1)) for _ in "abc"
    ]
    ridge = [
        (x, base - swing * sum(a * math.sin(f * 6.3 * x / width + p) for f, p, a in waves))
        for x in range(0, width + 6, 6)
    ]
    draw.polygon([(0, height), *ridge, (width, height)], fill=_mix(far, near, nearness))


def _sea(scene: Scene, chance: random.Random, horizon: int, above: Colour, below: Colour) -> None:
    width, height = scene.image.size
    draw = ImageDraw.Draw(scene.image)
    for y in range(horizon, height):
        share = (y - horizon) / (height - horizon)
        draw.line((0, y, width, y), fill=_mix(_mix(below, above, 0.55), above, share))
    for _ in range(90):
        share = chance.random() ** 0.8
        y, x = horizon + (height - horizon) * share, chance.uniform(0, width)
        length = width * (0.01 + 0.05 * share)
        draw.line((x, y, x + length, y), fill=_mix(below, above, 0.25), width=1 + round(share * 2))
    scene.mark("Sea", 0, horizon, width, height)


def _balloon(scene: Scene, chance: random.Random, size: int) -> None:
    width, height = scene.image.size
    radius = size * chance.uniform(0.05, 0.1)
    x, y = width * chance.uniform(0.12, 0.88), height * chance.uniform(0.14, 0.4)
    one, other = chance.sample(BRIGHT, 2)
    draw = ImageDraw.Draw(scene.image)
    basket = radius * 0.22
    foot = y + radius * 1.75
    for side in (-1, 1):
        draw.line(
            (x + side * radius * 0.7, y + radius * 0.6, x + side * basket, foot), fill=(70, 56, 48)
        )
    draw.polygon(
        [
            (x - radius * 0.86, y + radius * 0.5),
            (x + radius * 0.86, y + radius * 0.5),
            (x + basket, foot - basket),
            (x - basket, foot - basket),
        ],
        fill=one,
    )
    for share, colour in ((1, one), (0.62, other), (0.24, one)):
        draw.ellipse((x - radius * share, y - radius, x + radius * share, y + radius), fill=colour)
    draw.rectangle((x - basket, foot, x + basket, foot + basket * 1.5), fill=(88, 62, 44))
    scene.mark("Balloon", x - radius, y - radius, x + radius, foot + basket * 1.5)


def _boat(scene: Scene, chance: random.Random, horizon: int, size: int) -> None:
    width, height = scene.image.size
    length = size * chance.uniform(0.08, 0.16)
    x = width * chance.uniform(0.12, 0.85)
    y = horizon + (height - horizon) * chance.uniform(0.12, 0.6)
    draw = ImageDraw.Draw(scene.image)
    sail = chance.choice(BRIGHT)
    draw.polygon(
        [(x, y - length * 1.3), (x, y - length * 0.1), (x + length * 0.7, y - length * 0.1)],
        fill=sail,
    )
    draw.polygon(
        [
            (x - length * 0.06, y - length * 1.1),
            (x - length * 0.06, y - length * 0.1),
            (x - length * 0.5, y - length * 0.1),
        ],
        fill=(244, 240, 230),
    )
    draw.polygon(
        [
            (x - length * 0.6, y),
            (x + length * 0.8, y),
            (x + length * 0.5, y + length * 0.22),
            (x - length * 0.4, y + length * 0.22),
        ],
        fill=(78, 50, 42),
    )
    scene.mark("Boat", x - length * 0.6, y - length * 1.3, x + length * 0.8, y + length * 0.22)


def _tree(scene: Scene, chance: random.Random, size: int, near: Colour) -> None:
    width, height = scene.image.size
    tall = size * chance.uniform(0.16, 0.3)
    x, foot = width * chance.uniform(0.06, 0.94), height * chance.uniform(0.84, 0.97)
    draw = ImageDraw.Draw(scene.image)
    leaf = _mix(near, (24, 52, 38), 0.6)
    draw.rectangle((x - tall * 0.03, foot - tall * 0.3, x + tall * 0.03, foot), fill=(58, 42, 34))
    for step in range(4):
        wide, top = tall * (0.12 + 0.06 * step), foot - tall + tall * 0.19 * step
        draw.polygon(
            [(x, top), (x - wide, top + tall * 0.3), (x + wide, top + tall * 0.3)],
            fill=_mix(leaf, near, 0.1 * step),
        )
    scene.mark("Tree", x - tall * 0.3, foot - tall, x + tall * 0.3, foot)


def _house(scene: Scene, chance: random.Random, size: int) -> None:
    width, height = scene.image.size
    wide = size * chance.uniform(0.13, 0.2)
    x, foot = width * chance.uniform(0.2, 0.7), height * chance.uniform(0.8, 0.93)
    draw = ImageDraw.Draw(scene.image)
    top = foot - wide * 0.62
    draw.rectangle((x, top, x + wide, foot), fill=(236, 226, 208))
    draw.polygon(
        [(x - wide * 0.08, top), (x + wide / 2, top - wide * 0.42), (x + wide * 1.08, top)],
        fill=chance.choice(BRIGHT[:2]),
    )
    draw.rectangle((x + wide * 0.42, foot - wide * 0.34, x + wide * 0.58, foot), fill=(92, 62, 46))
    for side in (0.14, 0.68):
        draw.rectangle(
            (x + wide * side, top + wide * 0.16, x + wide * (side + 0.18), top + wide * 0.34),
            fill=(252, 214, 128),
        )
    scene.mark("House", x - wide * 0.08, top - wide * 0.42, x + wide * 1.08, foot)
