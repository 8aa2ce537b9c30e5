"""What the recogniser sees of a file: what viewers show, rotated as Rekognition rotates it."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from labelctl.local.rekognition.decode import open_picture
from tests.unit.picture_files import ODD_CHUNKS, STORED, file, near, turned_file, with_chunk
from tests.unit.render.test_pictures import RED, XMP


@pytest.fixture
def corner():
    """A white picture whose upper left corner is red."""
    image = Image.new("RGB", (200, 100), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 49, 24), fill=RED)
    return image


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_turned_upright(corner, orientation):
    seen = open_picture(turned_file(corner, orientation))
    assert seen.size == (200, 100)
    assert near(seen.getpixel((10, 10)), RED)


def test_only_the_exif_data_of_a_jpeg_turn_it(corner):
    assert open_picture(file(corner, "JPEG", xmp=XMP)).size == (200, 100)
    assert open_picture(turned_file(corner, 6, "PNG")).size == (100, 200)


@pytest.mark.parametrize(("kind", "content"), ODD_CHUNKS.values(), ids=ODD_CHUNKS)
def test_odd_chunks_of_a_png_do_no_harm(corner, kind, content):
    seen = open_picture(with_chunk(file(corner), kind, content, damaged=True))
    assert near(seen.getpixel((10, 10)), RED)
