"""Validating files: which images are accepted, and the reasons for all others."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import time
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from labelctl.photos import validation
from labelctl.photos.validation import PhotoRefusedError
from tests.unit.picture_files import ODD_CHUNKS, with_chunk

MEGABYTE = 1024 * 1024


def picture(format="JPEG", size=(120, 90), **options) -> bytes:
    file = io.BytesIO()
    noise = Image.frombytes("L", size, os.urandom(size[0] * size[1])).convert("RGB")
    noise.save(file, format, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG with a header of this size and almost no content."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\x0d"
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
        + b"\0\0\0\0IEND\xaeB`\x82"
    )


def with_thumbnail(picture: bytes, thumbnail: bytes) -> bytes:
    """The JPEG with a complete second JPEG in its APP1 segment."""
    segment = b"Exif\0\0" + thumbnail
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + picture[2:]


def with_segment(marker: int, content: bytes) -> bytes:
    """A JPEG with this segment at its beginning."""
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
    return picture()[:2] + segment + picture()[2:]


def inserted(picture: bytes, marker: bytes, stray: bytes) -> bytes:
    """The JPEG with stray bytes before the first of these markers."""
    at = picture.index(marker)
    return picture[:at] + stray + picture[at:]


def saved(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def exif_photo() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    return saved(Image.new("RGB", (120, 90)), exif=exif)


@pytest.fixture
def refusal(tmp_path):
    """Return the reason why a file with this content is refused."""

    def refused(content: bytes, name: str = "photo.jpg") -> str:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(PhotoRefusedError) as caught:
            validation.read(path)
        return str(caught.value)

    return refused


@pytest.fixture
def read(tmp_path):
    def passed(content: bytes, name: str = "photo.jpg") -> validation.PhotoFile:
        path = tmp_path / name
        path.write_bytes(content)
        return validation.read(path)

    return passed


# ---- valid files

GOOD = {
    "plain": picture(),
    "progressive": picture(progressive=True, quality=95),
    "with fill bytes": picture()[:2] + b"\xff\xff\xff" + picture(progressive=True)[2:],
    "with an EXIF thumbnail": with_thumbnail(picture(), picture(size=(20, 20))),
    "with bytes behind its end": picture() + b"\0" * 1000 + b"<motion photo>",
    "with restart markers": picture(restart_marker_blocks=1),
    "of several pictures": picture() + picture(),
    "with stray bytes between segments": inserted(picture(), b"\xff\xdb", b"abcdefg"),
    "with many stray bytes": inserted(picture(), b"\xff\xda", bytes(608)),
    "with bytes behind the EXIF segment": inserted(exif_photo(), b"\xff\xdb", b"junk" * 9),
    "without an end marker, before a trailer": picture()[:-2] + b"\0\0\0\x18ftypmp42" + b"x" * 999,
    "with a damaged index of several pictures": with_segment(0xE2, b"MPF\0malformed"),
    "with damaged Photoshop data": with_segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4"),
    "with a cut JFIF segment": with_segment(0xE0, b"JFIF"),
    "with a cut Adobe segment": with_segment(0xEE, b"Adobe"),
    "with a cut color profile": with_segment(0xE2, b"ICC_PROFILE\0"),
    "with damaged EXIF data": with_segment(0xE1, b"Exif\0\0MM\0*malformed"),
    "in CMYK": saved(Image.new("CMYK", (120, 90))),
    "in grey": saved(Image.new("L", (120, 90))),
    "with a segment that lasts until its end": picture()[:2] + b"\xff\xfe\0\2" + picture()[2:],
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_jpeg_is_valid(read, content):
    photo = read(content)
    assert (photo.media_type, photo.width, photo.height) == ("image/jpeg", 120, 90)
    assert photo.content == content


@pytest.mark.parametrize(("kind", "content"), ODD_CHUNKS.values(), ids=ODD_CHUNKS)
@pytest.mark.parametrize("checksum", ["good", "damaged"])
def test_chunks_beside_the_picture_never_make_a_png_invalid(read, kind, content, checksum):
    """Every viewer shows such a file."""
    photo = read(with_chunk(picture("PNG"), kind, content, damaged=checksum == "damaged"))
    assert (photo.media_type, photo.width, photo.height) == ("image/png", 120, 90)


def test_png_without_an_end_is_valid_if_the_picture_is_whole(read):
    assert read(picture("PNG")[:-12]).width == 120


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "I;16"])
def test_png_is_valid_whatever_its_name(read, mode):
    file = io.BytesIO()
    Image.new(mode, (80, 81)).save(file, "PNG")
    photo = read(file.getvalue(), "really.jpg")
    assert (photo.media_type, photo.width, photo.height) == ("image/png", 80, 81)


@pytest.mark.parametrize("size", [(80, 80), (80, 10_000), (10_000, 80)])
def test_sizes_at_the_limits_are_valid(read, size):
    photo = read(png_header(*size))
    assert (photo.width, photo.height) == size


def test_largest_file_is_valid(read):
    assert len(read(picture().ljust(15 * MEGABYTE, b"\0")).content) == 15 * MEGABYTE


# ---- invalid files

OTHERS = {
    "GIF": picture("GIF"),
    "WebP": picture("WEBP"),
    "TIFF": picture("TIFF"),
    "BMP": picture("BMP"),
    "PDF": picture("PDF"),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x20ftypavif\0\0\0\0avifmif1",
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_unsupported_format_is_named(refusal, name):
    assert refusal(OTHERS[name]) == f"{name} is not supported. Convert it to JPEG or PNG."


def test_big_endian_tiff(refusal):
    assert refusal(b"MM\0*\0\0\0\x08 and so on").startswith("TIFF is not supported.")


NO_PICTURE = "It is not a JPEG or PNG image."
CUT_JPEG = "It is incomplete or damaged: the end of the JPEG is missing."
CUT_PNG = "It is incomplete or damaged: the end of the PNG is missing."
BAD_JPEG = "It is incomplete, damaged or an unusual kind of JPEG: its header cannot be read."
BAD_PNG = "It is incomplete, damaged or an unusual kind of PNG: its header cannot be read."


@pytest.mark.parametrize(
    "content", [b"Dear diary", b"BM is how this text begins", b"\xff\xd8", b"\0"]
)
def test_files_that_are_not_images(refusal, content):
    assert refusal(content) == NO_PICTURE


def test_empty_file(refusal):
    assert refusal(b"") == "It is empty."


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["plain", "progressive", "with an EXIF thumbnail"])
def test_truncated_jpeg(refusal, name, share):
    content = GOOD[name]
    assert refusal(content[: int((len(content) - 2) * share)]) == CUT_JPEG


@pytest.mark.parametrize("part", ["half", "header"])
def test_jpeg_of_an_interrupted_download(refusal, part):
    """Programs that reserve the space of a file first leave zeros at its end."""
    content = GOOD["plain"]
    length = len(content) // 2 if part == "half" else content.index(b"\xff\xda") + 14
    assert refusal(content[:length].ljust(2 * len(content), b"\0")) == CUT_JPEG


@pytest.mark.parametrize("length", [4, 100, 500])
def test_jpeg_truncated_in_its_header(refusal, length):
    assert refusal(GOOD["plain"][:length]) == BAD_JPEG


def test_progressive_jpeg_needs_its_end(refusal):
    assert refusal(GOOD["progressive"][:-2] + bytes(1000)) == CUT_JPEG


@pytest.mark.parametrize("length", [8, 20, 30])
def test_png_truncated_in_its_header(refusal, length):
    assert refusal(picture("PNG")[:length]) == BAD_PNG


def test_jpeg_of_12_bits(refusal):
    content = bytearray(picture())
    content[content.index(b"\xff\xc0") + 4] = 12
    assert refusal(bytes(content)) == BAD_JPEG


def test_png_without_pixels(refusal):
    assert refusal(png_header(90, 90).replace(b"\0\0\0\0IDAT\x35\xaf\x06\x1e", b"")) == BAD_PNG


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_truncated_png(refusal, share):
    content = picture("PNG")
    assert refusal(content[: int((len(content) - 12) * share)]) == CUT_PNG


def test_jpeg_without_a_frame_header(refusal):
    assert refusal(b"\xff\xd8\xff\xda\0\x02\xff\xd9") == BAD_JPEG


@pytest.mark.parametrize("size", [(79, 500), (500, 79)])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_too_few_pixels(refusal, format, size):
    expected = f"It is too small: {size[0]} x {size[1]} pixels (minimum 80 per side)."
    assert refusal(picture(format, size)) == expected


@pytest.mark.parametrize("size", [(10_001, 80), (80, 10_001)])
def test_too_many_pixels(refusal, size):
    expected = f"It is too large: {size[0]} x {size[1]} pixels (maximum 10,000 per side)."
    assert refusal(png_header(*size)) == expected


def test_too_many_pixels_in_a_jpeg(refusal):
    assert "10001 x 80 pixels" in refusal(picture(size=(10_001, 80)))


def test_too_many_bytes(refusal):
    content = picture().ljust(16 * MEGABYTE, b"\0")
    assert refusal(content) == "It is too large: 16.0 MB (maximum 15 MB)."


def test_one_byte_too_many(refusal):
    assert "too large" in refusal(picture().ljust(15 * MEGABYTE + 1, b"\0"))


def test_file_system_that_returns_less_than_was_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    photo = picture()
    path.write_bytes(photo)

    class Slow(io.FileIO):
        def read(self, size=-1):
            return super().read(min(size, 100))

    monkeypatch.setattr("builtins.open", lambda path, mode, **_: Slow(path, mode))
    assert validation.read(path).content == photo


@pytest.mark.parametrize("change", [b"", b"more"])
def test_file_that_is_written_to_while_being_read(tmp_path, monkeypatch, change):
    """A part of the old photo and a part of the new one must not be uploaded."""
    path = tmp_path / "a.jpg"
    old, new = picture(), picture() + change
    path.write_bytes(old)
    fstat = os.fstat

    def write_after(handle):
        monkeypatch.setattr(validation.os, "fstat", fstat)
        status = fstat(handle)
        path.write_bytes(new)
        os.utime(path, ns=(0, status.st_mtime_ns + 1))
        return status

    monkeypatch.setattr(validation.os, "fstat", write_after)
    with pytest.raises(PhotoRefusedError, match="It changed while being read"):
        validation.read(path)
    assert validation.read(path).content == new


def test_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jpg"))
    with pytest.raises(PhotoRefusedError, match="It is not a file"):
        validation.read(tmp_path / "s.jpg")


# ---- arbitrary content

SOI = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
markers = st.builds(
    lambda marker, length, rest: bytes([0xFF, marker]) + struct.pack(">H", length) + rest,
    st.integers(0, 255),
    st.integers(0, 40),
    st.binary(max_size=40),
)
contents = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(SOI.__add__),
    st.binary(max_size=200).map(PNG.__add__),
    st.lists(markers, max_size=12).map(lambda parts: b"\xff\xd8" + b"".join(parts) + b"\xff\xd9"),
    st.builds(
        lambda content, at, byte: content[:at] + bytes([byte]) + content[at + 1 :],
        st.sampled_from([GOOD["progressive"], GOOD["with an EXIF thumbnail"], png_header(90, 90)]),
        st.integers(0, 700),
        st.integers(0, 255),
    ),
)


@given(contents)
@example(b"\xff\xd8\xff\xc0\x00\x02")
@example(b"\xff\xd8\xff\xc0\x00\x00\xff\xda\x00\x00\xff\xd9")
def test_any_content_is_accepted_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.jpg"
    path.write_bytes(content)
    with contextlib.suppress(PhotoRefusedError):
        photo = validation.read(path)
        assert 80 <= photo.width <= 10_000
        assert 80 <= photo.height <= 10_000
        assert content.startswith((SOI, PNG))


@pytest.mark.parametrize(
    "part",
    {
        "fill bytes": SOI + b"\xff" * 14,
        "no length": SOI + b"\xe0\0\0" * 5,
        "short segments": SOI + b"\xe0\0\x02\xff" * 4,
        "EXIF segments": SOI + b"\xe1\0\x40Exif\0\0" + bytes(56) + b"\xff",
    }.values(),
    ids=["fill bytes", "no length", "short segments", "EXIF segments"],
)
def test_reading_a_hostile_jpeg_takes_linear_time(refusal, part):
    begin = time.process_time()
    refusal(SOI + part[3:] * (14 * MEGABYTE // len(part[3:])))
    assert time.process_time() - begin < 2  # quadratic time would take minutes


@pytest.mark.parametrize(
    "chunk",
    [
        b"\0\0\0\0IDAT\0\0\0\0",
        b"\0\0\0\0PLTE\0\0\0\0",
        b"\0\0\0\0prVt\0\0\0\0",
        b"\0\0\x40\0iCCPa\0\0" + zlib.compress(bytes(16_000_000)).ljust(0x4001, b"\0"),
    ],
    ids=["empty data", "palettes", "unknown chunks", "profiles"],
)
def test_reading_a_hostile_png_takes_linear_time(refusal, chunk):
    start = png_header(90, 90)[:33]
    begin = time.process_time()
    refusal(start + chunk * (14 * MEGABYTE // len(chunk)))
    assert time.process_time() - begin < 4  # quadratic time would take minutes


def test_a_hostile_picture_without_an_end_is_not_decoded_scan_by_scan(refusal):
    """Thousands of scans of a large progressive JPEG would take minutes."""
    content = saved(Image.new("L", (3000, 3000)), progressive=True)[:-2]
    scan = content[content.rindex(b"\xff\xda") :]
    begin = time.process_time()
    assert refusal(content + scan * 500) == CUT_JPEG
    assert time.process_time() - begin < 2
