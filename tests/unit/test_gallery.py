"""A gallery's folder and its data: what is fetched, what is kept, and what never goes out."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelctl import contract, pictures
from labelctl.aws import Aws
from labelctl.errors import AccessDeniedError, LabelNotFoundError, RefusedError, UsageError
from labelctl.gallery import build, links, onefile, thumbnails
from labelctl.gallery.build import Chosen, Tile
from labelctl.gallery.onefile import OneFile
from labelctl.gallery.thumbnails import FULL, THUMB, Folder, open_folder
from labelctl.reads import Reader
from labelctl.results import Awaited, Photo
from tests.lambda_runtime import s3_record

Put = Callable[..., Awaited]

GPS = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 22.0, 0.0)}
PLACE = b"labelctl-secret-place"


def jpeg(width: int = 60, height: int = 40, colour: str = "red", **more: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "JPEG", **more)
    return file.getvalue()


def telling(width: int = 60, height: int = 40, orientation: int = 1) -> bytes:
    """A JPEG that tells where it was taken, in every way that Pillow can write."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = PLACE.decode()
    exif.get_ifd(0x8825).update(GPS)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + PLACE + b"</x:xmpmeta>"
    return jpeg(width, height, exif=exif.tobytes(), comment=PLACE, xmp=xmp, dpi=(300, 300))


@pytest.fixture
def put(s3: Any, dynamodb: Any, bucket: str, table: str) -> Put:
    """Puts a photo into the bucket and, if it has labels (or a reason), its rows into the table."""
    from boto3.dynamodb.types import TypeSerializer

    serialize = TypeSerializer().serialize
    sequence = count(1)

    def write(row: Mapping[str, Any]) -> None:
        item = {name: serialize(value) for name, value in row.items()}
        dynamodb.put_item(TableName=table, Item=item)

    def put(
        key: str,
        content: bytes | None = None,
        labels: Mapping[str, float] | None = None,
        reason: str = "",
        **label: Any,
    ) -> Awaited:
        content = jpeg() if content is None else content
        answer = s3.put_object(Bucket=bucket, Key=key, Body=content)
        version, etag = answer["VersionId"], answer["ETag"].strip('"')
        record = s3_record(
            key, f"{next(sequence):x}", versionId=version, eTag=etag, size=len(content)
        )
        [event] = contract.parse_message(json.dumps({"Records": [record]}))
        stored = contract.version_of(event, "x")
        if labels is not None:
            told = [{"Name": name, "Confidence": sure, **label} for name, sure in labels.items()]
            rows = contract.label_rows(event, stored, told)
            for row in rows:
                write(row)
                write(contract.word(row))
            write(contract.labelled_header(event, stored, rows, {}, "2030-01-01T00:00:00Z"))
        if reason:
            write(contract.failed_header(event, stored, "Invalid", reason, "2030-01-01T00:00:00Z"))
        return Awaited(key, version, etag)

    return put


class Maker:
    """Makes galleries of the bucket's photos in one folder, and counts what S3 was asked for."""

    def __init__(self, s3: Any, dynamodb: Any, bucket: str, table: str, root: Path) -> None:
        self.s3, self.dynamodb, self.bucket, self.table = s3, dynamodb, bucket, table
        self.root = root
        self.asked: Counter[str] = Counter()
        s3.meta.events.register("before-call.s3", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self.asked[model.name] += 1

    def listed(self, prefix: str = "") -> list[Chosen]:
        return list(build.listed(self.s3, self.bucket, prefix))

    def searched(self, *labels: str, prefix: str = "") -> Iterator[Chosen]:
        reader = Reader(self.dynamodb, self.table)
        return build.searched(reader, self.s3, self.bucket, labels, prefix, 100)

    def __call__(self, chosen: list[Chosen] | None = None, **more: Any) -> list[Tile]:
        self.asked.clear()
        chosen = self.listed() if chosen is None else chosen
        with open_folder(self.root, thumbs_only="link" in more) as folder:
            tiles = list(
                build.tiles(self.s3, self.dynamodb, self.bucket, self.table, chosen, folder, **more)
            )
            folder.sweep({each.name for each in chosen})
        return tiles

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}

    def pictures(self) -> list[Path]:
        return sorted(self.root.rglob("*.jpg"))


@pytest.fixture
def make(s3: Any, dynamodb: Any, bucket: str, table: str, tmp_path: Path) -> Maker:
    return Maker(s3, dynamodb, bucket, table, tmp_path / "gallery")


# ---- pictures and labels


def test_each_photo_has_two_pictures_and_its_labels(put: Put, make: Maker) -> None:
    box = {"BoundingBox": {"Left": 0.1, "Top": 0.2, "Width": 0.123456, "Height": 0.4}}
    animals = [{"Name": "Animals and Pets"}]
    put("a b/ü.jpg", jpeg(2400, 1200), {"Dog": 98.126, "Pet": 90}, Categories=animals)
    put("c.jpg", labels={"Dog": 60.0}, Instances=[box], Categories=animals)

    tiles = make()

    assert [tile.photo.image for tile in tiles] == ["a b/ü.jpg", "c.jpg"]
    wide = tiles[0].pictures
    assert wide
    assert (wide.width, wide.height) == (FULL, FULL / 2)
    for path, size in ((wide.full, (FULL, FULL / 2)), (wide.thumb, (THUMB, THUMB / 2))):
        with Image.open(make.root / str(path)) as picture:
            assert (picture.size, picture.format) == (size, "JPEG")
    told = build.data(tiles, {"title": "labelctl"})
    assert told["title"] == "labelctl"
    assert (told["labels"], told["categories"]) == (["Dog", "Pet"], ["Animals and Pets"])
    assert told["label_categories"] == [[0], [0]]
    first, second = told["photos"]
    assert first["labels"] == [[0, 98.13, []], [1, 90.0, []]]
    assert second["labels"] == [[0, 60.0, [[0.1, 0.2, 0.1235, 0.4]]]]
    assert first["thumb"] == wide.thumb
    assert (first["full"], first["width"], first["height"]) == (wide.full, 1600, 800)
    assert (first["status"], first["reason"]) == ("labelled", None)
    assert first["at"].endswith("Z")
    json.dumps(told)


def test_photos_that_failed_or_wait_are_shown_as_such(put: Put, make: Maker) -> None:
    put("failed.jpg", b"GIF89a", reason="It is not a JPEG or PNG picture.")
    put("waiting.jpg")

    failed, waiting = build.data(make(), {})["photos"]

    assert (failed["status"], failed["reason"]) == ("failed", "It is not a JPEG or PNG picture.")
    assert (failed["thumb"], failed["full"], failed["width"]) == (None, None, None)
    assert (waiting["status"], waiting["labels"]) == ("pending", [])
    assert waiting["thumb"]


def test_nothing_that_a_file_tells_besides_goes_out(put: Put, make: Maker) -> None:
    assert PLACE in telling()
    put("small.jpg", telling(orientation=6), {"Dog": 90.0})
    put("large.jpg", telling(3000, 2000), {"Dog": 90.0})

    upright = make()[1].pictures

    assert upright
    assert (upright.width, upright.height) == (40, 60)
    assert len(make.pictures()) == 4
    for path in make.pictures():
        with Image.open(path) as picture:
            assert not picture.getexif()
            assert not {"exif", "xmp", "comment", "photoshop"} & picture.info.keys()
        assert PLACE not in path.read_bytes()


# ---- what is fetched, and what is left


def test_a_second_run_fetches_only_what_is_new(put: Put, make: Maker) -> None:
    for name in "abc":
        put(f"{name}.jpg", jpeg(colour=f"#00000{name}"), {"Dog": 90.0})
    put("broken.jpg", b"no picture", reason="It is damaged.")
    make()
    assert make.asked["GetObject"] == 4

    again = make()
    assert make.asked["GetObject"] == 0
    assert [tile.fetched for tile in again] == [None] * 4

    put("b.jpg", jpeg(colour="blue"), {"Cat": 80.0})
    put("d.jpg", jpeg(colour="green"), {"Dog": 90.0})
    third = make()
    assert make.asked["GetObject"] == 2
    assert [tile.photo.image for tile in third if tile.fetched] == ["b.jpg", "d.jpg"]
    names = ["a.jpg", "b.jpg", "broken.jpg", "c.jpg", "d.jpg"]
    assert [tile.photo.image for tile in third] == names
    assert third[1].photo.labels[0].name == "Cat"


def test_a_run_that_was_cut_off_goes_on(put: Put, make: Maker) -> None:
    for name in "abcdef":
        put(f"{name}.jpg", jpeg(colour=f"#00000{name}"), {"Dog": 90.0})
    with open_folder(make.root) as folder:
        begun = build.tiles(
            make.s3, make.dynamodb, make.bucket, make.table, make.listed()[:3], folder
        )
        next(begun)
        begun.close()
    done = len({path.name for path in make.pictures()})
    assert 0 < done <= 3
    # What kill -9 leaves, at the worst: a file that is not whole beside its place.
    halves = [make.pictures()[0], make.root / "thumbs" / f"{thumbnails.name_of('f.jpg', 'e')}.jpg"]
    halves = [path.with_name(f".{path.name}.new") for path in halves]
    for half in halves:
        half.write_bytes(b"\xff\xd8")

    make()

    assert make.asked["GetObject"] == 6 - done
    assert not any(half.exists() for half in halves)


def test_a_picture_that_is_not_whole_is_made_anew(put: Put, make: Maker) -> None:
    put("a.jpg")
    make()
    for path in make.pictures():
        path.write_bytes(b"")

    [tile] = make()

    assert make.asked["GetObject"] == 1
    assert tile.pictures
    assert all(path.stat().st_size for path in make.pictures())


def test_what_is_not_used_any_more_is_removed_and_nothing_else(put: Put, make: Maker) -> None:
    put("a.jpg", jpeg(colour="red"))
    put("b.jpg", jpeg(colour="blue"))
    make()
    theirs = {"notes.txt", "thumbs/holiday.jpg", "photos/0123.jpg", f"thumbs/{'a' * 32}.png"}
    for name in theirs:
        (make.root / name).write_text("mine")
    assert len(make.pictures()) == 4 + 2

    make(make.listed("b"))

    ours = {f"{part}/{make.listed('b')[0].name}.jpg" for part in ("thumbs", "photos")}
    assert make.files() == theirs | ours | {".labelctl-gallery"}


@pytest.mark.parametrize("content", [{"a.txt": "mine"}, {"index.html": "<h1>mine</h1>"}])
def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RefusedError, match="other things"), open_folder(tmp_path):
        pass
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == content


def test_an_empty_folder_and_an_earlier_gallery_are_taken(tmp_path: Path) -> None:
    for _ in range(2):
        with open_folder(tmp_path) as folder:
            folder.write("index.html", [b"page"])
    assert (tmp_path / "index.html").read_bytes() == b"page"


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        open_folder(tmp_path),
        pytest.raises(RefusedError, match="Another"),
        open_folder(tmp_path),
    ):
        pass
    with open_folder(tmp_path):
        pass


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for place in (file, file / "below"):
        with pytest.raises(RefusedError, match=str(file)), open_folder(place):
            pass
    assert file.read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_it_with_a_sentence_and_no_half_file(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:
        folder.write("index.html", [b"old"])
        (tmp_path / ".index.html.new").symlink_to("/dev/full")
        with pytest.raises(RefusedError, match="No space left"):
            folder.write("index.html", [b"new" * 100_000])
    assert (tmp_path / "index.html").read_bytes() == b"old"


# ---- what goes wrong with one photo


def test_a_photo_that_is_gone_or_broken_stops_nothing(
    put: Put, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = put("gone.jpg", jpeg(colour="green"), {"Dog": 90.0})
    put("broken.jpg", jpeg(300, 300)[:400], {"Cat": 90.0})
    put("fine.jpg", labels={"Dog": 90.0})
    chosen = make.listed()
    make.s3.delete_object(Bucket=make.bucket, Key="gone.jpg", VersionId=gone.version_id)

    broken, fine, missing = make(chosen)

    assert fine.pictures
    assert (missing.pictures, broken.pictures) == (None, None)
    assert "removed meanwhile" in str(missing.reason)
    assert "damaged" in str(broken.reason)
    assert broken.photo.labels  # what is known of it is shown all the same

    make(chosen)
    assert make.asked["GetObject"] == 1  # that of the one that is gone: it might come back


def test_a_photo_that_is_replaced_meanwhile_is_shown_as_it_was_listed(
    put: Put, make: Maker
) -> None:
    put("a.jpg", jpeg(100, 50), {"Dog": 90.0})
    chosen = make.listed()
    put("a.jpg", jpeg(50, 100), {"Cat": 80.0})

    [tile] = make(chosen)

    assert tile.pictures
    assert (tile.pictures.width, tile.pictures.height) == (100, 50)
    assert tile.photo.status == "pending"  # the table speaks of the newer one


def test_one_that_s3_will_not_hand_out_is_told_of(
    put: Put, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("cold.jpg", labels={"Dog": 90.0})
    put("fine.jpg", labels={"Dog": 90.0})
    answer_to(monkeypatch, "cold.jpg", "InvalidObjectState", "It is in the archive.")

    cold, fine = make()

    assert cold.reason == "AWS refused GetObject: It is in the archive."
    assert fine.pictures
    assert make.asked["GetObject"] == 1


def test_without_the_right_to_read_photos_it_ends(
    put: Put, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.jpg")
    answer_to(monkeypatch, "a.jpg", "AccessDenied", "You may not perform: s3:GetObject")
    with pytest.raises(AccessDeniedError, match="s3:GetObject"):
        make()


def answer_to(monkeypatch: pytest.MonkeyPatch, key: str, code: str, message: str) -> None:
    """S3 refuses one photo."""
    from botocore.exceptions import ClientError

    get = pictures.get

    def refuse(s3: Any, bucket: str, sent: Awaited) -> bytes:
        if sent.key == key:
            raise ClientError({"Error": {"Code": code, "Message": message}}, "GetObject")
        return get(s3, bucket, sent)

    monkeypatch.setattr(pictures, "get", refuse)


# ---- names


HOSTILE = ["../../x", "/etc/passwd", "a\x1b[31m\n.jpg", "C:\\x", "con", ".", "..", "é" * 512, " "]


@pytest.mark.parametrize("key", HOSTILE)
def test_no_name_of_a_photo_becomes_that_of_a_file(key: str, make: Maker) -> None:
    name = thumbnails.name_of(key, "etag")
    with open_folder(make.root) as folder:
        folder.keep(name, Image.new("RGB", (8, 8)))
        folder.give_up(name, f"No {key}")
    assert {Path(each).name for each in make.files()} == {
        f"{name}.jpg",
        f"{name}.txt",
        ".labelctl-gallery",
    }
    assert not (make.root.parent / "x").exists()


@given(st.text(), st.text(), st.text(), st.text())
def test_names_of_files_are_hashes_of_key_and_etag(
    key: str, etag: str, other_key: str, other_etag: str
) -> None:
    one, other = thumbnails.name_of(key, etag), thumbnails.name_of(other_key, other_etag)
    assert len(one) == 32
    assert set(one) <= set("0123456789abcdef")
    zeros = any("\0" in text for text in (key, etag, other_key, other_etag))
    assert zeros or (one == other) == ((key, etag) == (other_key, other_etag))


# ---- links


def test_a_link_names_the_very_version(put: Put, make: Maker) -> None:
    sent = put("a b.jpg", jpeg(100, 50), {"Dog": 90.0})
    link = links.linker(make.s3, make.bucket, 3600)

    [tile] = make(link=link)

    assert tile.link
    assert f"versionId={sent.version_id}" in tile.link
    assert "a%20b.jpg" in tile.link
    assert [path.parent.name for path in make.pictures()] == ["thumbs"]
    assert build.data([tile], {})["photos"][0]["full"] == tile.link


@pytest.mark.parametrize("key", ["../../x", "a/./b.jpg", "..", "a/.."])
def test_a_key_that_a_browser_would_change_is_not_linked(key: str, make: Maker) -> None:
    assert links.linker(make.s3, make.bucket, 60)(Awaited(key, "v", "e")) is None
    assert links.linker(make.s3, make.bucket, 60)(Awaited(f"x{key.replace('/', '')}", "v", "e"))


def test_links_and_copies_take_turns_in_one_folder(put: Put, make: Maker) -> None:
    put("a.jpg")
    make()
    make(link=lambda sent: "https://example.com/")
    assert make.asked["GetObject"] == 0
    assert len(make.pictures()) == 1
    make()
    assert make.asked["GetObject"] == 1
    assert len(make.pictures()) == 2


def test_links_are_signed_as_all_regions_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3's own are of SigV2 for the older regions, and go to the endpoint of us-east-1."""
    aws = Aws(region="eu-west-1")
    link = links.linker(aws.signer, "photos", 60)(Awaited("a.jpg", "v", "e"))
    assert link
    assert links.host(link) == "https://photos.s3.eu-west-1.amazonaws.com"
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    assert aws.credentials_end
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert not Aws(region="eu-west-1").credentials_end


@pytest.mark.parametrize(("age", "seconds"), [("90s", 90), ("12h", 43200), ("7d", 604800)])
def test_the_age_of_links(age: str, seconds: int) -> None:
    assert links.seconds(age) == seconds


@pytest.mark.parametrize("age", ["8d", "169h", "0s", "0.5s", "soon", ""])
def test_an_age_that_aws_does_not_take(age: str) -> None:
    with pytest.raises(UsageError):
        links.seconds(age)


# ---- search


def test_photos_that_a_search_finds_come_surest_first(put: Put, make: Maker) -> None:
    for name, sure in (("a", 70.0), ("b", 90.0), ("c", 80.0)):
        put(f"{name}.jpg", jpeg(colour=f"#00000{name}"), {"Dog": sure, "Beach": 60.0})
    put("cat.jpg", labels={"Cat": 99.0})
    put("dog.jpg", labels={"Dog": 99.0})
    put("failed.jpg", reason="No.")

    chosen = list(make.searched("dog", "beach"))

    assert {each.sent.key for each in chosen} == {"a.jpg", "b.jpg", "c.jpg"}
    assert [each.sent.key for each in make.searched("dog")][:3] == ["dog.jpg", "b.jpg", "c.jpg"]
    assert [each.sent.key for each in make.searched("dog", prefix="b")] == ["b.jpg"]
    listed = {each.sent.key: each for each in make.listed()}
    assert [each.name for each in chosen] == [listed[each.sent.key].name for each in chosen]
    assert [each.size for each in chosen] == [listed[each.sent.key].size for each in chosen]
    assert [tile.photo.labels[0].name for tile in make(chosen)] == ["Dog"] * 3


def test_a_label_that_nobody_has_is_not_found(make: Maker) -> None:
    with pytest.raises(LabelNotFoundError, match="unicorn"):
        list(make.searched("unicorn"))


# ---- what it takes


def test_memory_does_not_grow_with_the_number_of_photos(
    put: Put, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the files in work are held, not those of the photos that are done."""
    content = os.urandom(1_000_000)

    def get(s3: Any, bucket: str, sent: Awaited) -> bytes:
        return bytes(bytearray(content))

    def upright(data: bytes, longest: int) -> Image.Image:
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr(pictures, "get", get)
    monkeypatch.setattr(pictures, "upright", upright)
    chosen = [Chosen(Awaited(f"{n}.jpg", "v", str(n)), None, 0) for n in range(60)]
    monkeypatch.setattr(build, "_labels", lambda *_: Photo("a", "pending"))
    tracemalloc.start()
    try:
        make(chosen)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < (build.WORKERS + 4) * len(content)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_largest_photos_are_decoded_in_bounded_memory(tmp_path: Path) -> None:
    """Four photos of 10,000 x 10,000 pixels asked for at once, of the worst kind, in a new process."""
    Image.new("RGB", (10_000, 10_000), "red").save(tmp_path / "a.png", compress_level=1)
    Image.new("RGB", (10_000, 10_000), "red").save(tmp_path / "b.jpg")  # is decoded small
    script = """
import sys
from pathlib import Path
from types import SimpleNamespace
from labelctl import pictures, results
from labelctl.gallery import build
from labelctl.gallery.build import Chosen
from labelctl.results import Awaited, Photo
from labelctl.gallery.thumbnails import open_folder

build.results = SimpleNamespace(read=lambda *_: Photo("a", "pending"), PENDING="pending")
pictures.get = lambda s3, bucket, sent: Path(sent.key).read_bytes()
chosen = [Chosen(Awaited(name, "v", str(n)), None, 0) for n, name in enumerate(sys.argv[1:])]
with open_folder(Path("gallery")) as folder:
    tiles = list(build.tiles(None, None, "", "", chosen, folder))
assert all(tile.pictures and tile.pictures.width == 1600 for tile in tiles), tiles
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""
    told = subprocess.run(
        [sys.executable, "-c", script, "b.jpg", *3 * ["a.png"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(told.stdout) < 750_000  # kB; one alone takes 480 MB


# ---- one file


def tile(folder: Folder, image: str = "a.jpg", size: int = 8) -> Tile:
    found = folder.keep(thumbnails.name_of(image, "e"), Image.effect_noise((size, size), 90))
    return Tile(Photo(image, "pending"), None, found, None)


def test_one_file_holds_all_pictures(tmp_path: Path) -> None:
    one = OneFile(tmp_path / "gallery.html")
    with open_folder(one.workshop) as folder:
        tiles = [tile(folder, f"{n}.jpg", n) for n in (450, 500)]
        for number, each in enumerate(tiles, start=1):
            one.weigh(folder, each.pictures, number, 2)
        one.write(folder, build.data(tiles, {}, one.place), ())
        folder.remove()

    assert [path.name for path in tmp_path.iterdir()] == ["gallery.html"]
    html = one.path.read_text()
    blocks = dict(
        re.findall(r'<script type="text/plain" id="(\w+)">data:image/jpeg;base64,(.*?)</', html)
    )
    [told] = re.findall(r'id="data">(.*?)</script>', html)
    sizes = []
    for photo in json.loads(told)["photos"]:
        for place in (photo["thumb"], photo["full"]):
            with Image.open(io.BytesIO(base64.b64decode(blocks[place["block"]]))) as picture:
                sizes.append(picture.size[0])
    assert sizes == [400, 450, 400, 500]
    OneFile(one.path)  # may be made anew


def test_one_file_that_would_be_too_large_is_refused_before_all_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onefile, "LARGEST", 100_000)
    one = OneFile(tmp_path / "gallery.html")
    with open_folder(one.workshop) as folder:
        one.weigh(folder, tile(folder).pictures, 1, 5000)
        one.weigh(folder, None, 2, 5000)
        with pytest.raises(RefusedError, match="3 photos of 5,000 take more than"):
            one.weigh(folder, tile(folder, size=900).pictures, 3, 5000)


def test_a_file_that_is_not_ours_and_a_folder_are_no_place_for_one_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        OneFile(tmp_path)
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg())
    with pytest.raises(RefusedError, match="no gallery"):
        OneFile(file)


def test_one_file_is_written_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = OneFile(tmp_path / "gallery.html")
    with open_folder(one.workshop) as folder:
        tiles = [tile(folder, f"{n}.jpg") for n in range(60)]
        for path in (one.workshop / "photos").iterdir():
            path.write_bytes(os.urandom(1_000_000))
        tracemalloc.start()
        try:
            one.write(folder, build.data(tiles, {}, one.place), ())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert one.path.stat().st_size > 80_000_000
    assert most < 10_000_000


def test_what_others_put_into_the_workshop_stays(tmp_path: Path) -> None:
    with open_folder(tmp_path / "made") as folder:
        tile(folder)
        (folder.root / "thumbs" / "mine.jpg").write_text("mine")
        folder.remove()
    assert [path.name for path in (tmp_path / "made").rglob("*.*")] == [
        ".labelctl-gallery",
        "mine.jpg",
    ]
