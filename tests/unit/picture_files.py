"""Picture files with EXIF orientations, and PNG files with odd chunks."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageDraw

RED = (255, 0, 0)

STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera does to the upright picture before it writes this orientation. [EXIF 2.32, 4.6.4]"""


def file(image, kind="PNG", **more):
    written = io.BytesIO()
    image.save(written, kind, **more)
    return written.getvalue()


def turned_file(image, orientation, kind="JPEG"):
    """The file of a camera held with this orientation."""
    how = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"quality": 95} if kind == "JPEG" else {}
    return file(image.transpose(how) if how is not None else image, kind, exif=exif, **quality)


def near(one, other, by=12):
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


ODD_CHUNKS = {
    "much compressed text": (b"zTXt", b"workflow\0\0" + zlib.compress(b'{"node": 1}' * 200_000)),
    "much international text": (
        b"iTXt",
        b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<rdf:li/>" * 200_000),
    ),
    "a keyword that is not ASCII": (b"tEXt", b"\xff\xfe\0text"),
    "text of an unknown compression": (b"zTXt", b"Comment\0\7text"),
    "a large profile": (b"iCCP", b"large\0\0" + zlib.compress(bytes(1_500_000))),
    "a huge profile": (b"iCCP", b"huge\0\0" + zlib.compress(bytes(20_000_000))),
    "a damaged profile": (b"iCCP", b"no end"),
    "an unknown profile": (b"iCCP", b"name\0\7profile"),
    "a cut resolution": (b"pHYs", b"\0\0"),
    "a cut gamma": (b"gAMA", b"\0"),
    "a cut time": (b"tIME", b"\7"),
    "a cut transparent color": (b"tRNS", b"\0"),
    "a cut animation": (b"acTL", b"\0"),
    "an unknown chunk": (b"prVt", b"anything"),
}
"""Chunks that are large or malformed, and not needed to show a PNG."""


def chunk(kind, content, damaged=False):
    """A PNG chunk, optionally with a wrong checksum. [PNG, 5.3]"""
    crc = zlib.crc32(kind + content) ^ damaged
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def with_chunk(png, kind, content, damaged=False):
    """The PNG with a chunk behind its header."""
    return png[:33] + chunk(kind, content, damaged) + png[33:]


def png(bits, kind, row, width=90, height=90):
    """A PNG with this many bits and kind of colour, all of whose rows are the same. [PNG, 11.2.2]"""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return _png(header, (b"\0" + row) * height)


ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""The first column and row of each pass, and the steps to the next ones. [PNG, 8.2]"""


def interlaced_png(image):
    """The file of an RGB image, with its pixels in the order of Adam7."""
    pixels = b""
    for left, top, step, down in ADAM7:
        for y in range(top, image.height, down):
            row = [image.getpixel((x, y)) for x in range(left, image.width, step)]
            pixels += b"\0" + bytes(value for pixel in row for value in pixel) if row else b""
    return _png(struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 1), pixels)


def _png(header, pixels):
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def red_corner():
    """A white picture whose upper left corner is red."""
    image = Image.new("RGB", (200, 100), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 49, 24), fill=RED)
    return image


XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>
</rdf:RDF></x:xmpmeta>"""
"""An orientation in XMP, where only some programs write one."""
