"""Photos as pixels: the very version that labels speak of, upright and of a size that can be shown.

It knows S3 and Pillow (which is loaded at the first use), and hands on one kind of picture only:
upright, RGB in the colours of a screen, eight bits, no longer than asked for, and without anything
that the file told besides (places, cameras). Files are told by their content, never by their name,
and their size is read from the header before a pixel is decoded. It must not know what is drawn.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from threading import Lock
from typing import TYPE_CHECKING, Any

from labelctl.aws.clients import code_of, is_missing
from labelctl.contract.s3_events import MAX_BYTES, MAX_SIDE
from labelctl.errors import PhotoNotFoundError, PhotosFailedError, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from PIL import Image

    from labelctl.photos.versions import Awaited

_LARGE = 24_000_000
"""Pixels. Larger pictures are decoded one at a time: the largest, as a PNG, takes 400 MB."""
_STRIP = 64  # rows
_one_large = Lock()


def get(s3: S3Client, bucket: str, sent: Awaited) -> bytes:
    """The photo's file: exactly the version that was meant, or none.

    Raises PhotoNotFoundError for one that is gone meanwhile, RefusedError for one that was replaced
    (in a bucket without versions), PhotosFailedError for one that is larger than any photo may be.
    """
    from botocore.exceptions import ClientError

    which: Any = {"VersionId": sent.version_id} if sent.version_id else {"IfMatch": sent.etag}
    try:
        answer = s3.get_object(Bucket=bucket, Key=sent.key, **which)
    except ClientError as error:
        if is_missing(error):
            raise PhotoNotFoundError(
                f'The photo "{sent.key}" has been removed meanwhile.',
                "Look what there is now: labelctl images",
            ) from error
        if code_of(error) in ("PreconditionFailed", "412"):
            raise RefusedError(
                f'The photo "{sent.key}" has been replaced meanwhile.', "Run the command again."
            ) from error
        raise
    # Closed by hand: `with` would hand out the raw stream, whose errors are not botocore's.
    with contextlib.closing(answer["Body"]) as body:
        if answer["ContentLength"] > MAX_BYTES:
            raise PhotosFailedError(
                f'The photo "{sent.key}" is larger than a photo may be: 15 MB.',
                "Upload a smaller one in its place.",
            )
        return body.read()


def is_png(data: bytes) -> bool:
    """Whether a file is a PNG, by its first bytes."""
    return data.startswith(b"\x89PNG\r\n\x1a\n")


def upright(data: bytes, longest: int) -> Image.Image:
    """The picture in `data`, RGB (sRGB, transparency on white), at most `longest` pixels a side.

    A smaller one keeps its size. Turned upright as its EXIF data ask for, if it is a JPEG: that is
    the picture which the boxes of labels are ratios of. It carries nothing else of the file. Several
    threads may ask at once. Raises PhotosFailedError for what cannot be decoded.
    """
    from PIL import Image

    # Pillow warns and refuses by area; the check by side is stricter, and a photo of 10,000 x 10,000
    # is none to warn of. Nor are damaged EXIF data.
    Image.MAX_IMAGE_PIXELS = None
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    except Exception as error:  # Pillow raises a dozen kinds for damaged headers
        raise _undecodable() from error
    if max(image.size) > MAX_SIDE:
        raise PhotosFailedError(
            f"The picture is too large: {image.width:,} x {image.height:,} pixels, "
            f"at most {MAX_SIDE:,} a side.",
            "Upload a smaller one in its place.",
        )
    try:
        image.draft("RGB", (2 * longest, 2 * longest))  # a JPEG can be decoded smaller than it is
        if image.width * image.height < _LARGE:
            return _plain(image, longest)
        with _one_large:
            return _plain(image, longest)
    except MemoryError:
        raise  # the machine's fault, not the picture's
    except Exception as error:  # and as many for damaged data
        raise _undecodable() from error


def _undecodable() -> PhotosFailedError:
    return PhotosFailedError(
        "The picture is neither a JPEG nor a PNG, or it is damaged.",
        "Mend the picture and upload it again.",
    )


def _plain(image: Image.Image, longest: int) -> Image.Image:
    """`image` made small before anything else is done with it: at full size each step costs 400 MB."""
    is_jpeg = image.format != "PNG"
    if image.mode in ("1", "P"):
        # These can only be shrunk by dropping pixels: leave enough of them for a smooth second step.
        image.thumbnail((4 * longest, 4 * longest))
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("RGBA", "LA"):
        image = _reduced(image, longest)
    # Pillow's quick first step of averaging whole pixels does not know 16 bits.
    image.thumbnail((longest, longest), reducing_gap=None if image.mode.startswith("I") else 2.0)
    turned = _turned(image) if is_jpeg else image  # as Rekognition, which the boxes are from
    flat = _flat(_on_screen(turned))
    flat.info.clear()
    return flat


def _reduced(image: Image.Image, longest: int) -> Image.Image:
    """A large picture with transparency, averaged down in strips: Pillow makes a copy of what it
    shrinks, in which colours are multiplied by their opacity."""
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


def _turned(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data are no reason to show nothing
        return image


def _on_screen(image: Image.Image) -> Image.Image:
    """The picture in sRGB, if it says that its colours are others, as those of many phones are."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, own, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):  # a profile that is damaged, or of other colours
        return image


def _flat(image: Image.Image) -> Image.Image:
    """Any mode as RGB: 16 bits scaled to 8 (Pillow would clip to white), alpha laid on white."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256, "F").convert("L")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")
