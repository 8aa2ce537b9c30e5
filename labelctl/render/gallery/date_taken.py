"""The date a photo was taken, from its EXIF data.

A date is text in ISO 8601: the camera's local time, with the offset from UTC if the camera recorded it:
2026-07-14T15:03:00 or 2026-07-14T15:03:00+02:00. Cameras and editors write many invalid dates, and a
photo comes from others, so anything else counts as no date. This module must not know folders or S3.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from labelctl import image_file

if TYPE_CHECKING:
    from PIL import Image

_EXIF_IFD = 0x8769
_DATE_TIME, _DATE_TIME_ORIGINAL = 0x0132, 0x9003
_OFFSET_TIME, _OFFSET_TIME_ORIGINAL = 0x9010, 0x9011
"""Tags of EXIF 2.32, 4.6.5 D and 4.6.4 A (DateTime)."""

_DATE = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d", re.ASCII)
_FIRST_YEAR = 1826
"""The year of the oldest surviving photograph: scans may carry its date."""
_TOLERANCE = timedelta(days=1)
"""How much later than the upload a photo's local time may be: time zones differ by up to 26 hours, but
a camera is rarely at the far end, and its clock may be slightly fast."""


def of_file(data: bytes) -> str | None:
    """The date of a JPEG or PNG file, or None."""
    try:
        return read(image_file.open_image(data))
    except image_file.UnreadableImageError:
        return None


def read(image: Image.Image) -> str | None:
    """The date in the EXIF data of an opened picture: DateTimeOriginal, or else DateTime; or None."""
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(image.info["exif"])
        details = exif.get_ifd(_EXIF_IFD)
        original = _date(details.get(_DATE_TIME_ORIGINAL), details.get(_OFFSET_TIME_ORIGINAL))
        return original or _date(exif.get(_DATE_TIME), details.get(_OFFSET_TIME))
    except Exception:  # missing, or damaged in one of many ways
        return None


def write(taken: str) -> bytes:
    """EXIF data with nothing but this date, which `read` returns again."""
    from PIL import Image

    exif = Image.Exif()
    details = exif.get_ifd(_EXIF_IFD)
    details[_DATE_TIME_ORIGINAL] = taken[:19].replace("-", ":").replace("T", " ")
    if taken[19:]:
        details[_OFFSET_TIME_ORIGINAL] = taken[19:]
    return exif.tobytes()


def is_before(taken: str, uploaded: float | None) -> bool:
    """Whether a date is not later than the upload (in seconds since 1970), if that is known."""
    if uploaded is None:
        return True
    local = datetime.fromisoformat(taken[:19]).replace(tzinfo=UTC)
    return local <= datetime.fromtimestamp(uploaded, UTC) + _TOLERANCE


def _date(value: object, offset: object) -> str | None:
    found = _DATE.fullmatch(value.strip("\0 ")) if isinstance(value, str) else None
    if not found:
        return None
    try:
        date = datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*found.groups()))
    except ValueError:  # 0000:00:00, or the 30th of February
        return None
    if date.year < _FIRST_YEAR:
        return None
    zone = _OFFSET.fullmatch(offset.strip("\0 ")) if isinstance(offset, str) else None
    return date.isoformat() + (zone[0] if zone else "")
