"""Fetching photos from S3 and decoding them to pictures that can be displayed.

Every decoded picture is upright, 8-bit sRGB, at most as large as requested, and without metadata such
as location or camera. The file type is detected from the content, never from the name, and the size is
read from the header before decoding. Pillow is imported on first use. This module must not know what is
drawn on pictures.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from threading import Lock
from typing import TYPE_CHECKING, Any

from labelctl.aws.errors import error_code, is_missing
from labelctl.contract.s3_events import MAX_BYTES, MAX_SIDE
from labelctl.errors import Command, PhotoNotFoundError, PhotosFailedError, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from PIL import Image

    from labelctl.photos.versions import ObjectVersion

_LARGE = 24_000_000
"""Pictures with at least this many pixels are decoded one at a time: the largest PNG takes 400 MB."""
_STRIP = 64  # rows
_large_picture = Lock()


def fetch(s3: S3Client, bucket: str, sent: ObjectVersion) -> bytes:
    """Fetch exactly this version of a photo.

    Raises PhotoNotFoundError if it was removed, RefusedError if it was replaced (in a bucket without
    versions), PhotosFailedError if it is larger than a photo may be.
    """
    from botocore.exceptions import ClientError

    version: Any = {"VersionId": sent.version_id} if sent.version_id else {"IfMatch": sent.etag}
    try:
        response = s3.get_object(Bucket=bucket, Key=sent.key, **version)
    except ClientError as error:
        if is_missing(error):
            raise PhotoNotFoundError(
                f'The photo "{sent.key}" has been removed in the meantime.',
                "To list the current photos: ",
                Command("images"),
            ) from error
        if error_code(error) in ("PreconditionFailed", "412"):
            raise RefusedError(
                f'The photo "{sent.key}" has been replaced in the meantime.',
                "Run the command again.",
            ) from error
        raise
    # `with response["Body"]` would return the raw stream, whose errors are not botocore's.
    with contextlib.closing(response["Body"]) as body:
        if response["ContentLength"] > MAX_BYTES:
            raise PhotosFailedError(
                f'The photo "{sent.key}" is larger than the maximum of 15 MB.',
                "Replace it with a smaller one.",
            )
        return body.read()


def is_png(data: bytes) -> bool:
    """Whether the data is a PNG file, by its first bytes."""
    return data.startswith(b"\x89PNG\r\n\x1a\n")


def decode(data: bytes, longest: int) -> Image.Image:
    """Decode a picture to RGB (sRGB, transparency on white), at most `longest` pixels a side.

    A smaller picture keeps its size. A JPEG is rotated according to its EXIF data, because the boxes of
    labels are ratios of the upright picture. Metadata is dropped. Thread-safe. Raises
    PhotosFailedError if it cannot be decoded.
    """
    from PIL import Image

    # Pillow's limit is on the area. The limit on the sides below replaces it, so that 10,000 x 10,000
    # pixels cause no warning. Warnings about damaged EXIF data are suppressed as well.
    Image.MAX_IMAGE_PIXELS = None
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    except Exception as error:  # Pillow raises a dozen types for damaged headers
        raise _undecodable() from error
    if max(image.size) > MAX_SIDE:
        raise PhotosFailedError(
            f"The picture is too large: {image.width:,} x {image.height:,} pixels "
            f"(maximum: {MAX_SIDE:,} a side).",
            "Replace it with a smaller one.",
        )
    try:
        image.draft("RGB", (2 * longest, 2 * longest))  # a JPEG can be decoded at a reduced size
        if image.width * image.height < _LARGE:
            return _normalized(image, longest)
        with _large_picture:
            return _normalized(image, longest)
    except MemoryError:
        raise  # not the picture's fault
    except Exception as error:  # as many types for damaged data
        raise _undecodable() from error


def _undecodable() -> PhotosFailedError:
    return PhotosFailedError(
        "The picture is neither a JPEG nor a PNG, or it is damaged.",
        "Fix the file and upload it again.",
    )


def _normalized(image: Image.Image, longest: int) -> Image.Image:
    """Shrink first, then convert: at full size each step would take up to 400 MB."""
    is_jpeg = image.format != "PNG"
    if image.mode in ("1", "P"):
        # Pillow shrinks these by dropping pixels: keep enough of them for a smooth second step.
        image.thumbnail((4 * longest, 4 * longest))
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("RGBA", "LA"):
        image = _reduce_in_strips(image, longest)
    # `reducing_gap` (averaging whole pixels first) does not support 16 bits.
    image.thumbnail((longest, longest), reducing_gap=None if image.mode.startswith("I") else 2.0)
    # Like Rekognition, which ignores EXIF data in PNG files.
    rotated = _rotated(image) if is_jpeg else image
    rgb = _to_rgb(_to_srgb(rotated))
    rgb.info.clear()
    return rgb


def _reduce_in_strips(image: Image.Image, longest: int) -> Image.Image:
    """Shrink a large picture with transparency strip by strip.

    Pillow would make a full-size copy, with colours multiplied by their opacity.
    """
    from PIL import Image

    factor = max(image.size) // longest
    if factor < 2:
        return image
    width, height = image.size
    small = Image.new(image.mode, (-(-width // factor), -(-height // factor)))
    tall = _STRIP * factor
    for top in range(0, height, tall):
        strip = image.crop((0, top, width, min(top + tall, height)))
        small.paste(strip.reduce(factor), (0, top // factor))
    return small


def _rotated(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data: show the picture as it is
        return image


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert to sRGB if the picture has another colour profile, as those of many phones have."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):  # the profile is damaged, or for another mode
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: 16 bits scaled to 8 (Pillow would clip to white), alpha on white."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256, "F").convert("L")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")
