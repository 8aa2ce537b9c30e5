"""A gallery's pictures and data: what is fetched, what is shown, and what is never published."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image

from labelctl import atomic_file
from labelctl.errors import AccessDeniedError, LabelNotFoundError
from labelctl.photos.versions import ObjectVersion
from labelctl.render import pictures
from labelctl.render.drawing import annotate
from labelctl.render.drawing.palette import PALETTE
from labelctl.render.gallery import build
from labelctl.render.gallery.thumbnails import FULL, THUMB, open_folder
from tests.unit.gallery_world import Gallery, jpeg

GPS = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 22.0, 0.0)}
PLACE = b"labelctl-secret-place"


def telling(width: int = 60, height: int = 40, orientation: int = 1) -> bytes:
    """A JPEG with its location in every kind of metadata that Pillow can write."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = PLACE.decode()
    exif.get_ifd(0x8825).update(GPS)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + PLACE + b"</x:xmpmeta>"
    return jpeg(width, height, exif=exif.tobytes(), comment=PLACE, xmp=xmp, dpi=(300, 300))


# ---- pictures and labels


def test_each_photo_has_two_pictures_and_its_labels(gallery: Gallery) -> None:
    box = {"BoundingBox": {"Left": 0.1, "Top": 0.2, "Width": 0.123456, "Height": 0.4}}
    animals = [{"Name": "Animals and Pets"}]
    known = {"Categories": animals, "Aliases": [{"Name": "Hound"}]}
    gallery.put("a b/ü.jpg", jpeg(2400, 1200), {"Dog": 98.126, "Pet": 90}, **known)
    gallery.put("c.jpg", labels={"Dog": 60.0}, Instances=[box], Categories=animals)

    tiles = gallery.make()

    assert [tile.photo.image for tile in tiles] == ["a b/ü.jpg", "c.jpg"]
    wide = tiles[0].pictures
    assert wide
    assert (wide.width, wide.height) == (FULL, FULL / 2)
    for path, size in ((wide.full, (FULL, FULL / 2)), (wide.thumb, (THUMB, THUMB / 2))):
        with Image.open(gallery.root / str(path)) as picture:
            assert (picture.size, picture.format) == (size, "JPEG")
    result = build.page_data(tiles, {"title": "labelctl"})
    assert result["title"] == "labelctl"
    assert (result["labels"], result["categories"]) == (["Dog", "Pet"], ["Animals and Pets"])
    assert result["label_categories"] == [[0], [0]]
    assert result["label_aliases"] == [["Hound"], ["Hound"]]
    first, second = result["photos"]
    assert first["labels"] == [[0, 98.13, []], [1, 90.0, []]]
    [drawn] = annotate.merged_boxes(tiles[1].photo.labels)  # as `labelctl show` draws it
    color = PALETTE.index(drawn.color)
    assert second["labels"] == [[0, 60.0, [[0.1, 0.2, 0.1235, 0.4]], color]]
    assert result["palette"][color][0] == "#{:02x}{:02x}{:02x}".format(*drawn.color)
    assert first["thumb"] == wide.thumb
    assert (first["full"], first["width"], first["height"]) == (wide.full, 1600, 800)
    assert (first["status"], first["reason"]) == ("labelled", None)
    assert first["at"].endswith("Z")
    json.dumps(result)


def test_photos_that_failed_or_wait_are_shown_as_such(gallery: Gallery) -> None:
    gallery.put("failed.jpg", b"GIF89a", reason="It is not a JPEG or PNG image.")
    gallery.put("waiting.jpg")

    failed, waiting = build.page_data(gallery.make(), {})["photos"]

    assert (failed["status"], failed["reason"]) == ("failed", "It is not a JPEG or PNG image.")
    assert (failed["thumb"], failed["full"], failed["width"]) == (None, None, None)
    assert (waiting["status"], waiting["labels"]) == ("waiting", [])
    assert waiting["thumb"]


def test_metadata_is_never_published(gallery: Gallery) -> None:
    assert PLACE in telling()
    gallery.put("small.jpg", telling(orientation=6), {"Dog": 90.0})
    gallery.put("large.jpg", telling(3000, 2000), {"Dog": 90.0})

    upright = gallery.make()[1].pictures

    assert upright
    assert (upright.width, upright.height) == (40, 60)
    assert len(gallery.pictures()) == 4
    for path in gallery.pictures():
        with Image.open(path) as picture:
            assert not picture.getexif()
            assert not {"exif", "xmp", "comment", "photoshop"} & picture.info.keys()
        assert PLACE not in path.read_bytes()


def test_a_folder_of_the_console_is_not_shown(gallery: Gallery) -> None:
    gallery.s3.put_object(Bucket=gallery.bucket, Key="day 1/", Body=b"")
    gallery.put("day 1/a.jpg")
    gallery.put("odd/")
    assert [each.key for each in gallery.listed()] == ["day 1/a.jpg", "odd/"]


# ---- what is fetched, and what is left


def test_a_second_run_fetches_only_new_photos(gallery: Gallery) -> None:
    for name in "abc":
        gallery.put(f"{name}.jpg", jpeg(colour=f"#00000{name}"), {"Dog": 90.0})
    gallery.put("broken.jpg", b"no picture", reason="It is damaged.")
    gallery.make()
    assert gallery.asked["GetObject"] == 4

    again = gallery.make()
    assert gallery.asked["GetObject"] == 0
    assert [tile.fetched for tile in again] == [None] * 4

    gallery.put("b.jpg", jpeg(colour="blue"), {"Cat": 80.0})
    gallery.put("d.jpg", jpeg(colour="green"), {"Dog": 90.0})
    third = gallery.make()
    assert gallery.asked["GetObject"] == 2
    assert [tile.photo.image for tile in third if tile.fetched] == ["b.jpg", "d.jpg"]
    names = ["a.jpg", "b.jpg", "broken.jpg", "c.jpg", "d.jpg"]
    assert [tile.photo.image for tile in third] == names
    assert third[1].photo.labels[0].name == "Cat"


def test_an_interrupted_run_resumes(gallery: Gallery) -> None:
    for name in "abcdef":
        gallery.put(f"{name}.jpg", jpeg(colour=f"#00000{name}"), {"Dog": 90.0})
    with open_folder(gallery.root) as folder:
        begun = gallery.tiles(gallery.listed()[:3], folder)
        next(begun)
        begun.close()
    done = len({path.name for path in gallery.pictures()})
    assert 0 < done <= 3
    # What kill -9 leaves: temporary files.
    halves = [gallery.root / part / f"{atomic_file.PREFIX}0123" for part in ("thumbs", "photos")]
    for half in halves:
        half.write_bytes(b"\xff\xd8")

    gallery.make()

    assert gallery.asked["GetObject"] == 6 - done
    assert not any(half.exists() for half in halves)


def test_a_damaged_picture_is_made_again(gallery: Gallery) -> None:
    gallery.put("a.jpg")
    gallery.make()
    for path in gallery.pictures():
        path.write_bytes(b"")

    [tile] = gallery.make()

    assert gallery.asked["GetObject"] == 1
    assert tile.pictures
    assert all(path.stat().st_size for path in gallery.pictures())


# ---- what goes wrong with one photo


def test_a_photo_that_is_gone_or_broken_stops_nothing(
    gallery: Gallery,
) -> None:
    gone = gallery.put("gone.jpg", jpeg(colour="green"), {"Dog": 90.0})
    gallery.put("broken.jpg", jpeg(300, 300)[:400], {"Cat": 90.0})
    gallery.put("fine.jpg", labels={"Dog": 90.0})
    chosen = gallery.listed()
    gallery.s3.delete_object(Bucket=gallery.bucket, Key="gone.jpg", VersionId=gone.version_id)

    broken, fine, missing = gallery.make(chosen)

    assert fine.pictures
    assert (missing.pictures, broken.pictures) == (None, None)
    assert "removed in the meantime" in str(missing.reason)
    assert "damaged" in str(broken.reason)
    assert broken.photo.labels  # what is known of it is shown all the same

    gallery.make(chosen)
    assert gallery.asked["GetObject"] == 1  # that of the one that is gone: it might come back


def test_a_photo_replaced_during_the_run_is_shown_as_listed(gallery: Gallery) -> None:
    gallery.put("a.jpg", jpeg(100, 50), {"Dog": 90.0})
    chosen = gallery.listed()
    gallery.put("a.jpg", jpeg(50, 100), {"Cat": 80.0})

    [tile] = gallery.make(chosen)

    assert tile.pictures
    assert (tile.pictures.width, tile.pictures.height) == (100, 50)
    assert tile.photo.status == "waiting"  # the table speaks of the newer one


def test_a_photo_that_s3_refuses_is_reported(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.put("cold.jpg", labels={"Dog": 90.0})
    gallery.put("fine.jpg", labels={"Dog": 90.0})
    answer_to(monkeypatch, "cold.jpg", "InvalidObjectState", "It is in the archive.")

    cold, fine = gallery.make()

    assert cold.reason == "AWS rejected GetObject: It is in the archive."
    assert fine.pictures
    assert gallery.asked["GetObject"] == 1


def test_without_the_right_to_read_photos_it_ends(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.put("a.jpg")
    answer_to(monkeypatch, "a.jpg", "AccessDenied", "You may not perform: s3:GetObject")
    with pytest.raises(AccessDeniedError, match="s3:GetObject"):
        gallery.make()


def answer_to(monkeypatch: pytest.MonkeyPatch, key: str, code: str, message: str) -> None:
    """S3 refuses one photo."""
    from botocore.exceptions import ClientError

    get = pictures.fetch

    def refuse(s3: Any, bucket: str, sent: ObjectVersion) -> bytes:
        if sent.key == key:
            raise ClientError({"Error": {"Code": code, "Message": message}}, "GetObject")
        return get(s3, bucket, sent)

    monkeypatch.setattr(pictures, "fetch", refuse)


# ---- search


def test_photos_found_by_a_search_are_sorted_by_confidence(gallery: Gallery) -> None:
    for name, sure in (("a", 70.0), ("b", 90.0), ("c", 80.0)):
        gallery.put(f"{name}.jpg", jpeg(colour=f"#00000{name}"), {"Dog": sure, "Beach": 60.0})
    gallery.put("cat.jpg", labels={"Cat": 99.0})
    gallery.put("dog.jpg", labels={"Dog": 99.0})
    gallery.put("failed.jpg", reason="No.")

    chosen = gallery.searched("dog", "beach")

    assert {each.key for each in chosen} == {"a.jpg", "b.jpg", "c.jpg"}
    assert [each.key for each in gallery.searched("dog")][:3] == ["dog.jpg", "b.jpg", "c.jpg"]
    assert [each.key for each in gallery.searched("dog", prefix="b")] == ["b.jpg"]
    listed = {each.key: each for each in gallery.listed()}
    assert [*map(build.name_of, chosen)] == [build.name_of(listed[each.key]) for each in chosen]
    assert [each.size for each in chosen] == [listed[each.key].size for each in chosen]
    assert [tile.photo.labels[0].name for tile in gallery.make(chosen)] == ["Dog"] * 3


def test_an_unknown_label_is_not_found(gallery: Gallery) -> None:
    with pytest.raises(LabelNotFoundError, match="unicorn"):
        list(gallery.searched("unicorn"))
