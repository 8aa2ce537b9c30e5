"""Opening JPEG and PNG files with Pillow, as leniently as viewers do.

The content decides the format, never the file name. Metadata cannot make a file unreadable: a PNG's is
removed before Pillow reads the header, except for what concerns colours and orientation. Pillow is
imported on first use.
"""

from __future__ import annotations

import io
import re
import struct
import sys
import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_DISPLAY_CHUNKS = frozenset((b"tRNS", b"gAMA", b"sRGB", b"iCCP", b"eXIf"))
"""Optional PNG chunks that affect how a picture looks. [PNG, 11.3]"""
_FRAGILE_SEGMENT = re.compile(
    rb"\xff(?:[\xe0\xe2\xed]..(?=JFIF|ICC_PROFILE|Photoshop)|\xee\0[\x02-\x0d](?=Adobe))", re.DOTALL
)
"""The start of a JPEG's segment with JFIF data, a profile or Photoshop data, or of an Adobe segment
that is too short for colours. [ITU-T T.871; libjpeg, jdmarker.c]"""
_MAX_PROFILE = 16 * 2**20  # bytes of a PNG's colour profile; Pillow's limit is 1 MB
_MAX_PARTS = 20_000
"""Maximum chunks of a PNG, and reads from a JPEG's header. Some programs write a chunk per row; a large
header takes a few hundred reads."""
_USUAL_SEGMENTS = frozenset((0xC4, 0xDD, 0xE0, 0xE1, 0xE2, 0xFE))
"""Huffman tables, restart interval, JFIF, EXIF and XMP, profiles, comments. [ITU-T T.81, table B.1]"""
_MAX_USUAL_SEGMENTS = 100
_KEPT_INFO = ("icc_profile", "gamma", "srgb", "exif")
_STRIP = 64  # rows
_ORIENTATION = 0x0112


class UnreadableImageError(Exception):
    """The header of a JPEG or PNG file cannot be read."""


def is_png(data: bytes) -> bool:
    """Whether the data is a PNG file, by its first bytes."""
    return data.startswith(_PNG_SIGNATURE)


def is_jpeg(data: bytes) -> bool:
    """Whether the data is a JPEG file, by its first bytes."""
    return data.startswith(_JPEG_SIGNATURE)


def size_of_usual_jpeg(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a complete JPEG with a usual header; None if Pillow has to decide.

    Ten times as fast as Pillow, which is not even imported. It accepts no header that Pillow rejects:
    only 8 bits, one or three channels, and tables of the usual size. [ITU-T T.81, B.1]
    """
    size, at = None, 2
    for _ in range(_MAX_USUAL_SEGMENTS):
        header = data[at : at + 10]
        if len(header) < 10 or header[0] != 0xFF:
            return None
        marker, length = header[1], int.from_bytes(header[2:4], "big")
        if marker == 0xDA:  # the scan follows
            usual = length == 6 + 2 * header[4] and data.rfind(b"\xff\xd9", at + length) >= 0
            return size if usual else None
        if marker in (0xC0, 0xC1, 0xC2):  # the frame
            height, width = struct.unpack_from(">HH", header, 5)
            usual = length == 8 + 3 * header[9] and header[4] == 8 and header[9] in (1, 3)
            if size or not usual or not width * height:
                return None
            size = width, height
        elif marker == 0xDB:  # quantization tables of 8 bits
            if (
                length < 2
                or (length - 2) % 65
                or max(data[at + 4 : at + 2 + length : 65], default=0) > 3
            ):
                return None
        elif marker not in _USUAL_SEGMENTS or length < 2:
            return None
        at += 2 + length
    return None


def open_image(data: bytes) -> ImageFile:
    """Read the header of a JPEG or PNG file; the pixels are decoded when they are first used.

    Takes time in proportion to the file's size, whatever it contains. Raises UnreadableImageError.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # damaged EXIF data
    try:
        return _open_png(data) if is_png(data) else _open_jpeg(data)
    except MemoryError:
        raise  # not the file's fault
    except Exception as error:  # Pillow raises a dozen types
        raise UnreadableImageError from error


def _open_jpeg(data: bytes) -> ImageFile:
    try:
        return _read_jpeg_header(data)
    except Exception:  # perhaps because of its metadata
        return _read_jpeg_header(_hide_metadata(data))


def _open_png(data: bytes) -> ImageFile:
    try:
        return _read_png_header(_without_metadata(data, _DISPLAY_CHUNKS))
    except Exception:  # perhaps because of these chunks
        return _read_png_header(_without_metadata(data, ()))


def _read_jpeg_header(data: bytes) -> ImageFile:
    # Not Image.open: it also reads the index of files with several pictures, which may be damaged.
    from PIL.JpegImagePlugin import JpegImageFile

    file = _Header(data)
    image = JpegImageFile(file)
    file.reads_left = sys.maxsize
    return image


def _hide_metadata(jpeg: bytes) -> bytes:
    """Rename the segments that Pillow fails on if they are damaged to APP15, which it ignores."""
    return _FRAGILE_SEGMENT.sub(lambda found: b"\xff\xef" + found[0][2:], jpeg)


def _read_png_header(data: bytes) -> ImageFile:
    from PIL import PngImagePlugin

    PngImagePlugin.MAX_TEXT_CHUNK = _MAX_PROFILE  # also the limit for profiles; texts are removed
    file = _Header(data)
    image = PngImagePlugin.PngImageFile(file)
    file.reads_left = sys.maxsize
    if not image.tile:
        raise OSError("There are no pixels.")
    if "transparency" in image.info:
        rawmode = str(image.tile[0].args)
        image.info["transparency"] = _level_of_8_bits(image.info["transparency"], rawmode)
    return image


def _level_of_8_bits(level: Any, rawmode: str) -> Any:
    """The transparent level or colour, in 8 bits. The file has it in its own, which Pillow keeps."""
    match rawmode:
        case "1":
            return 255 if level else 0
        case "L;2":
            return level * 85
        case "L;4":
            return level * 17
        case "RGB;16B":
            return tuple(each >> 8 for each in level)
    return level


class _Header(io.BytesIO):
    """A file that fails if its header has too many parts.

    Pillow reads stray bytes one by one, and joins EXIF segments in quadratic time.
    """

    reads_left = _MAX_PARTS

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise OSError("The header has too many parts.")
        return super().read(size)


def _without_metadata(png: bytes, optional: Collection[bytes]) -> bytes:
    """The PNG's critical chunks, and the first of each `optional` kind, up to its end. [PNG, 5.3]"""
    kept, seen, at = bytearray(png[:8]), set[bytes](), 8
    with memoryview(png) as view:
        for _ in range(_MAX_PARTS):
            if at + 8 > len(png):
                return bytes(kept)
            length, kind = struct.unpack_from(">I4s", png, at)
            end = at + 12 + length
            critical = not kind[0] & 0x20
            if critical or (kind in optional and kind not in seen):
                kept += view[at:end]
                seen.add(kind)
            if kind == b"IEND":
                return bytes(kept)
            at = end
    raise OSError("The file has too many chunks.")


def has_end(image: ImageFile) -> bool:
    """Whether an opened file that is not decoded yet contains the end marker of its picture."""
    file: Any = image.fp
    data: bytes = file.getvalue()
    if image.format == "PNG":
        return data[-8:-4] == b"IEND"
    return data.find(b"\xff\xd9", file.tell()) >= 0  # in a scan FF D9 occurs only at its end


def orientation(image: Image.Image) -> int:
    """The orientation in the file's EXIF data, 1 to 8; 1 if there is none. [EXIF 2.32, 4.6.4]

    Unlike Pillow's methods, it ignores orientations in XMP, as Rekognition and browsers do.
    """
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(image.info["exif"])
        value = exif[_ORIENTATION]
    except Exception:  # missing, or damaged in one of many ways
        return 1
    return value if value in range(1, 9) else 1


def shrink(image: ImageFile, longest: int) -> Image.Image:
    """Decode a picture, at most `longest` pixels a side, with 8 bits per channel.

    The mode is L, LA, RGB, RGBA or CMYK; transparency is an alpha channel. A JPEG is rotated upright;
    a PNG is not, as Rekognition ignores EXIF data in PNG files. `info` has the colour profile only.
    Shrinks first and then converts: at full size each step would take up to 400 MB.
    """
    if image.mode in ("1", "P"):
        # Pillow shrinks these by dropping pixels: keep enough of them for a smooth second step.
        image.thumbnail((4 * longest, 4 * longest))
    small: Image.Image = image
    if image.mode not in ("L", "RGB", "CMYK") or "transparency" in image.info:
        small = _shrink_in_strips(image, longest)
    small.thumbnail((longest, longest), reducing_gap=2.0)
    turned = _rotated(small, orientation(image)) if image.format != "PNG" else small
    turned.load()  # decoding needs the rest of `info`
    turned.info = {name: image.info[name] for name in _KEPT_INFO if name in image.info}
    return turned


def _shrink_in_strips(image: Image.Image, longest: int) -> Image.Image:
    """Convert to 8 bits with an alpha channel, and shrink, strip by strip.

    Pillow would make a full-size copy, with colours multiplied by their opacity.
    """
    from PIL import Image

    factor = max(image.size) // longest
    if factor < 2:
        return _to_8_bits(image)
    width, height = image.size
    small: Image.Image | None = None
    tall = _STRIP * factor
    for top in range(0, height, tall):
        strip = _to_8_bits(image.crop((0, top, width, min(top + tall, height)))).reduce(factor)
        small = small or Image.new(strip.mode, (-(-width // factor), -(-height // factor)))
        small.paste(strip, (0, top // factor))
    return small or _to_8_bits(image)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert 16 bits, palettes, and a transparent level or colour, to L, LA, RGB or RGBA."""
    transparent = image.info.get("transparency")
    if image.mode.startswith("I"):
        deep = image.convert("I")
        grey = deep.point([level >> 8 for level in range(2**16)], "L")
        grey.info.clear()
        if transparent is not None:
            grey.putalpha(deep.point([255 * (level != transparent) for level in range(2**16)], "L"))
        return grey
    color = "L" if image.mode in ("1", "L", "LA") else "RGB"
    alpha = "A" if image.has_transparency_data else ""
    return image.convert(color + alpha)


def _rotated(image: Image.Image, how: int) -> Image.Image:
    from PIL.Image import Transpose

    methods = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(methods[how]) if how in methods else image


def on_white(image: Image.Image) -> Image.Image:
    """Convert L, LA, RGB, RGBA or CMYK to RGB, with transparency on white."""
    from PIL import Image

    if image.mode in ("LA", "RGBA"):
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")
