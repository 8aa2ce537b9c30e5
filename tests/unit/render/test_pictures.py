"""Decoded photos: the requested version, upright, in sRGB, limited in size."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError
from botocore.response import StreamingBody
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo
from urllib3.exceptions import ProtocolError

from labelctl import image_file
from labelctl.errors import PhotoNotFoundError, PhotosFailedError, RefusedError
from labelctl.photos.versions import ObjectVersion, current_photo
from labelctl.render import pictures
from tests.unit.picture_files import (
    ODD_CHUNKS,
    RED,
    STORED,
    XMP,
    file,
    interlaced_png,
    near,
    png,
    red_corner,
    turned_file,
    with_chunk,
)

BLUE, WHITE = (0, 0, 255), (255, 255, 255)


@pytest.fixture
def corner():
    """A white picture whose upper left corner is red."""
    return red_corner()


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_turned_upright(corner, orientation):
    shown = pictures.decode(turned_file(corner, orientation), 200)
    assert shown.size == (200, 100)
    assert near(shown.getpixel((10, 10)), RED)
    for x, y in ((190, 10), (190, 90), (10, 90)):
        assert near(shown.getpixel((x, y)), WHITE)


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((400, 300), (200, 150)),  # the shape of most photos
        ((300, 400), (150, 200)),
        ((319, 200), (319, 200)),  # a half would be too small
        ((2000, 8), (250, 1)),
        ((100, 80), (100, 80)),
    ],
)
def test_a_jpeg_is_decoded_at_the_smallest_sufficient_size(size, decoded):
    image = image_file.open_image(file(Image.new("RGB", size), "JPEG"))
    pictures.choose_scale(image, 160)
    assert image.size == decoded
    image.load()
    assert image.size == decoded


@pytest.mark.parametrize("longest", [37, 50, 100])
@pytest.mark.parametrize("orientation", [1, 6])
def test_pictures_are_limited_in_size(corner, orientation, longest):
    shown = pictures.decode(turned_file(corner, orientation), longest)
    assert shown.width == longest
    assert abs(shown.height - longest / 2) < 1
    assert pictures.decode(file(corner), 4000).size == corner.size


def test_an_orientation_in_xmp_alone_turns_nothing(corner):
    """Neither Rekognition nor browsers use it."""
    assert pictures.decode(file(corner, "JPEG", xmp=XMP), 200).size == (200, 100)


def test_a_png_stays_as_it_is(corner):
    """Rekognition uses the orientation of JPEG files only, and boxes are relative to that."""
    data = turned_file(corner, 6, "PNG")
    assert pictures.decode(data, 200).size == (100, 200)
    palette = file(
        Image.open(io.BytesIO(data)).quantize(), exif=Image.open(io.BytesIO(data)).info["exif"]
    )
    assert pictures.decode(palette, 200).size == (100, 200)


MODES = {
    "grey": (Image.new("L", (90, 90), 128), (128,) * 3),
    "16 bits": (Image.new("I;16", (90, 90), 128 * 256), (128,) * 3),
    "black and white": (Image.new("1", (90, 90), 1), WHITE),
    "palette": (Image.new("RGB", (90, 90), RED).quantize(), RED),
    "transparent": (Image.new("RGBA", (90, 90), (0, 0, 255, 0)), WHITE),
    "half transparent": (Image.new("RGBA", (90, 90), (255, 0, 0, 128)), (255, 127, 127)),
    "grey with alpha": (Image.new("LA", (90, 90), (0, 0)), WHITE),
}


@pytest.mark.parametrize("longest", [40, 90])
@pytest.mark.parametrize(("image", "color"), MODES.values(), ids=MODES)
def test_any_kind_of_png_becomes_rgb(image, color, longest):
    shown = pictures.decode(file(image), longest)
    assert (shown.mode, shown.size) == ("RGB", (longest, longest))
    assert near(shown.getpixel((20, 20)), color, 2)


@pytest.mark.parametrize("longest", [40, 100, 200, 400])
def test_an_interlaced_png(corner, longest):
    shown = pictures.decode(interlaced_png(corner), longest)
    assert near(shown.getpixel((2, 2)), RED)
    assert near(shown.getpixel((shown.width - 2, 2)), WHITE)


def test_a_large_transparent_one_is_shrunk_in_strips():
    """A half-transparent red bar, with nothing lost between the strips."""
    image = Image.new("RGBA", (1001, 903), (0, 0, 255, 0))
    ImageDraw.Draw(image).rectangle((300, 0, 699, 902), fill=(255, 0, 0, 128))
    shown = pictures.decode(file(image), 100)
    assert shown.size == (100, 90)
    assert {shown.getpixel((50, y)) for y in range(90)} == {(255, 127, 127)}
    assert {shown.getpixel((10, y)) for y in range(90)} == {WHITE}


def test_a_palette_can_have_a_transparent_color():
    image = Image.new("P", (90, 90), 0)
    image.putpalette([*BLUE, *RED])
    shown = pictures.decode(file(image, transparency=0), 90)
    assert shown.getpixel((5, 5)) == WHITE


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_any_kind_of_jpeg_becomes_rgb(mode):
    image = Image.new("RGB", (90, 90), (128, 128, 128)).convert(mode)
    shown = pictures.decode(file(image, "JPEG"), 90)
    assert shown.mode == "RGB"
    assert near(shown.getpixel((20, 20)), (128, 128, 128))


def swapped_profile() -> bytes:
    """The profile of a camera whose red is what others call blue."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"-XYZ").replace(b"bXYZ", b"rXYZ").replace(b"-XYZ", b"bXYZ")


def linear_grey_profile() -> bytes:
    """A profile for greyscale whose levels are proportional to the light. [ICC.1:2010, 8.3]"""
    tags = {
        b"wtpt": struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061),
        b"kTRC": b"curv" + bytes(8),
    }
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(content))
        data += content
    size = 128 + len(table) + len(data)
    header = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + data


HALF_RED = Image.new("RGBA", (90, 90), (*RED, 128))
PROFILED = {
    "RGB": (Image.new("RGB", (90, 90), RED), BLUE),
    "RGBA": (HALF_RED, (127, 127, 255)),
    "palette": (Image.new("RGB", (90, 90), RED).quantize(), BLUE),
    "palette with transparency": (HALF_RED.quantize(), (127, 127, 255)),
}


@pytest.mark.parametrize(("image", "color"), PROFILED.values(), ids=PROFILED)
def test_other_colors_become_a_screens(image, color):
    for longest in (30, 90):
        shown = pictures.decode(file(image, icc_profile=swapped_profile()), longest)
        assert near(shown.getpixel((5, 5)), color, 3)
    damaged = pictures.decode(file(image, icc_profile=b"malformed"), 90)
    assert near(damaged.getpixel((5, 5)), pictures.decode(file(image), 90).getpixel((5, 5)), 3)


def test_other_colors_of_a_jpeg_become_a_screens():
    image = Image.new("RGB", (90, 90), RED)
    shown = pictures.decode(file(image, "JPEG", icc_profile=swapped_profile()), 90)
    assert near(shown.getpixel((5, 5)), BLUE, 3)
    damaged = pictures.decode(file(image, "JPEG", icc_profile=b"malformed"), 90)
    assert near(damaged.getpixel((5, 5)), RED, 3)


LIGHT = (188,) * 3
"""Half of the light, in sRGB. [IEC 61966-2-1]"""
GREYS = {
    "grey": file(Image.new("L", (90, 90), 128)),
    "grey with alpha": file(Image.new("LA", (90, 90), (128, 255))),
    "16 bits": file(Image.new("I;16", (90, 90), 128 * 256)),
    "16 bits with alpha": png(16, 4, struct.pack(">HH", 128 * 256, 65535) * 90),
}


@pytest.mark.parametrize("data", GREYS.values(), ids=GREYS)
def test_a_grey_profile_is_used(data):
    profile = b"grey\0\0" + zlib.compress(linear_grey_profile())
    assert near(pictures.decode(data, 90).getpixel((5, 5)), (128,) * 3, 1)
    shown = pictures.decode(with_chunk(data, b"iCCP", profile), 90)
    assert near(shown.getpixel((5, 5)), LIGHT, 2)


@pytest.mark.parametrize("data", GREYS.values(), ids=GREYS)
def test_a_png_of_another_gamma_is_shown_as_in_browsers(data):
    def shown(*chunks: tuple[bytes, bytes]) -> Any:
        content = data
        for each in chunks:
            content = with_chunk(content, *each)
        return pictures.decode(content, 90).getpixel((5, 5))

    linear, usual = struct.pack(">I", 100_000), struct.pack(">I", 45_455)
    assert near(shown((b"gAMA", linear)), LIGHT, 1)
    assert near(shown((b"gAMA", usual)), (128,) * 3, 1)
    assert near(shown((b"gAMA", bytes(4))), (128,) * 3, 1)  # no valid value
    assert near(shown((b"gAMA", linear), (b"sRGB", b"\0")), (128,) * 3, 1)  # sRGB comes first


def test_gamma_does_not_change_the_opacity():
    data = with_chunk(file(Image.new("RGBA", (90, 90), (0, 0, 0, 128))), b"gAMA", b"\0\1\x86\xa0")
    assert near(pictures.decode(data, 90).getpixel((5, 5)), (127,) * 3, 1)


# Pictures of two levels, of which the right one is transparent. That level is given in as many bits as
# the picture has; the left one looks like it to a program that expects 8.
TWO_LEVELS = {
    "16 bits": (16, 0, [25_700, 100], struct.pack(">H", 100), 100),
    "4 bits": (4, 0, [10, 5], struct.pack(">H", 5), 170),
    "2 bits": (2, 0, [2, 1], struct.pack(">H", 1), 170),
    "1 bit": (1, 0, [1, 0], struct.pack(">H", 0), 255),
    "8 bits": (8, 0, [10, 15], struct.pack(">H", 15), 10),
    "16 bits, colors": (16, 2, [25_700, 32_868], struct.pack(">3H", *[32_868] * 3), 100),
}


@pytest.mark.parametrize(("bits", "level"), [(1, 255), (2, 170), (4, 170), (8, 170), (16, 170)])
def test_grey_of_any_number_of_bits(bits, level):
    content = bytes([0xFF if bits == 1 else 0b10101010]) * (bits * 88 // 8)
    assert pictures.decode(png(bits, 0, content, 88), 88).getpixel((5, 5)) == (level,) * 3


@pytest.mark.parametrize("longest", [40, 400])
@pytest.mark.parametrize(
    ("bits", "kind", "levels", "transparent", "left"), TWO_LEVELS.values(), ids=TWO_LEVELS
)
def test_only_the_transparent_level_is_transparent(longest, bits, kind, levels, transparent, left):
    row = "".join(f"{level:0{bits}b}" * 160 * (3 if kind == 2 else 1) for level in levels)
    content = int(row, 2).to_bytes(len(row) // 8, "big")
    shown = pictures.decode(
        with_chunk(png(bits, kind, content, 320, 160), b"tRNS", transparent), longest
    )
    width, height = shown.size
    assert near(shown.getpixel((width // 4, height // 2)), (left,) * 3, 1)
    assert shown.getpixel((width * 3 // 4, height // 2)) == WHITE


def test_nothing_else_of_the_file_is_kept(corner):
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010F] = "Camera of mine"
    result = PngInfo()
    result.add_text("Comment", "where I live")
    for data in (
        file(corner, "JPEG", exif=exif, comment=b"where I live"),
        file(corner, exif=exif, pnginfo=result, dpi=(72, 72)),
    ):
        shown = pictures.decode(data, 200)
        assert not shown.info
        for kind in ("JPEG", "PNG"):
            again = file(shown, kind)
            assert b"Camera of mine" not in again
            assert b"where I live" not in again


def test_damaged_exif_data_do_no_harm(corner):
    assert pictures.decode(file(corner, "JPEG", exif=b"Exif\0\0MM\0*malformed"), 200).size == (
        200,
        100,
    )


@pytest.mark.parametrize(("kind", "content"), ODD_CHUNKS.values(), ids=ODD_CHUNKS)
@pytest.mark.parametrize("damaged", [False, True])
def test_odd_chunks_of_a_png_do_no_harm(corner, kind, content, damaged):
    shown = pictures.decode(with_chunk(file(corner), kind, content, damaged), 200)
    assert shown.getpixel((10, 10)) == RED


def test_a_damaged_list_of_pictures_does_no_harm(corner):
    data = file(corner, "JPEG")
    assert pictures.decode(data[:2] + b"\xff\xe2\0\x0fMPF\0malformed" + data[2:], 200).size == (
        200,
        100,
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"hello",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        file(Image.new("RGB", (90, 90)), "GIF"),
        file(Image.effect_noise((90, 90), 90), "JPEG")[:-500],
        file(Image.effect_noise((90, 90), 90))[:-500],
    ],
)
def test_undecodable_files(data):
    with pytest.raises(PhotosFailedError, match="neither a JPEG nor a PNG, or it is damaged"):
        pictures.decode(data, 100)


def test_a_picture_too_large_is_refused_by_its_header():
    with pytest.raises(PhotosFailedError, match="10,001 x 90 pixels"):
        pictures.decode(file(Image.new("1", (10_001, 90))), 100)


@pytest.fixture
def megabytes() -> Iterator[Callable[[], int]]:
    """The memory Pillow allocated for pictures since `reset_stats`."""
    before = Image.core.get_block_size()  # global: building a gallery changes it as well
    Image.core.clear_cache()
    Image.core.set_block_size(2**20)
    yield lambda: Image.core.get_stats()["allocated_blocks"]
    Image.core.set_block_size(before)


def test_a_large_jpeg_is_decoded_at_a_reduced_size(megabytes):
    data = file(Image.new("RGB", (6_000, 6_000), RED), "JPEG")
    Image.core.reset_stats()
    assert pictures.decode(data, 400).size == (400, 400)
    assert megabytes() < 100  # decoded whole it takes 144 alone


# ---- the version that was meant


def test_the_requested_version_is_fetched(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"first")["VersionId"]
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"second")
    assert pictures.fetch(s3, bucket, ObjectVersion("a.jpg", first, None)) == b"first"
    assert pictures.fetch(s3, bucket, current_photo(s3, bucket, "a.jpg")) == b"second"
    s3.delete_object(Bucket=bucket, Key="a.jpg", VersionId=first)
    with pytest.raises(PhotoNotFoundError, match="has been removed"):
        pictures.fetch(s3, bucket, ObjectVersion("a.jpg", first, None))


def test_without_versions_the_etag_is_compared(s3):
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="a.jpg", Body=b"first")
    sent = current_photo(s3, "plain", "a.jpg")
    assert sent.version_id is None
    assert pictures.fetch(s3, "plain", sent) == b"first"
    s3.put_object(Bucket="plain", Key="a.jpg", Body=b"second")
    with pytest.raises(RefusedError, match="has been replaced"):
        pictures.fetch(s3, "plain", sent)
    s3.delete_object(Bucket="plain", Key="a.jpg")
    with pytest.raises(PhotoNotFoundError):
        pictures.fetch(s3, "plain", sent)


def test_objects_too_large_for_a_photo_are_not_fetched(s3, bucket, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_BYTES", 10)
    s3.put_object(Bucket=bucket, Key="film.mp4", Body=b"x" * 11)
    with pytest.raises(PhotosFailedError, match="larger than the maximum of 15 MB"):
        pictures.fetch(s3, bucket, current_photo(s3, bucket, "film.mp4"))


def test_a_connection_that_breaks_off_is_an_error_of_the_call():
    """Not urllib3's own error, which would not be explained to the user."""

    class BrokenOff(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ProtocolError("Connection broken: IncompleteRead(5 bytes read)")

    class S3:
        def get_object(self, **_: object) -> dict[str, object]:
            return {"Body": StreamingBody(BrokenOff(), 10), "ContentLength": 10}

    with pytest.raises(ResponseStreamingError):
        pictures.fetch(S3(), "photos", ObjectVersion("a.jpg", "v1", None))
