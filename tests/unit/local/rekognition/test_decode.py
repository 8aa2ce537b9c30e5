"""What the recogniser sees of a file: what viewers show, rotated as Rekognition rotates it."""

from __future__ import annotations

import pytest

from labelctl.local.rekognition.decode import open_picture
from tests.unit.picture_files import (
    ODD_CHUNKS,
    RED,
    STORED,
    XMP,
    file,
    interlaced_png,
    near,
    red_corner,
    turned_file,
    with_chunk,
)


@pytest.fixture
def corner():
    """A white picture whose upper left corner is red."""
    return red_corner()


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_turned_upright(corner, orientation):
    seen = open_picture(turned_file(corner, orientation))
    assert seen.size == (200, 100)
    assert near(seen.getpixel((10, 10)), RED)


def test_only_the_exif_data_of_a_jpeg_turn_it(corner):
    assert open_picture(file(corner, "JPEG", xmp=XMP)).size == (200, 100)
    assert open_picture(turned_file(corner, 6, "PNG")).size == (100, 200)


def test_an_interlaced_png(corner):
    assert near(open_picture(interlaced_png(corner)).getpixel((10, 10)), RED)


@pytest.mark.parametrize(("kind", "content"), ODD_CHUNKS.values(), ids=ODD_CHUNKS)
def test_odd_chunks_of_a_png_do_no_harm(corner, kind, content):
    seen = open_picture(with_chunk(file(corner), kind, content, damaged=True))
    assert near(seen.getpixel((10, 10)), RED)
