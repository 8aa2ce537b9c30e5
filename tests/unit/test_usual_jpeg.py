"""The fast reader of JPEG headers accepts only what Pillow accepts, and with the same size."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from labelctl import image_file


def jpeg(mode="RGB", size=(120, 90), **options):
    file = io.BytesIO()
    Image.new(mode, size, 77).save(file, "JPEG", **options)
    return file.getvalue()


USUAL = {
    "plain": jpeg(),
    "grey": jpeg("L"),
    "progressive": jpeg(progressive=True),
    "with metadata": jpeg(exif=Image.Exif(), comment=b"a", icc_profile=b"p" * 70_000, dpi=(1, 1)),
}


@pytest.mark.parametrize("content", USUAL.values(), ids=USUAL)
def test_usual_photos_are_read_without_pillow(content):
    assert image_file.size_of_usual_jpeg(content) == (120, 90)


@pytest.mark.parametrize(
    "content",
    [
        jpeg("CMYK"),
        USUAL["plain"][:-2],
        USUAL["plain"][:40],
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 99,
    ],
    ids=["CMYK", "no end", "cut", "start only", "fill bytes"],
)
def test_everything_else_is_left_to_pillow(content):
    assert image_file.size_of_usual_jpeg(content) is None


@pytest.mark.parametrize("content", USUAL.values(), ids=USUAL)
def test_pillow_agrees_on_damaged_headers(content):
    chance = random.Random(1)
    end = content.index(b"\xff\xda") + 4
    start = max(3, end - 1000)
    accepted = 0
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(start, end)
            damaged[at] = chance.choice((0, 1, 0xFF, damaged[at] ^ 1, chance.randrange(256)))
        if size := image_file.size_of_usual_jpeg(bytes(damaged)):
            accepted += 1
            assert image_file.open_image(bytes(damaged)).size == size
    assert 100 < accepted < 3000
