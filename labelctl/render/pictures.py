"""Fetching photos from S3 and decoding them to pictures that can be displayed.

Every decoded picture is upright, 8-bit sRGB, at most as large as requested, and without metadata such
as location or camera. The file type is detected from the content, never from the name, and the size is
read from the header before decoding. Pillow is imported on first use. This module must not know what is
drawn on pictures.
"""

from __future__ import annotations

import contextlib
from threading import Lock
from typing import TYPE_CHECKING, Any

from labelctl import image_file
from labelctl.aws.errors import error_code, is_missing
from labelctl.contract.s3_events import MAX_BYTES, MAX_SIDE
from labelctl.errors import Command, PhotoNotFoundError, PhotosFailedError, RefusedError
from labelctl.render.srgb import to_srgb

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from PIL import Image
    from PIL.ImageFile import ImageFile

    from labelctl.photos.versions import ObjectVersion

_LARGE = 24_000_000
"""Pictures decoded to at least this many pixels are decoded one at a time.

The largest PNG takes 400 MB, and the largest progressive JPEG 600 MB.
"""
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


def decode(data: bytes, longest: int) -> Image.Image:
    """Decode a picture to RGB (sRGB, transparency on white), at most `longest` pixels a side.

    A smaller picture keeps its size. A JPEG is rotated according to its EXIF data, because the boxes of
    labels are ratios of the upright picture. Metadata is dropped. Thread-safe. Raises
    PhotosFailedError if it cannot be decoded.
    """
    try:
        image = image_file.open_image(data)
    except image_file.UnreadableImageError as error:
        raise _undecodable() from error
    if max(image.size) > MAX_SIDE:
        raise PhotosFailedError(
            f"The picture is too large: {image.width:,} x {image.height:,} pixels "
            f"(maximum: {MAX_SIDE:,} a side).",
            "Replace it with a smaller one.",
        )
    try:
        pixels = image.width * image.height
        choose_scale(image, longest)
        if "progressive" not in image.info:  # the decoder holds these at full size
            pixels = image.width * image.height
        if pixels < _LARGE:
            return _displayable(image, longest)
        with _large_picture:
            return _displayable(image, longest)
    except MemoryError:
        raise  # not the picture's fault
    except Exception as error:  # Pillow raises a dozen types for damaged data
        raise _undecodable() from error


def is_rotated_by_browsers(data: bytes) -> bool:
    """Whether browsers rotate the original but Rekognition does not, so that its boxes do not fit.

    Browsers use the EXIF data of a PNG, which Rekognition ignores.
    """
    try:
        return image_file.is_png(data) and image_file.orientation(image_file.open_image(data)) != 1
    except image_file.UnreadableImageError:
        return False


def _undecodable() -> PhotosFailedError:
    return PhotosFailedError(
        "The picture is neither a JPEG nor a PNG, or it is damaged.",
        "Fix the file and upload it again.",
    )


def choose_scale(image: ImageFile, longest: int) -> None:
    """Have a JPEG decoded at a half, a quarter or an eighth of its size, but not below `longest`.

    Takes half the time of decoding at full size and shrinking. The longer side decides: Pillow would
    compare both sides with those of a square, and decode most pictures at full size.
    """
    factor = max(image.size) // longest
    if factor > 1:
        image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))


def _displayable(image: ImageFile, longest: int) -> Image.Image:
    rgb = image_file.on_white(to_srgb(image_file.shrink(image, longest)))
    rgb.info.clear()
    return rgb
