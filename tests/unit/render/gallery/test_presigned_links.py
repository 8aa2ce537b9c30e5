"""Links to originals: exact version, limited validity, and URLs that browsers do not change."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from labelctl.aws.clients import Aws
from labelctl.errors import UsageError
from labelctl.photos.versions import ObjectVersion
from labelctl.render.gallery import build, presigned_links
from tests.unit.gallery_world import Gallery, jpeg
from tests.unit.picture_files import turned_file


def test_a_link_names_the_very_version(gallery: Gallery) -> None:
    sent = gallery.put("a b.jpg", jpeg(100, 50), {"Dog": 90.0})
    link = presigned_links.linker(gallery.s3, gallery.bucket, 3600)

    [tile] = gallery.make(link=link)

    assert tile.link
    assert f"versionId={sent.version_id}" in tile.link
    assert "a%20b.jpg" in tile.link
    assert [path.parent.name for path in gallery.pictures()] == ["thumbs"]
    assert build.page_data([tile], {})["photos"][0]["full"] == tile.link


def test_an_original_that_browsers_rotate_is_not_linked(gallery: Gallery) -> None:
    """Browsers use the orientation of a PNG; Rekognition does not, so the boxes would be elsewhere."""
    lying = Image.new("RGB", (900, 500), "green")
    gallery.put("turned.jpg", turned_file(lying, 6), {"Dog": 90.0})
    gallery.put("turned.png", turned_file(lying, 3, "PNG"), {"Dog": 90.0})
    gallery.put("usual.png", turned_file(lying, 1, "PNG"), {"Dog": 90.0})
    link = presigned_links.linker(gallery.s3, gallery.bucket, 3600)
    gallery.make()  # the large pictures of this earlier run are not needed any more
    for _ in range(2):  # the second time from the pictures that exist
        jpeg, turned, usual = gallery.make(link=link)
        assert jpeg.link
        assert usual.link
        assert not turned.link
        assert [path.parent.name for path in gallery.pictures()] == ["photos"] + 3 * ["thumbs"]
        shown = build.page_data([turned], {})["photos"][0]
        assert (shown["width"], shown["height"]) == (900, 500)
        with Image.open(gallery.root / shown["full"]) as picture:
            assert picture.size == (900, 500)


@pytest.mark.parametrize("key", ["../../x", "a/./b.jpg", "..", "a/.."])
def test_a_key_that_a_browser_would_change_is_not_linked(key: str, s3: Any) -> None:
    link = presigned_links.linker(s3, "photos", 60)
    assert link(ObjectVersion(key, "v", "e")) is None
    assert link(ObjectVersion(f"x{key.replace('/', '')}", "v", "e"))


def test_links_and_copies_take_turns_in_one_folder(gallery: Gallery) -> None:
    gallery.put("a.jpg")
    gallery.make()
    gallery.make(link=lambda sent: "https://example.com/")
    assert gallery.asked["GetObject"] == 0
    assert len(gallery.pictures()) == 1
    gallery.make()
    assert gallery.asked["GetObject"] == 1
    assert len(gallery.pictures()) == 2


def test_links_are_signed_as_all_regions_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3's own are of SigV2 for the older regions, and go to the endpoint of us-east-1."""
    aws = Aws(region="eu-west-1")
    link = presigned_links.linker(aws.presigning_s3, "photos", 60)(ObjectVersion("a.jpg", "v", "e"))
    assert link
    assert presigned_links.host(link) == "https://photos.s3.eu-west-1.amazonaws.com"
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    assert aws.has_temporary_credentials
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert not Aws(region="eu-west-1").has_temporary_credentials


@pytest.mark.parametrize(("age", "seconds"), [("90s", 90), ("12h", 43200), ("7d", 604800)])
def test_the_age_of_links(age: str, seconds: int) -> None:
    assert presigned_links.seconds(age) == seconds


@pytest.mark.parametrize("age", ["8d", "169h", "0s", "0.5s", "soon", ""])
def test_an_age_that_aws_does_not_take(age: str) -> None:
    with pytest.raises(UsageError):
        presigned_links.seconds(age)


def test_links_that_would_reveal_a_password_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:s3cret@127.0.0.1:1")
    with pytest.raises(UsageError, match="contains a password") as refused:
        presigned_links.linker(Aws().presigning_s3, "photos", 60)
    assert "s3cret" not in refused.value.message + refused.value.hint
