"""The date a photo was taken: what counts as one, and where it is kept."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from PIL import Image

from labelctl.render.gallery import build, date_taken
from tests.unit.gallery_world import Gallery, jpeg

DATE = "2019:07:14 15:03:09"
ISO = "2019-07-14T15:03:09"


def exif(
    original: object = None, date_time: object = None, offset: object = None, other: object = None
) -> bytes:
    """EXIF data with DateTimeOriginal, DateTime, and the offsets of each."""
    made = Image.Exif()
    if date_time:
        made[0x0132] = date_time
    values = {0x9003: original, 0x9011: offset, 0x9010: other}
    made.get_ifd(0x8769).update({tag: value for tag, value in values.items() if value})
    return made.tobytes()


def read(data: bytes) -> str | None:
    image = Image.new("RGB", (1, 1))
    image.info["exif"] = data
    return date_taken.read(image)


@pytest.mark.parametrize(
    ("data", "date"),
    [
        (exif(DATE), ISO),
        (exif(DATE, "2020:01:01 00:00:00"), ISO),
        (exif(None, DATE), ISO),
        (exif("0000:00:00 00:00:00", DATE), ISO),
        (exif(DATE, offset="+02:00"), f"{ISO}+02:00"),
        (exif(DATE, offset="-09:30", other="+01:00"), f"{ISO}-09:30"),
        (exif(None, DATE, other="+14:00"), f"{ISO}+14:00"),
        (exif(DATE, offset="+25:00"), ISO),
        (exif(DATE, offset="\u0664"), ISO),
        (exif("2019-07-14T15:03:09"), ISO),
        (exif("1826:01:01 00:00:00"), "1826-01-01T00:00:00"),
    ],
)
def test_dates(data: bytes, date: str) -> None:
    assert read(data) == date
    assert read(date_taken.write(date)) == date


INVALID = (
    *("0000:00:00 00:00:00", "    :  :     :  :  ", "0001:01:01 00:00:00", "1825:12:31 23:59:59"),
    *("2019:02:30 12:00:00", "2019:07:14 24:00:00", "2019:07:14", "2019:07:14 15:03:09Z<script>"),
    *("٢٠١٩:07:14 15:03:09", "-019:07:14 15:03:09", "x" * 60_000, 2019, (1, 2)),
)


@pytest.mark.parametrize(
    "data",
    [exif(value) for value in INVALID] + [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff"],
)
def test_anything_else_is_no_date(data: bytes) -> None:
    assert read(data) is None


def test_a_file_that_is_no_picture_has_no_date() -> None:
    assert date_taken.of_file(jpeg(exif=exif(DATE))) == ISO
    assert date_taken.of_file(b"GIF89a") is None


def test_half_a_header_is_no_date() -> None:
    whole = exif(DATE, DATE, "+02:00")
    assert {read(whole[:length]) for length in range(len(whole))} <= {None, ISO, f"{ISO}+02:00"}


def test_a_photo_is_not_taken_after_its_upload() -> None:
    uploaded = datetime(2019, 7, 14, 2, 0, tzinfo=UTC).timestamp()
    assert date_taken.is_before("2019-07-14T15:03:09+14:00", uploaded)
    assert not date_taken.is_before("2019-07-15T15:03:09", uploaded)
    assert date_taken.is_before("9999-12-31T23:59:59", None)


def test_a_later_run_reads_the_date_from_the_thumbnail(gallery: Gallery) -> None:
    gallery.put("a.jpg", jpeg(exif=exif(DATE, offset="+02:00")), {"Dog": 90.0})
    gallery.put("b.jpg", jpeg(colour="blue"), {"Dog": 90.0})
    gallery.put("future.jpg", jpeg(exif=exif("9998:01:01 00:00:00")), {"Dog": 90.0})
    dates = [f"{ISO}+02:00", None, None]

    first, again = gallery.make(), gallery.make()

    assert [tile.taken for tile in first] == [tile.taken for tile in again] == dates
    assert gallery.asked["GetObject"] == 0
    data = build.page_data(again, {})
    assert [photo["taken"] for photo in data["photos"]] == dates
    for path in gallery.pictures():
        with Image.open(path) as picture:
            found = picture.getexif()
            assert not set(found) - {0x8769}
            assert not set(found.get_ifd(0x8769)) - {0x9003, 0x9011}
    linked = gallery.make(link=lambda _: "https://example.com/a.jpg")
    assert [tile.taken for tile in linked] == dates
